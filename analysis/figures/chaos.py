"""After how many steps of chaotic dynamics is a gradient through them worth nothing?

The logistic map x' = 4 x (1 - x): the variance of the gradient through T steps grows as 4^T, while
the score function's tends to 3 / (8 std^2), the second moment of the arcsine law by the squared
std (Metz et al. 2021, arXiv:2111.05803; Parmas et al. 2018, arXiv:1902.01240). Where the lines
cross, differentiating the dynamics stops to pay.
"""

from collections.abc import Iterator

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from plotting import captions, scan_panels, style
from plotting.drawing import Drawing
from plotting.scan_panels import OF_MEAN
from reading import measurements
from reading.kinds import MEASUREMENTS
from reading.sweep import Sweep

OF = MEASUREMENTS
SETTING = "problem.steps"


def draw(sweep: Sweep) -> Iterator[Drawing]:
    """Yield the figure; see the module.

    Raises:
        MissingDataError: the number of steps of the map was not scanned.
    """
    table = measurements.scanned(sweep, SETTING, ["logistic_map"])
    data = scan_panels.points(table, SETTING, OF_MEAN)
    colours = style.colours(sorted(table["line"].unique()))
    figure = Figure(figsize=(style.COLUMN + 1.3, 2.9))
    ax = figure.subplots()
    scan_panels.draw(ax, data, colours)
    scan_panels.logarithmic(ax)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    first, last = float(data["x"].min()), float(data["x"].max())
    if table["std"].nunique() == 1:
        limit = 3.0 / (8.0 * table["std"].iloc[0] ** 2)
        scan_panels.guide(ax, [first, last], [limit, limit], "3/(8 std\N{SUPERSCRIPT TWO})")
    through = data[data["line"] == "reparameterised"].dropna(subset="exact")
    if len(through):
        end = through.sort_values("x").iloc[-1]
        heights = [float(end["exact"]) * 4.0 ** (at - end["x"]) for at in (first, end["x"])]
        scan_panels.guide(ax, [first, float(end["x"])], heights, "4$^T$")
    ax.set_xlabel("steps T of the logistic map")
    ax.set_ylabel("variance of the gradient in the mean")
    scan_panels.legend(figure, colours, data)
    caption = captions.compose(
        sweep,
        "Variance of one estimate of the gradient in the mean of the initial value, against the "
        "number of steps T. Dotted: 4^T through the last point, and 3 / (8 std^2).",
        _crossing(data),
        scan_panels.distance(data),
    )
    yield Drawing("chaos", figure, data, caption)


def _crossing(data: pd.DataFrame) -> str:
    """Say from which T on the score function varies less, of what was measured."""
    means = data.groupby(["x", "line"])["measured"].mean().unstack()
    if not {"score_function", "reparameterised"} <= set(means):
        return ""
    less = means["score_function"] < means["reparameterised"]
    # From the last T on at which it is not so.
    worse = less.index[~less]
    after = less.index[less.index > worse.max()] if len(worse) else less.index
    return f"From T = {after.min():g} on the score function varies less." if len(after) else ""
