"""Which share of the runs ends above a return, for every return?

A line per word of an axis, over the runs of all cells with that word: at each return the share of
runs that end at least that high. A line to the right of another is better there; lines that cross
trade the worst runs for the best. Bands are 95% percentile bootstraps that resample seeds, each
with all its runs, at each return on its own. Where all or no runs pass the band has no width, which
is not certainty.
"""

from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from plotting import captions, style
from plotting.drawing import Drawing
from reading.kinds import TRAININGS
from reading.study import FINAL, Study
from stats.designs import Grid, grid_of, parts
from stats.estimates import Array, Interval, bootstrap_interval, multiplicities, performance_profile
from stats.improvements import RESAMPLES

OF = TRAININGS

_MOST_STEPS = 150
_PER_ROW = 3
_DASHES: Sequence[Any] = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)))


def profile(scores: Array, taus: Array, generator: np.random.Generator) -> Interval[Array]:
    """Return the share of runs with score >= tau and its pointwise limits, NaN of one seed.

    The estimate is `stats.performance_profile`. Its own interval draws the seeds of every cell
    anew; here a resampled seed brings its runs of all cells along.

    Args:
        scores: `[seeds, cells]`, NaN without a run.
        taus: the returns.
        generator: of the resampling.
    """
    scores = scores[np.isfinite(scores).any(axis=1)]
    estimate = performance_profile(scores[np.isfinite(scores)], taus)
    if len(scores) < 2:
        return Interval(estimate, np.full_like(estimate, np.nan), np.full_like(estimate, np.nan))
    passed = (scores[..., None] >= taus).sum(axis=1, dtype=np.float64)
    counts = np.isfinite(scores).sum(axis=1, dtype=np.float64)[:, None]

    def statistic(drawn: Array) -> Array:
        times = multiplicities(drawn)[0]
        return (times @ passed) / (times @ counts)

    numbers = np.arange(len(scores), dtype=np.float64)[:, None]
    limits = bootstrap_interval(statistic, numbers, generator=generator, resamples=RESAMPLES)
    return Interval(estimate, limits.low, limits.high)


def draw(study: Study) -> Iterator[Drawing]:
    """Yield one figure per environment."""
    generator = np.random.default_rng(0)
    for suffix, part in parts(study):
        grid = grid_of(part)
        data = _data(grid, part.threshold, generator)
        figure = _figure(grid, data, part)
        yield Drawing(f"profiles{suffix}", figure, data, _caption(part, grid))


def _data(grid: Grid, threshold: float | None, generator: np.random.Generator) -> pd.DataFrame:
    # Shares change where a run ends, and there alone.
    steps = np.unique(grid.scores[np.isfinite(grid.scores)])
    margin = 0.02 * float(np.ptp(steps)) or 1.0
    if len(steps) > _MOST_STEPS:
        steps = np.quantile(steps, np.linspace(0.0, 1.0, _MOST_STEPS), method="lower")
    more = [] if threshold is None else [threshold]
    taus = np.union1d(steps, [steps[0] - margin, *more, steps[-1] + margin])
    lines = [
        (name, word, grid.word(axis, at))
        for axis, (name, level) in enumerate(zip(grid.names, grid.levels, strict=True))
        for at, word in enumerate(level)
    ] or [("", "all runs", grid.scores[:, None])]
    frames = []
    for axis, word, scores in lines:
        share, lower, upper = profile(scores, taus, generator)
        columns = {"axis": axis, "word": word, "return": taus}
        frames.append(pd.DataFrame({**columns, "share": share, "low": lower, "high": upper}))
    return pd.concat(frames, ignore_index=True)


def _figure(grid: Grid, data: pd.DataFrame, study: Study) -> Figure:
    names = grid.names or [""]
    rows = -(-len(names) // _PER_ROW)
    columns = -(-len(names) // rows)
    with style.applied():
        width = style.PAGE if columns > 1 else style.COLUMN
        figure = Figure(figsize=(width, 0.5 + 1.9 * rows))
        axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for unused in axes.ravel()[len(names) :]:
            unused.set_axis_off()
        for ax, name in zip(axes.ravel(), names, strict=False):
            _draw_panel(ax, data[data["axis"] == name])
            ax.set_title(name)
            if study.threshold is not None:
                ax.axvline(study.threshold, color=style.GREY, lw=0.6, linestyle="--", zorder=0)
            if name:
                ax.legend(loc="lower left", handlelength=1.8)
        axes[0, 0].set_ylim(-0.02, 1.02)
        # Numbers with decimals are wide.
        axes[0, 0].xaxis.set_major_locator(MaxNLocator(4 if columns > 1 else 6))
        figure.supxlabel(style.label(FINAL), fontsize=8)
        figure.supylabel("share of runs at least that high", fontsize=8)
    return figure


def _draw_panel(ax: Axes, data: pd.DataFrame) -> None:
    words = list(data["word"].unique())
    colours = style.colours(words) if len(words) > 1 else {words[0]: "black"}
    for word, dashes in zip(words, cycle(_DASHES), strict=False):
        mine = data[data["word"] == word]
        look: Any = {"color": colours[word], "linewidth": 1.2, "linestyle": dashes}
        ax.plot(mine["return"], mine["share"], drawstyle="steps-pre", label=word, **look)
        look = {"color": colours[word], "linewidth": 0.0, "alpha": style.BAND_ALPHA}
        ax.fill_between(mine["return"], mine["low"], mine["high"], step="pre", **look)


def _caption(study: Study, grid: Grid) -> str:
    seeds = np.isfinite(grid.scores).reshape(len(grid.seeds), -1).any(axis=1).sum()
    return captions.compose(
        study,
        "Share of runs whose last policy returns at least the value on the horizontal axis"
        + (", over all cells with a word." if len(grid.names) > 1 else "."),
        "Bands are 95% pointwise bootstrap intervals that resample seeds."
        if seeds > 1
        else "No band: one seed says nothing of the spread.",
        "The dashed line is the return from which an episode counts as solved."
        if study.threshold is not None
        else "",
    )
