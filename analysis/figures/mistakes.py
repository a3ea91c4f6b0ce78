"""How large is the error that each common mistake makes?

A row per estimator, right ones first, a panel per squash: the length of the bias relative to that
of the true gradient, a dot per seed. What is right is off by noise alone, a few standard errors at
most and less with more estimates; what is wrong stays where it is.
"""

import math
from collections.abc import Iterator

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plotting import captions, style
from plotting.drawing import Drawing
from reading import measurements
from reading.kinds import MEASUREMENTS
from reading.measurements import WRONG
from reading.sweep import MissingDataError, Sweep

OF = MEASUREMENTS
_BIAS, _TRUE = "gradient/bias_norm", "gradient/true_norm"
_ERRORS = "gradient/bias_in_standard_errors"
_MOST = 10_000.0
"""Standard errors beyond which the number says only that there is no noise."""


def draw(sweep: Sweep) -> Iterator[Drawing]:
    """Yield the figure; see the module.

    Raises:
        MissingDataError: no estimator is wrong on purpose, or the truth is not known.
    """
    data = _data(measurements.frame(sweep))
    panels = sorted(data["panel"].unique())
    rows = {panel: _rows(data[data["panel"] == panel]) for panel in panels}
    figure = Figure(
        figsize=(style.PAGE, 0.7 + 0.3 * sum(len(names) + 1 for names in rows.values()))
    )
    heights = [len(names) for names in rows.values()]
    axes = figure.subplots(
        len(panels), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights}
    )[:, 0]
    for ax, panel in zip(axes, panels, strict=True):
        _draw(ax, data[data["panel"] == panel], rows[panel])
        ax.set_title(style.plain(panel), loc="left")
    axes[-1].set_xlabel("length of the bias / length of the true gradient")
    yield Drawing("mistakes", figure, data, _caption(sweep))


def _data(table: pd.DataFrame) -> pd.DataFrame:
    wrong = table["estimator"].str.startswith(WRONG)
    if not wrong.any():
        raise MissingDataError(f"no estimator is one of {WRONG}*")
    if not {_BIAS, _TRUE, _ERRORS} <= set(table):
        raise MissingDataError("the true gradient is not known")
    place = table["problem"] + ", " + table["squash"]
    # Beside each mistake what is right on the same problem, with the same squash.
    data = table[place.isin(place[wrong])]
    found = pd.DataFrame(
        {
            "panel": place[data.index],
            "line": data["line"],
            "seed": data["seed"],
            "relative_bias": data[_BIAS] / data[_TRUE],
            "standard_errors": data[_ERRORS],
        }
    )
    return found.dropna().sort_values(["panel", "line", "seed"], ignore_index=True)


def _rows(data: pd.DataFrame) -> list[str]:
    """Return the lines of a panel, those that are wrong last."""
    return sorted(data["line"].unique(), key=lambda line: (line.startswith(WRONG), line))


def _draw(ax: Axes, data: pd.DataFrame, rows: list[str]) -> None:
    for at, line in enumerate(rows):
        mine = data[data["line"] == line]
        ax.plot(
            mine["relative_bias"], [at] * len(mine), "o", ms=4.0, mew=0.0, alpha=0.7,
            color=style.colour(line),
        )  # fmt: skip
        ax.annotate(
            _said(mine["standard_errors"]), (1.01, at), xycoords=("axes fraction", "data"),
            va="center", fontsize=7, annotation_clip=False,
        )  # fmt: skip
    ax.set_xscale("log")
    _noise(ax, data, rows)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_yticks(range(len(rows)), [style.plain(row) for row in rows])
    ax.tick_params(axis="y", length=0)


def _noise(ax: Axes, data: pd.DataFrame, rows: list[str]) -> None:
    """Shade what is within two standard errors of no bias: an axis of logarithms has no zero."""
    left, right = ax.get_xlim()
    for at, line in enumerate(rows):
        mine = data[(data["line"] == line) & (data["standard_errors"] < _MOST)]
        if len(mine):
            edge = 2.0 * float((mine["relative_bias"] / mine["standard_errors"]).median())
            ax.fill_betweenx([at - 0.35, at + 0.35], left, edge, color="0.9", lw=0, zorder=0)
            left, right = min(left, edge / 2.0), max(right, edge)
    ax.set_xlim(left, right)


def _said(errors: "pd.Series[float]") -> str:
    """Write the standard errors of several seeds."""
    low, high = errors.min(), errors.max()
    if high > _MOST:
        return "no noise"
    if high >= 10.0:
        return f"{low:,.0f} SE" if math.isclose(low, high) else f"{low:,.0f} to {high:,.0f} SE"
    return f"{low:.1f} SE" if math.isclose(low, high) else f"{low:.1f} to {high:.1f} SE"


def _caption(sweep: Sweep) -> str:
    return captions.compose(
        sweep,
        "Bias of each estimator, the length of its mean less the true gradient (exact, by "
        "quadrature) relative to the true gradient's, a dot per seed. Grey: within two standard "
        "errors of none. On the right the largest bias of a parameter in standard errors (SE): "
        "below 4 it is noise; no noise: the estimate of a parameter is the same always, and wrong.",
    )
