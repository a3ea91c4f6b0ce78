"""How does the variance grow with the number of action dimensions?

On a quadratic cost the trace of the score function's covariance grows as n cubed, that of the
gradient through the sample as n: every dimension's score is multiplied by the whole cost, to which
all dimensions contribute. Dotted are those two laws, through the last exact or measured point.
"""

from collections.abc import Iterator

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plotting import captions, scan_panels, style
from plotting.drawing import Drawing
from plotting.scan_panels import OF_MEAN, OF_SCALE
from reading import measurements
from reading.kinds import MEASUREMENTS
from reading.sweep import Sweep

OF = MEASUREMENTS
SETTING = "problem.action_dim"
LAWS = {"score_function": (3, "n\N{SUPERSCRIPT THREE}"), "reparameterised": (1, "n")}
"""Power of n in which the variance of an estimator grows, and its name."""


def draw(sweep: Sweep) -> Iterator[Drawing]:
    """Yield the figure; see the module.

    Raises:
        MissingDataError: the number of dimensions was not scanned.
    """
    table = measurements.scanned(sweep, SETTING)
    colours = style.colours(sorted(table["line"].unique()))
    figure = Figure(figsize=(style.PAGE, 2.8))
    axes = figure.subplots(1, 2)
    found = []
    for ax, quantity in zip(axes, (OF_MEAN, OF_SCALE), strict=True):
        data = scan_panels.points(table, SETTING, quantity)
        scan_panels.draw(ax, data, colours)
        scan_panels.logarithmic(ax, data["x"].unique().tolist())
        for line, (power, name) in LAWS.items():
            _law(ax, data[data["line"] == line], power, name)
        ax.set_title(quantity.title)
        ax.set_xlabel("action dimensions n")
        found.append(data)
    axes[0].set_ylabel("trace of the covariance")
    data = pd.concat(found, ignore_index=True)
    scan_panels.legend(figure, colours, data)
    caption = captions.compose(
        sweep,
        "Variance of one estimate, summed over the entries of the mean and over those of the "
        "scale, against the number of dimensions n. Dotted: growth as n\N{SUPERSCRIPT THREE} and "
        "as n, through the last point of an estimator.",
        scan_panels.distance(data),
    )
    yield Drawing("dimension", figure, data, caption)


def _law(ax: Axes, data: pd.DataFrame, power: int, name: str) -> None:
    if data.empty:
        return
    last = data.sort_values("x").iloc[-1]
    height = last["measured"] if pd.isna(last["exact"]) else last["exact"]
    x = [float(data["x"].min()), float(last["x"])]
    scan_panels.guide(ax, x, [height * (at / x[1]) ** power for at in x], name)
