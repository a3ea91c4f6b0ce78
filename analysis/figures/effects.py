"""How much does each axis move the final return, and does that depend on the other axes?

Dots: for every axis, how far each of its words lies from the mean of all cells, averaged over the
cells of the other axes, with a 95% Student-t interval over seeds. What a seed does to all cells
cancels, so an interval that excludes 0 is a word better or worse than the average of its axis.
Lines: mean return per pair of words of two axes; lines that are not parallel are an interaction.
Their intervals do contain what a seed does to all cells.

Percentages are the effect's share of the variance between cells; without any true effect it is on
average the effect's degrees of freedom over (cells - 1).
"""

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase

from plotting import captions, style
from plotting.drawing import Drawing
from reading.kinds import TRAININGS
from reading.study import FINAL, MissingDataError, Study
from stats.designs import Grid, balanced, grid_of, left_out, parts
from stats.estimates import Array, Interval, mean_interval
from stats.paired import Effect, factorial_effects

OF = TRAININGS

_PER_ROW = 3
_MARKERS = "osD^vPX"
_TIMES = "\N{MULTIPLICATION SIGN}"
_CHARACTERS = 30  # that fit under or over a small panel
_COLUMNS = ["axis", "word", "other_axis", "other_word", "quantity", "estimate", "low", "high"]


_Effects = dict[tuple[int, ...], Effect]
_Means = dict[tuple[int, int], Interval[Array]]


def draw(study: Study) -> Iterator[Drawing]:
    """Yield one figure per environment that has a full factorial."""
    problem = None
    for suffix, part in parts(study):
        grid = grid_of(part)
        try:
            part_of = balanced(grid)
        except MissingDataError as error:
            problem = problem or error
            continue
        effects, means = factorial_effects(part_of.scores), _means(part_of.scores)
        figure, data = _figure(part_of, effects, means), _data(part_of, effects, means)
        caption = _caption(part, part_of, effects, left_out(grid, part_of))
        yield Drawing(f"effects{suffix}", figure, data, caption)
    if problem is not None:
        raise problem


def _means(scores: Array) -> _Means:
    """Return per pair of axes the mean return, `[words of one, words of the other]`."""
    axes = range(scores.ndim - 1)
    return {
        pair: mean_interval(scores.mean(axis=tuple(axis + 1 for axis in axes if axis not in pair)))
        for pair in combinations(axes, 2)
    }


def _data(grid: Grid, effects: _Effects, means: _Means) -> pd.DataFrame:
    rows: list[tuple[Any, ...]] = []
    for axis, words in enumerate(grid.levels):
        effect = effects[axis,]
        for word, *numbers in zip(words, *effect.deviations, strict=True):
            rows.append((grid.names[axis], word, None, None, "deviation", *numbers, effect.share))
    for (x, lines), mean in means.items():
        for i, j in np.ndindex(mean.estimate.shape):
            words = [grid.names[x], grid.levels[x][i], grid.names[lines], grid.levels[lines][j]]
            numbers = [limits[i, j] for limits in mean]
            rows.append((*words, "mean return", *numbers, effects[x, lines].share))
    return pd.DataFrame(rows, columns=[*_COLUMNS, "share"])


def _figure(grid: Grid, effects: _Effects, means: _Means) -> Figure:
    with style.applied():
        figure, upper, lower = _frames(grid, len(means))
        for axis, ax in enumerate(_panels(upper, len(grid.names), sharex=True)):
            _draw_main(ax, grid.levels[axis], effects[axis,])
            share = f": {_percent(effects[axis,])} of the spread" if means else ""
            ax.set_title(f"{grid.names[axis]}{share}")
        upper.supxlabel(f"{style.label(FINAL)}, less the mean of all cells", fontsize=8)
        panels = _panels(lower, len(means), sharey=True) if means else []
        for ax, ((x, lines), mean) in zip(panels, means.items(), strict=True):
            name = f"{grid.names[x]} {_TIMES} {grid.names[lines]}: {_percent(effects[x, lines])}"
            _draw_pair(ax, name, grid.levels[x], grid.levels[lines], mean)
            lower.supylabel(style.label(FINAL), fontsize=8)
    return figure


def _frames(grid: Grid, pairs: int) -> tuple[Figure, FigureBase, FigureBase]:
    """Return a figure with its parts for the main effects and for the pairs."""
    rows = [-(-count // _PER_ROW) for count in (len(grid.names), pairs)]
    heights = [rows[0] * (0.6 + 0.17 * max(map(len, grid.levels))), rows[1] * 2.4]
    if not pairs:
        figure = Figure(figsize=(style.COLUMN, heights[0]))
        return figure, figure, figure
    sideways = pairs == 1
    figure = Figure(figsize=(style.PAGE, max(heights) if sideways else sum(heights)))
    ratios: Any = {"width_ratios": [2, 1.1]} if sideways else {"height_ratios": heights}
    upper, lower = figure.subfigures(2 - sideways, 1 + sideways, **ratios)
    return figure, upper, lower


def _panels(part: FigureBase, count: int, **shared: Any) -> list[Axes]:
    rows = -(-count // _PER_ROW)
    axes = part.subplots(rows, -(-count // rows), squeeze=False, **shared).ravel()
    for unused in axes[count:]:
        unused.set_axis_off()
    return list(axes[:count])


def _percent(effect: Effect) -> str:
    return "-" if np.isnan(effect.share) else f"{effect.share:.0%}"


def _draw_main(ax: Axes, words: list[str], effect: Effect) -> None:
    at, (mean, low, high) = np.arange(len(words)), effect.deviations
    colours = list(style.colours(words).values())
    ax.axvline(0.0, color=style.GREY, linewidth=0.6, zorder=0)
    ax.hlines(at, low, high, colors=colours, linewidth=1.4)
    ax.scatter(mean, at, c=colours, s=14)
    ax.set_yticks(at, words)
    ax.set_ylim(len(words) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)


def _draw_pair(
    ax: Axes, name: str, words: list[str], others: list[str], means: Interval[Array]
) -> None:
    at = np.arange(len(words))
    for j, (word, colour) in enumerate(style.colours(others).items()):
        mean, low, high = (limits[:, j] for limits in means)
        x = at + 0.12 * (j - (len(others) - 1) / 2)
        marker = _MARKERS[j % len(_MARKERS)]
        ax.plot(x, mean, color=colour, marker=marker, markersize=3.5, linewidth=1.0, label=word)
        ax.vlines(x, low, high, color=colour, linewidth=0.8)
    slant: Any = {"rotation": 30, "ha": "right"} if sum(map(len, words)) > _CHARACTERS else {}
    ax.set_xticks(at, words, **slant)
    ax.set_xlim(-0.4, len(words) - 0.6)
    columns = len(others) if sum(map(len, others)) + 4 * len(others) <= _CHARACTERS else 2
    ax.legend(
        loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=columns,
        handlelength=1.5, handletextpad=0.4, columnspacing=0.8, borderaxespad=0.1, borderpad=0.2,
    )  # fmt: skip
    ax.set_title(name, pad=5.0 + 11.0 * -(-len(others) // columns))


def _caption(study: Study, grid: Grid, effects: _Effects, missing: list[str]) -> str:
    sentences = [
        "Dots: mean return of a word less that of all cells, with its 95% Student-t interval over "
        "seeds; what a seed does to all cells cancels."
    ]
    if len(grid.names) > 1:
        higher = sum(effect.share for axes, effect in effects.items() if len(axes) > 2)
        more = f"; {higher:.0%} are interactions of more axes" if higher > 0 else ""
        sentences += [
            "Lines: mean return per pair of words, with its 95% Student-t interval over seeds.",
            f"Percentages are shares of the variance between cells, noise included{more}.",
        ]
    return captions.compose(study, *sentences, *missing)
