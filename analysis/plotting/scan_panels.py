"""How the figures of measurements look: points where something was measured, lines where exact."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullLocator

from plotting import panels, style
from reading.sweep import MissingDataError
from stats.estimates import Array

_FEW, _WIDE = 9, 100.0
_DASHES = (0, (4, 2))


class Quantity(NamedTuple):
    """What a panel has on its y axis.

    Attributes:
        title: of the panel.
        measured: metric of the points.
        exact: metric of the lines, None if nothing exact is known.
    """

    title: str
    measured: str
    exact: str | None = None


OF_MEAN = Quantity(
    "gradient in the mean", "gradient/variance_of_mean", "gradient/exact_variance_of_mean"
)
OF_SCALE = Quantity(
    "gradient in the scale", "gradient/variance_of_scale", "gradient/exact_variance_of_scale"
)


def points(table: pd.DataFrame, x: str, quantity: Quantity, panel: str = "") -> pd.DataFrame:
    """Return what a panel shows: `COLUMNS`, `exact` NaN where it is not known.

    Args:
        table: of `measurements.frame`.
        x: the setting on the x axis.
        quantity: on the y axis.
        panel: its name, the quantity's title if there is none.

    Raises:
        MissingDataError: nothing of the kind was measured.
    """
    if quantity.measured not in table:
        raise MissingDataError(f"{quantity.measured} was not measured")
    known = quantity.exact is not None and quantity.exact in table
    found = pd.DataFrame(
        {
            "panel": panel or quantity.title,
            "line": table["line"],
            "x": table[x],
            "seed": table["seed"],
            "measured": table[quantity.measured],
            "exact": table[quantity.exact] if known else np.nan,
        }
    )
    return found.dropna(subset="measured").sort_values(["line", "x", "seed"], ignore_index=True)


Curves = Mapping[str, tuple[Array, Array]]
"""By line: places, and exact values there."""


def draw(
    ax: Axes, data: pd.DataFrame, colours: dict[str, Any], smooth: Curves | None = None
) -> None:
    """Draw what `points` returns: a dot per measurement, on the exact line, smooth where given.

    Where not all of a line is known exactly, a dashed one joins the means of its dots.
    """
    for line, mine in data.groupby("line", sort=True):
        look: Any = {"color": colours[str(line)]}
        known = mine.dropna(subset="exact").drop_duplicates("x")
        places, exact = (smooth or {}).get(str(line), (known["x"], known["exact"]))
        ax.plot(places, exact, lw=1.0, **look)
        if len(known) < mine["x"].nunique():
            means = mine.groupby("x")["measured"].mean()
            ax.plot(means.index, means, lw=0.7, ls=_DASHES, **look)
        ax.plot(mine["x"], mine["measured"], "o", ms=3.0, mew=0.0, alpha=0.8, **look)


def logarithmic(ax: Axes, places: Sequence[float] = ()) -> None:
    """Give a panel a logarithmic y axis, and for the places that were scanned a x axis of the kind.

    Few places are numbered one by one.
    """
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    if high < _WIDE * low:
        panels.number_log_axis(ax)
    ax.xaxis.set_major_locator(MaxNLocator(6))
    if len(places):
        ax.set_xscale("log")
        few = FixedLocator(sorted(places)) if len(places) <= _FEW else LogLocator(subs=(1, 2, 5))
        ax.xaxis.set_major_locator(few)
        ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(panels.plain())


def guide(ax: Axes, x: Sequence[float], y: Sequence[float], words: str, side: str = "left") -> None:
    """Draw what a law of growth would do, with its name at the end."""
    ax.plot(x, y, color=style.GREY, lw=0.8, ls=":", zorder=0)
    ax.annotate(
        words, (x[-1], y[-1]), (3 if side == "left" else -3, 0), textcoords="offset points",
        ha=side, va="center", fontsize=7, color="0.4", annotation_clip=False,
    )  # fmt: skip


def legend(figure: Figure, colours: dict[str, Any], data: pd.DataFrame) -> None:
    """Name the lines under all panels, and what the dots and lines of `points` are."""
    further = [Line2D([], [], color="0.3", marker="o", ms=3.0, lw=0.0, label="measured")]
    if data["exact"].notna().any():
        further.append(Line2D([], [], color="0.3", lw=1.0, label="exact"))
    if data["exact"].isna().any():
        further.append(Line2D([], [], color="0.3", lw=0.7, ls=_DASHES, label="mean of measured"))
    panels.legend(figure, colours, *further)


def distance(data: pd.DataFrame) -> str:
    """Say how far the measured values are from the exact ones at most, for a caption."""
    known = data.dropna(subset="exact")
    known = known[known["exact"] > 0.0]
    if known.empty:
        return "No exact value is known: dashed lines join the means of the dots."
    away = (known["measured"] / known["exact"] - 1.0).abs()
    worst = known[away == away.max()].iloc[0]
    where = f"{style.plain(worst['line'])}, {worst['panel']}, at {worst['x']:.3g}"
    partly = "; dashed lines join dots without one" if data["exact"].isna().any() else ""
    return (
        "Lines join exact values, by closed form or quadrature, at the places of the dots"
        f"{partly}. The largest distance of a dot from its exact value is {away.max():.1%} "
        f"({where})."
    )
