"""How often does a run of one word, or of one cell, beat a run of another?

Each field is the probability that a run of its row ends with a higher return than a run of its
column with another seed, ties counted half. 0.5 (white) is no difference, and the field across the
diagonal has the complement. It says how often, not by how much.

`improvement`: a matrix per axis. Words are compared within the same words of the other axes and the
seeds that all these cells have. Intervals are 95% percentile bootstraps that resample seeds, each
with all its runs, as they share the seed's randomness.

`improvement_of_cells`: all cells against each other, the best mean first; of 3 to 24 cells that
differ in two axes or more, since of one axis it would repeat the first.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plotting import captions, style
from plotting.drawing import Drawing
from reading.kinds import TRAININGS
from reading.study import MissingDataError, Study
from stats.designs import Grid, grid_of, matched, parts
from stats.estimates import Array, Interval, probability_of_improvement
from stats.improvements import improvement

OF = TRAININGS

_CELLS = range(3, 25)
_PER_ROW, _LABELS = 3, 1.8  # matrices, and how many fields the labels of one take
_WHAT = "probability that the row ends higher than the column"
_SENTENCE = f"The {_WHAT}: of runs with different seeds, ties counted half."
_COLUMNS = ["axis", "row", "column", "cells", "seeds", "probability", "low", "high"]
_DASH = "\N{EN DASH}"
_Row = tuple[str, str, str, int, int, float, float, float]


def draw(study: Study) -> Iterator[Drawing]:
    """Yield the matrices of the axes, and of all cells if they are few enough."""
    generator = np.random.default_rng(0)
    lacking = False
    for suffix, part in parts(study):
        grid = grid_of(part)
        by_axis = [_of_words(grid, axis, generator) for axis in range(len(grid.names))]
        if not any(fields["probability"].notna().any() for fields in by_axis):
            lacking = True
            continue
        yield _drawing_of_axes(f"improvement{suffix}", part, grid, by_axis)
        if len(grid.names) > 1 and len(list(grid.cells())) in _CELLS:
            yield _drawing_of_cells(f"improvement_of_cells{suffix}", part, grid)
    if lacking:
        raise MissingDataError("a comparison needs two cells that have two seeds in common")


def _of_words(grid: Grid, axis: int, generator: np.random.Generator) -> pd.DataFrame:
    words = grid.levels[axis]
    rows: list[_Row] = []
    for i, j in combinations(range(len(words)), 2):
        x, y = matched(grid.word(axis, i), grid.word(axis, j))
        rows += _both(grid.names[axis], words[i], words[j], x, improvement(x, y, generator))
    return pd.DataFrame(rows, columns=_COLUMNS)


def _of_cells(cells: Sequence[tuple[str, Array]]) -> pd.DataFrame:
    rows: list[_Row] = []
    for (a, scores_of_a), (b, scores_of_b) in combinations(cells, 2):
        x, y = matched(scores_of_a[:, None], scores_of_b[:, None])
        value = probability_of_improvement(x, y, paired=True) if len(x) > 1 else np.nan
        rows += _both("cell", a, b, x, Interval(value, np.nan, np.nan))
    return pd.DataFrame(rows, columns=_COLUMNS)


def _both(axis: str, a: str, b: str, scores: Array, value: Interval[float]) -> list[_Row]:
    """Return the rows of a field and of the one across the diagonal."""
    (seeds, cells), (mean, low, high) = scores.shape, value
    opposite = (axis, b, a, cells, seeds, 1.0 - mean, 1.0 - high, 1.0 - low)
    return [(axis, a, b, cells, seeds, mean, low, high), opposite]


def _drawing_of_axes(
    name: str, study: Study, grid: Grid, matrices: Sequence[pd.DataFrame]
) -> Drawing:
    axes = range(len(matrices))
    rows = [axes[at : at + _PER_ROW] for at in axes[::_PER_ROW]]
    sizes = [[len(grid.levels[axis]) + _LABELS for axis in row] for row in rows]
    widest = max(map(sum, sizes))
    field = min(0.75, style.PAGE / widest)
    heights = [0.62 * field * max(row) + 0.2 for row in sizes]
    with style.applied():
        figure = Figure(figsize=(max(style.COLUMN, field * widest), 0.25 + sum(heights)))
        figure.suptitle(_WHAT, fontsize=8)
        bands = figure.subfigures(len(rows), 1, height_ratios=heights, squeeze=False)[:, 0]
        for band, row, widths in zip(bands, rows, sizes, strict=True):
            ratios = [*widths, widest - sum(widths) + 1e-6]  # all fields of one width
            panels = band.subplots(1, len(ratios), width_ratios=ratios, squeeze=False)[0]
            panels[-1].set_axis_off()
            for ax, axis in zip(panels, row, strict=False):
                _draw_matrix(ax, matrices[axis], grid.levels[axis], field)
                ax.set_title(grid.names[axis])
    data = pd.concat(matrices, ignore_index=True)
    within = "Within the same words of the other axes." if len(matrices) > 1 else ""
    below = "Below it the 95% bootstrap interval over seeds, of each field on its own."
    caption = captions.compose(study, _SENTENCE, within, _seeds_of(data), below)
    return Drawing(name, figure, data, caption)


def _drawing_of_cells(name: str, study: Study, grid: Grid) -> Drawing:
    cells = [(" ".join(words), scores) for words, scores in grid.cells()]
    cells.sort(key=lambda cell: -float(np.nanmean(cell[1])))
    data, labels = _of_cells(cells), [cell for cell, _ in cells]
    beside = 0.3 + 0.055 * max(map(len, labels))
    field = min(0.35, (style.PAGE - beside) / len(labels))
    width, height = beside + field * len(labels), 0.55 + field * len(labels)
    with style.applied():
        figure = Figure(figsize=(max(style.COLUMN, width), height))
        figure.suptitle(_WHAT, fontsize=8)
        ax = figure.subplots()
        _draw_matrix(ax, data, labels, field)
        at = range(len(labels))
        ax.set_xticks(at, [str(i + 1) for i in at], rotation=0, ha="center")
        ax.set_yticks(at, [f"{labels[i]}  {i + 1}" for i in at])
        ax.tick_params(axis="x", labeltop=True, labelbottom=False)
    order = "Cells are sorted by their mean return."
    caption = captions.compose(study, _SENTENCE, order, _seeds_of(data))
    return Drawing(name, figure, data.drop(columns=["low", "high"]), caption)


def _seeds_of(data: pd.DataFrame) -> str:
    """Say how many seeds the fields are of."""
    low, high = data["seeds"].min(), data["seeds"].max()
    lacking = f", {_DASH} where fewer than two are" if low < 2 else ""
    return f"Of the {low if low == high else f'{low} to {high}'} seeds in common{lacking}."


def _draw_matrix(ax: Axes, data: pd.DataFrame, labels: Sequence[str], field: float) -> None:
    values = np.full((len(labels), len(labels)), np.nan)
    size = min(7.0, (14.0 if data["low"].notna().any() else 30.0) * field)
    fields = data[["row", "column", "probability", "low", "high"]].to_numpy().tolist()
    for row, column, value, low, high in fields:
        i, j = labels.index(row), labels.index(column)
        values[i, j] = value
        look: Any = {"ha": "center", "color": "white" if abs(value - 0.5) > 0.3 else "black"}
        text = _DASH if np.isnan(value) else f"{value:.2f}"
        if np.isnan(low):
            ax.text(j, i, text.removeprefix("0"), **look, va="center", fontsize=size)
        else:
            limits = f"{low:.2f}{_DASH}{high:.2f}"
            ax.text(j, i, text, **look, va="bottom", fontsize=size)
            ax.text(j, i + 0.08, limits, **look, va="top", fontsize=0.75 * size)
    ax.imshow(values, cmap="RdBu", vmin=0.0, vmax=1.0, aspect="auto")
    slant: Any = {"rotation": 30, "ha": "right"} if max(map(len, labels)) * 0.06 > field else {}
    ax.set_yticks(range(len(labels)), labels)
    ax.set_xticks(range(len(labels)), labels, **slant)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
