"""How the scores of a study are laid out: by environment, by seed, and by the words of its axes."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from drawing import MissingDataError
from load import Study
from stats import Array

_NAMED = 3


def parts(study: Study) -> Iterator[tuple[str, Study]]:
    """Yield the study of each environment with what to add to the name of its figures.

    Returns, entropies and spreads of different tasks have no common scale.
    """
    if "env" not in study.varied:
        yield "", study
        return
    varied = tuple(axis for axis in study.varied if axis != "env")
    for env in sorted(study.runs["env"].unique()):
        runs, gaps = (
            _without_name(frame[cells == env], env)
            for frame, cells in (
                (study.runs, study.runs["env"]),
                (study.gaps, study.gaps["cell"].str.split(" ").str[0]),
            )
        )
        yield f"_in_{env}", replace(study, runs=runs, gaps=gaps, varied=varied)


def _without_name(rows: pd.DataFrame, env: str) -> pd.DataFrame:
    return rows.assign(cell=rows["cell"].str.removeprefix(f"{env} "))


class Grid(NamedTuple):
    """The final returns of a study by the words that tell its cells apart.

    Attributes:
        names: of the axes, and of other settings, in which the cells differ.
        levels: the words of each.
        seeds: ascending.
        scores: `[seeds, words of the first axis, words of the second, ...]`, NaN without a run.
    """

    names: list[str]
    levels: list[list[str]]
    seeds: list[int]
    scores: Array

    def cells(self) -> Iterator[tuple[tuple[str, ...], Array]]:
        """Yield the words of every cell that has a run, and its scores; NaN of other seeds."""
        for index in np.ndindex(*self.scores.shape[1:]):
            scores = self.scores[(slice(None), *index)]
            words = tuple(level[at] for level, at in zip(self.levels, index, strict=True))
            if not np.isnan(scores).all():
                yield words, scores

    def word(self, axis: int, at: int) -> Array:
        """Return the scores of one word, `[seeds, cells of the other axes]`."""
        return self.scores.take(at, axis=axis + 1).reshape(len(self.seeds), -1)


def grid_of(study: Study) -> Grid:
    """Arrange the final returns of a study by seed and words."""
    columns = {**{axis: axis for axis in study.varied}, **{f"param.{o}": o for o in study.others}}
    words = study.runs[list(columns)].fillna("-").astype(str).rename(columns=columns)
    names = [name for name in columns.values() if words[name].nunique() > 1]
    levels = [sorted(words[name].unique(), key=_rank) for name in names]
    at = [words[name].map(level.index) for name, level in zip(names, levels, strict=True)]
    scores = np.full((len(study.seeds), *map(len, levels)), np.nan)
    scores[tuple([study.runs["seed"].map(study.seeds.index), *at])] = study.runs["score"]
    return Grid(names, levels, study.seeds, scores)


def _rank(word: str) -> tuple[float, str]:
    try:
        return float(word), word
    except ValueError:
        return np.inf, word


def matched(x: Array, y: Array) -> tuple[Array, Array]:
    """Keep of two words the cells that both have, and the seeds that all these cells have.

    Both are `[seeds, cells of the other axes]`, NaN without a run.
    """
    there = np.isfinite(x) & np.isfinite(y)
    cells = np.isfinite(x).any(axis=0) & np.isfinite(y).any(axis=0)
    seeds = there[:, cells].all(axis=1) & cells.any()
    return x[np.ix_(seeds, cells)], y[np.ix_(seeds, cells)]


def balanced(grid: Grid) -> tuple[list[int], Array]:
    """Return the seeds that all cells have, and the grid's scores of these, without NaN.

    Raises:
        MissingDataError: they are no full factorial of at least two cells and two seeds.
    """
    if not grid.names:
        raise MissingDataError("effects need an axis with two words, and there is one cell")
    there = np.isfinite(grid.scores)
    cells = np.asarray(there.any(axis=0))
    if not cells.all():
        raise MissingDataError(f"effects need all combinations: no run of {_named(grid, ~cells)}")
    common = there.reshape(len(there), -1).all(axis=1)
    if common.sum() < 2:
        counts = there.sum(axis=0)
        fewest = _named(grid, counts == counts.min())
        raise MissingDataError(
            f"effects need two seeds that all cells have; the fewest has {fewest} ({counts.min()})"
        )
    return np.array(grid.seeds)[common].tolist(), grid.scores[common]


def _named(grid: Grid, cells: "np.ndarray[Any, np.dtype[np.bool_]]") -> str:
    words = [zip(grid.levels, index, strict=True) for index in np.argwhere(cells).tolist()]
    labels = [" ".join(level[at] for level, at in cell) for cell in words]
    more = f" and {len(labels) - _NAMED} more" if len(labels) > _NAMED else ""
    return ", ".join(labels[:_NAMED]) + more
