"""What panels have in common: intervals for seaborn, step axes, ranges that one run cannot rule."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from plotting import style
from reading.outcomes import WITH, WITHOUT
from stats.estimates import t_factor

FEWEST = 3
"""Seeds of a band: with one degree of freedom it would cover the panel."""
_MOST = 20  # seeds that are drawn one by one
_LETTER = 0.06  # inches, the width of one
# The lowest and highest 5% of the values may each take three quarters of the height of the others.
_RARE, _ROOM = 0.05, 0.75
# Where the largest number of a logarithmic axis is so many times the least: what is numbered.
_NUMBERED = {1000.0: (1,), 10.0: (1, 2, 5), 1.5: (1, 1.2, 1.5, 2, 3, 5, 7), 0.0: ()}


def t_limits(values: "pd.Series[float]") -> tuple[float, float]:
    """Return the limits of the 95% Student-t interval of a mean, as seaborn's `errorbar` asks."""
    numbers = np.asarray(values, dtype=float)
    half = t_factor(len(numbers)) * float(numbers.std(ddof=1)) if len(numbers) > 1 else math.nan
    return float(numbers.mean()) - half, float(numbers.mean()) + half


def band_limits(values: "pd.Series[float]") -> tuple[float, float]:
    """Return `t_limits`, or none where a band of so few would fill the panel."""
    return t_limits(values) if len(values) >= FEWEST else (math.nan, math.nan)


def few(lines: pd.DataFrame) -> bool:
    """Tell whether single seeds can be told apart, and are drawn."""
    return lines["seed"].nunique() <= _MOST


class Scale(NamedTuple):
    """What the x axis of a panel counts: environment steps by `unit`, up to `end`."""

    unit: int
    label: str
    end: float


def scale(budgets: Iterable[int], largest: int) -> Scale:
    """Return environment steps in the unit that suits the largest budget of the figure.

    Runs of different budgets end where they end: to lay them over one another would compare a
    learner's half with another's.
    """
    units = ((10**6, " (million)"), (1000, " (thousand)"), (1, ""))
    unit, name = next((unit, name) for unit, name in units if largest >= unit)
    return Scale(unit, f"environment steps{name}", max(budgets) / unit)


def plain() -> FuncFormatter:
    """Format numbers without a power of ten where they need none."""
    return FuncFormatter(lambda number, _: f"{number:g}".replace("-", "\N{MINUS SIGN}"))


def number_log_axis(ax: Axes) -> None:
    """Number a logarithmic y axis, however little or much it spans."""
    low, high = ax.get_ylim()
    steps = next(steps for span, steps in _NUMBERED.items() if high >= span * low)
    ax.yaxis.set_major_locator(LogLocator(subs=steps) if steps else MaxNLocator(4))
    ax.yaxis.set_major_formatter(plain())
    ax.yaxis.set_minor_locator(NullLocator())


def fit_y(ax: Axes, values: "pd.Series[float]") -> None:
    """Show all values, unless rare ones at an end would squeeze the others; see `cut_off`."""
    transform = ax.yaxis.get_transform()
    numbers = transform.transform(values[np.isfinite(values)].to_numpy())
    if not len(numbers):
        return
    low, first, last, high = np.quantile(numbers, [0.0, _RARE, 1.0 - _RARE, 1.0])
    room = _ROOM * (last - first) or math.inf
    bottom, top = max(low, first - room), min(high, last + room)
    if bottom < top:
        margin = 0.05 * (top - bottom)
        ax.set_ylim(*transform.inverted().transform([bottom - margin, top + margin]))


def cut_off(ax: Axes, values: "pd.Series[float]", name: str = "values") -> str:
    """Say how far values go beyond the axis, or nothing."""
    (bottom, top), lowest, highest = ax.get_ylim(), values.min(), values.max()
    ends = [f"down to {lowest:.4g}"] if lowest < bottom else []
    ends += [f"up to {highest:.4g}"] if highest > top else []
    return f"Cut off at the edge: {name} {' and '.join(ends)}." if ends else ""


def steps_axis(ax: Axes, x: Scale, *, named: bool = True, end: float = 1.0) -> None:
    """Number the x axis up to the budget, and name it."""
    ticks = MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]).tick_values(0.0, x.end)
    ax.set_xlim(0.0, end * x.end)
    ax.set_xticks([tick for tick in ticks if 0.0 <= tick <= x.end * 1.0001])
    ax.xaxis.set_major_formatter(plain())
    ax.set_xlabel(x.label if named else "")


def interval_bar(
    ax: Axes, limits: tuple[float, float], at: float, window: tuple[float, float], colour: str
) -> None:
    """Draw a horizontal interval; what leaves the window ends in an arrow at its edge."""
    low, high = (min(max(end, window[0]), window[1]) for end in limits)
    if math.isnan(low) or math.isnan(high):
        return
    ax.plot([low, high], [at, at], color=colour, lw=1.1, solid_capstyle="butt", zorder=2)
    for end, edge, marker in ((limits[0], window[0], "<"), (limits[1], window[1], ">")):
        if (end < edge) if marker == "<" else (end > edge):
            ax.plot([edge], [at], marker, color=colour, ms=3.5, mew=0, clip_on=False, zorder=3)


_ACTING: dict[str, tuple[str, float]] = {WITH: ("black", -0.15), WITHOUT: ("white", 0.15)}


def acting_rows(ax: Axes, data: pd.DataFrame, rows: Sequence[str]) -> None:
    """Draw a row per cell: seeds, means and t intervals, filled with noise and open without.

    Args:
        ax: of the panel.
        data: `cell, seed, acting, return`.
        rows: the cells from top to bottom.
    """
    low, first, last, high = np.quantile(data["return"], [0.0, _RARE, 1.0 - _RARE, 1.0])
    room = 0.5 * _ROOM * (last - first) or 0.5
    window = max(low, first - room) - 0.1 * room, min(high, last + room) + 0.1 * room
    for acting, (face, shift) in _ACTING.items():
        mine = data[data["acting"] == acting]
        at = mine["cell"].map(rows.index) + shift
        look: Any = {"facecolors": "none" if face == "white" else style.GREY,
                     "edgecolors": style.GREY, "alpha": 0.5, "lw": 0.6}  # fmt: skip
        below, above = mine["return"] < window[0], mine["return"] > window[1]
        for marker, those in (("o", ~(below | above)), ("<", below), (">", above)):
            ax.scatter(mine.loc[those, "return"].clip(*window), at[those], 9, marker=marker, **look)
        for cell, scores in mine.groupby("cell")["return"]:
            place = rows.index(str(cell)) + shift
            interval_bar(ax, t_limits(scores), place, window, "black")
            ax.plot(np.clip(scores.mean(), *window), place, "o", ms=4, color="black", mfc=face,
                    zorder=4)  # fmt: skip
    ax.set_yticks(range(len(rows)), [style.plain(cell) for cell in rows])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlim(*window)
    ax.tick_params(axis="y", length=0)
    sns.despine(ax=ax, left=True)


def acting_legend(figure: Figure) -> None:
    """Say what filled and open are."""
    handles = [Line2D([], [], marker="o", color="black", mfc=face, ms=4, label=f"acting {how}")
               for how, (face, _) in _ACTING.items()]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper center", ncols=2)


def legend(target: Figure, colour: Mapping[str, str], *further: Line2D) -> None:
    """Name the lines under all panels of a figure."""
    handles = [Line2D([], [], color=hue, label=style.plain(word)) for word, hue in colour.items()]
    handles += further
    widths = [len(str(handle.get_label())) * _LETTER + 0.5 for handle in handles]
    room = target.get_figwidth()
    columns = len(widths) if sum(widths) < room else max(1, int(room / max(widths)))
    target.legend(handles=handles, loc="outside lower center", ncols=columns)


def failures(ax: Axes, told: Sequence[str]) -> None:
    """Write in a corner of a panel which runs failed."""
    if told:
        ax.text(0.02, 0.02, "\n".join(told), transform=ax.transAxes, fontsize=6, va="bottom",
                color=style.FAILURE)  # fmt: skip
