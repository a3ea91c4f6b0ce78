"""Differences between the words of an axis, paired by seed, over what both words have."""

import itertools
import math
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from reading.study import Study
from stats.designs import Grid, grid_of, matched, parts
from stats.estimates import Array
from stats.paired import PairedDifference, bonferroni_level, holm, paired_difference, seeds_needed

POWER = 0.8
_UNKNOWN = PairedDifference(math.nan, math.nan, math.nan, math.nan)


class Contrast(NamedTuple):
    """How much more one word earns than another, a mean over the cells of the other axes.

    Attributes:
        environment: where; "" where the study has only one.
        axis: of the two words.
        words: the two.
        blocks: their scores, each `[seeds, combinations of the other axes]`, of what both have.
        seeds: how many both have, of how many.
        settings: how many combinations of the other axes both have, of how many.
        difference: mean over seeds, its limits one by one, and p; NaN if they share no seed.
        adjusted: p after Holm over `comparisons`.
        comparisons: of the study.
    """

    environment: str
    axis: str
    words: tuple[str, str]
    blocks: tuple[Array, Array]
    seeds: tuple[int, int]
    settings: tuple[int, int]
    difference: PairedDifference
    adjusted: float
    comparisons: int

    @property
    def scores(self) -> tuple[Array, Array]:
        """Means over the other axes, each `[seeds]`."""
        x, y = self.blocks
        return x.mean(axis=1), y.mean(axis=1)

    @property
    def settled(self) -> bool:
        """Whether the corrected p is at most 0.05."""
        return self.adjusted <= 0.05

    @property
    def spread(self) -> float:
        """Standard deviation of the paired differences; NaN of one seed."""
        differences = self.scores[0] - self.scores[1]
        return float(differences.std(ddof=1)) if len(differences) > 1 else math.nan


def contrasts(study: Study) -> list[Contrast]:
    """Return those of `comparisons` that share a seed, the word with the higher mean first."""
    return [_higher_first(one) for one in comparisons(study) if one.seeds[0]]


def comparisons(study: Study) -> list[Contrast]:
    """Return every pair of words of every varied axis, in the order of axes and words."""
    found = [
        _contrast(environment, grid, axis, pair)
        for environment, grid in grids(study)
        for axis, levels in enumerate(grid.levels)
        for pair in itertools.combinations(range(len(levels)), 2)
    ]
    adjusted = holm(np.array([one.difference.p_value for one in found]))
    # As Holm counts: two words that never differ are no test.
    count = sum(not math.isnan(one.difference.p_value) for one in found)
    return [
        one._replace(adjusted=float(p), comparisons=count)
        for one, p in zip(found, adjusted, strict=True)
    ]


def grids(study: Study) -> list[tuple[str, Grid]]:
    """Return the scores of each environment, named where there are several."""
    return [(environment, grid_of(part)) for environment, part in by_environment(study)]


def by_environment(study: Study) -> Iterator[tuple[str, Study]]:
    """Yield the part of a study with each environment, named where there are several."""
    for suffix, part in parts(study):
        yield str(part.runs["env"].iloc[0]) if suffix else "", part


def _contrast(environment: str, grid: Grid, axis: int, pair: tuple[int, int]) -> Contrast:
    x, y = (grid.word(axis, at) for at in pair)
    blocks = matched(x, y)
    seeds, settings = blocks[0].shape
    # Combinations that neither word has are none of this comparison.
    either = int((~np.isnan(x) | ~np.isnan(y)).any(axis=0).sum())
    first, second = (grid.levels[axis][at] for at in pair)
    one = Contrast(
        environment, grid.names[axis], (first, second), blocks, (seeds, len(grid.seeds)),
        (settings, either), _UNKNOWN, math.nan, 0,
    )  # fmt: skip
    return one._replace(difference=paired_difference(*one.scores)) if seeds else one


def _higher_first(one: Contrast) -> Contrast:
    x, y = one.scores
    if x.mean() >= y.mean():
        return one
    estimate, low, high, p_value = one.difference
    turned = PairedDifference(-estimate, -high, -low, p_value)
    return one._replace(words=one.words[::-1], blocks=one.blocks[::-1], difference=turned)


@lru_cache
def detectable(seeds: int, comparisons: int = 1) -> float:
    """Return the least true difference, in standard deviations, that a paired test finds.

    With power 0.8 at the 5% level, shared among so many comparisons by Bonferroni; `inf` for one
    seed.
    """
    if seeds < 2:
        return math.inf
    level = bonferroni_level(0.95, comparisons)
    low, high = 0.0, 1.0
    while seeds_needed(high, 1.0, POWER, level) > seeds:
        low, high = high, 2.0 * high
    while high - low > 1e-4 * high:
        middle = (low + high) / 2.0
        enough = seeds_needed(middle, 1.0, POWER, level) <= seeds
        low, high = (low, middle) if enough else (middle, high)
    return high
