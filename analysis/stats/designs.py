"""How the scores of a study are laid out: by environment, by seed, and by the words of its axes."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from reading.study import MissingDataError, Study
from stats.estimates import Array

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
    """Keep of two words a block of cells and seeds that both have without a gap.

    Both are `[seeds, cells of the other axes]`, NaN without a run. Where a run is missing either
    its seed or its cell has to go; what keeps more runs is done, and if it is equal the cell stays.
    """
    there = np.isfinite(x) & np.isfinite(y)
    cells = there.any(axis=0)
    seeds = there[:, cells].all(axis=1) & cells.any()
    some = there.any(axis=1)
    whole = there[some].all(axis=0) & some.any()
    if some.sum() * whole.sum() > seeds.sum() * cells.sum():
        seeds, cells = some, whole
    return x[np.ix_(seeds, cells)], y[np.ix_(seeds, cells)]


def balanced(grid: Grid) -> Grid:
    """Return the part of a grid that is a full factorial, without a gap.

    Where a run is missing its seed has to go, or the word of an axis with three or more that it
    has; what keeps more runs is done.

    Raises:
        MissingDataError: no full factorial of at least two cells and two seeds is left.
    """
    if not grid.names:
        raise MissingDataError("effects need an axis with two words, and there is one cell")
    candidates = [_common_seeds(grid)] + [
        _common_seeds(_without(grid, axis, at))
        for axis, words in enumerate(grid.levels)
        for at in range(len(words))
        if len(words) > 2
    ]
    best = max(candidates, key=lambda one: one.scores.size if len(one.seeds) > 1 else 0)
    if len(best.seeds) < 2:
        raise MissingDataError(_why_unbalanced(grid))
    return best


def left_out(grid: Grid, part: Grid) -> list[str]:
    """Say, for a caption, what `balanced` left out of a grid; nothing if it kept all."""
    told = []
    for name, before, after in zip(grid.names, grid.levels, part.levels, strict=True):
        words = [word for word in before if word not in after]
        told += [f"Without {name}={word}, of which runs are missing." for word in words]
    if part.seeds != grid.seeds:
        told.append(f"Only seeds {', '.join(map(str, part.seeds))}, which all these cells have.")
    return told


def _common_seeds(grid: Grid) -> Grid:
    common = [bool(np.isfinite(scores).all()) for scores in grid.scores]
    seeds = [seed for seed, kept in zip(grid.seeds, common, strict=True) if kept]
    return grid._replace(seeds=seeds, scores=grid.scores[common])


def _without(grid: Grid, axis: int, at: int) -> Grid:
    levels = [words[:at] + words[at + 1 :] if number == axis else words
              for number, words in enumerate(grid.levels)]  # fmt: skip
    return grid._replace(levels=levels, scores=np.delete(grid.scores, at, axis=axis + 1))


def _why_unbalanced(grid: Grid) -> str:
    there = np.isfinite(grid.scores)
    cells = np.asarray(there.any(axis=0))
    if not cells.all():
        return f"effects need all combinations: no run of {_named(grid, ~cells)}"
    counts = there.sum(axis=0)
    fewest = f"{_named(grid, counts == counts.min())} ({counts.min()})"
    return f"effects need two seeds that all cells have; the fewest has {fewest}"


def _named(grid: Grid, cells: "np.ndarray[Any, np.dtype[np.bool_]]") -> str:
    words = [zip(grid.levels, index, strict=True) for index in np.argwhere(cells).tolist()]
    labels = [" ".join(level[at] for level, at in cell) for cell in words]
    more = f" and {len(labels) - _NAMED} more" if len(labels) > _NAMED else ""
    return ", ".join(labels[:_NAMED]) + more
