"""Where is an estimator wrong in the mean, however many estimates are taken?

Above the gradient in the mean of u, true and estimated; below the estimate's distance from the
truth with its 95% interval. At a jump of the cost the gradient through the sample, and every
mixture that trusts its small variance, misses what the jump contributes (Suh et al. 2022,
arXiv:2202.00817); at a kink, as a clip makes one, it misses nothing.
"""

from collections.abc import Iterator
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from plotting import captions, panels, style
from plotting.drawing import Drawing
from reading import measurements
from reading.kinds import MEASUREMENTS
from reading.sweep import MissingDataError, Sweep

OF = MEASUREMENTS
SETTING = "problem.mean"
PARAMETER = "parameter/mean.bias.0"
_Z = 1.959964
_ASIDE = 0.16  # of the distance between two places, between two lines
_OFF = 5.0  # standard errors beyond which a bias is no chance


def draw(sweep: Sweep) -> Iterator[Drawing]:
    """Yield the figure; see the module.

    Raises:
        MissingDataError: the mean was not scanned, or the truth is not known.
    """
    table = measurements.scanned(sweep, SETTING)
    if f"{PARAMETER}/true" not in table:
        raise MissingDataError("the true gradient is not known")
    data = _data(table)
    problems = sorted(data["panel"].unique())
    colours = style.colours(sorted(data["line"].unique()))
    figure = Figure(figsize=(style.PAGE, 3.8))
    axes = figure.subplots(2, len(problems), squeeze=False, sharex="col", sharey="row")
    for column, problem in enumerate(problems):
        _draw(axes[0, column], axes[1, column], data[data["panel"] == problem], colours)
        axes[0, column].set_title(style.plain(problem))
        axes[1, column].set_xlabel("mean of u")
    axes[0, 0].set_ylabel("gradient in the mean")
    axes[1, 0].set_ylabel("estimate \N{MINUS SIGN} truth")
    truth = Line2D([], [], color=style.GREY, lw=2.5, label="true")
    panels.legend(figure, colours, truth)
    yield Drawing("bias", figure, data, _caption(sweep, data))


def _data(table: pd.DataFrame) -> pd.DataFrame:
    names = {
        "estimate": f"{PARAMETER}/estimate", "true": f"{PARAMETER}/true",
        "standard_error": f"{PARAMETER}/standard_error",
        "standard_errors_off": f"{PARAMETER}/bias_in_standard_errors",
    }  # fmt: skip
    found = table[["problem", "line", SETTING, "seed", *names.values()]]
    found.columns = pd.Index(["panel", "line", "x", "seed", *names])
    found = found.dropna().assign(bias=lambda rows: rows["estimate"] - rows["true"])
    half = _Z * found["standard_error"]
    found = found.assign(low=found["bias"] - half, high=found["bias"] + half)
    return found.sort_values(["panel", "line", "x", "seed"], ignore_index=True)


def _draw(above: Axes, below: Axes, data: pd.DataFrame, colours: dict[str, str]) -> None:
    truth = data.drop_duplicates("x").sort_values("x")
    step = truth["x"].diff().min()
    reach = step * _ASIDE * len(colours) / 2
    look: Any = {"color": style.GREY, "lw": 2.5, "alpha": 0.6, "zorder": 0}
    above.hlines(truth["true"], truth["x"] - reach, truth["x"] + reach, **look)
    below.axhline(0.0, **look)
    below.axhline(0.0, color="black", lw=0.5, ls=(0, (4, 3)), zorder=5)
    for number, (line, colour) in enumerate(colours.items()):
        mine = data[data["line"] == line]
        # Side by side, as most of them lie on one another.
        x = mine["x"] + step * _ASIDE * (number - (len(colours) - 1) / 2)
        above.plot(x, mine["estimate"], "o", ms=3.0, mew=0.0, color=colour)
        below.vlines(x, mine["low"], mine["high"], color=colour, lw=1.0)
        below.plot(x, mine["bias"], "o", ms=3.0, mew=0.0, color=colour)
    for ax in (above, below):
        ax.yaxis.set_major_formatter(panels.plain())


def _caption(sweep: Sweep, data: pd.DataFrame) -> str:
    off = data.assign(off=data["standard_errors_off"].abs() > _OFF)
    counts = off.groupby(["panel", "line"], as_index=False)["off"].agg(["sum", "size"])
    told = [
        f"{row['line']} at {row['sum']} of {row['size']} places of {row['panel']}"
        for row in counts.to_dict("records") if row["sum"]
    ]  # fmt: skip
    return captions.compose(
        sweep,
        "Gradient in the mean of u: the true one (grey; exact, by quadrature) and estimates "
        "(above), and their difference with its 95% interval, which the dots may hide (below); "
        "lines stand side by side to be seen.",
        f"More than {_OFF:g} standard errors off: {'; '.join(told)}." if told
        else f"No estimate is more than {_OFF:g} standard errors off.",
    )  # fmt: skip
