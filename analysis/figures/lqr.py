"""What do the horizon and the action noise of a linear-quadratic regulator do to the gradient?

Per setting that was scanned: the variance of one episode's estimate of the gradient in the gain,
and its signal-to-noise ratio |g|^2 / V with the exact gradient g. The score function's variance has
a least value at some action noise (Preiss et al. 2019, arXiv:1910.01249): below it the score, above
it the cost of the noise. The gradient through the dynamics needs no noise at all.
"""

from collections.abc import Iterator

import pandas as pd
from matplotlib.figure import Figure

from plotting import captions, scan_panels, style
from plotting.drawing import Drawing
from plotting.scan_panels import Quantity
from reading import measurements
from reading.kinds import MEASUREMENTS
from reading.sweep import MissingDataError, Sweep

OF = MEASUREMENTS
SETTINGS = {"problem.horizon": "horizon (steps)", "std": "action noise (std of u)"}
"""Settings that may be scanned, and what their axis is called."""
PANELS = (
    Quantity("variance", "gradient/variance_of_mean", "gradient/exact_variance_of_mean"),
    Quantity("signal-to-noise ratio", "gradient/signal_to_noise_of_mean"),
)


def draw(sweep: Sweep) -> Iterator[Drawing]:
    """Yield a figure per scanned setting; see the module.

    Raises:
        MissingDataError: none of `SETTINGS` was scanned.
    """
    drawn = 0
    for setting, name in SETTINGS.items():
        try:
            table = measurements.scanned(sweep, setting, ["lqr"])
        except MissingDataError:
            continue
        drawn += 1
        yield _drawing(sweep, table, setting, name)
    if not drawn:
        raise MissingDataError(f"no measurements of lqr differ in {' or '.join(SETTINGS)}")


def _drawing(sweep: Sweep, table: pd.DataFrame, setting: str, name: str) -> Drawing:
    colours = style.colours(sorted(table["line"].unique()))
    figure = Figure(figsize=(style.PAGE, 2.6))
    found = []
    for ax, quantity in zip(figure.subplots(1, 2), PANELS, strict=True):
        data = scan_panels.points(table, setting, quantity)
        scan_panels.draw(ax, data, colours)
        scan_panels.logarithmic(ax, data["x"].unique().tolist())
        ax.set_title(quantity.title)
        ax.set_xlabel(name)
        found.append(data)
    data = pd.concat(found, ignore_index=True)
    scan_panels.legend(figure, colours, data)
    caption = captions.compose(
        sweep,
        "The gradient in the gain of a linear policy, one episode an estimate: trace of its "
        "covariance, and squared length of the exact gradient (a closed form) by that trace, "
        f"against the {name.partition(' (')[0]}.",
        _least(data),
        _scatter(data),
        scan_panels.distance(data),
    )
    return Drawing(f"lqr_{setting.rpartition('.')[2]}", figure, data, caption)


def _scatter(data: pd.DataFrame) -> str:
    """Say how far the dots of one place lie apart, which is the Monte-Carlo error of each."""
    dots = data.groupby(["panel", "line", "x"])["measured"].agg(["mean", "std"]).dropna()
    if dots.empty:
        return ""
    relative = dots["std"] / dots["mean"].abs()
    return (
        "Dots are seeds: their standard deviation, the Monte-Carlo error of one, is "
        f"{relative.median():.1%} of the mean in the median and {relative.max():.1%} at most."
    )


def _least(data: pd.DataFrame) -> str:
    """Say where the variance of each line is least, if that is inside of what was scanned."""
    told = []
    for line, mine in data[data["panel"] == PANELS[0].title].groupby("line", sort=True):
        means = mine.groupby("x")["measured"].mean()
        if means.index[0] < means.idxmin() < means.index[-1]:
            told.append(f"{style.plain(str(line))} varies least at {means.idxmin():g}")
    return f"Of the values scanned, {', '.join(told)}." if told else ""
