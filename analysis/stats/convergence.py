"""Which cells were still learning when their budget ended, by a criterion that can be said."""

from typing import NamedTuple

import numpy as np
from scipy import stats as scipy_stats

from reading.study import MissingDataError, Study
from stats.curves import binned
from stats.estimates import standard_error

METRICS = ("eval/deterministic_return_mean", "train/return_mean")
_FEWEST_POINTS = 10  # two in each fifth of the budget


class Trend(NamedTuple):
    """How the curve of one cell ends.

    Attributes:
        cell: its name.
        change: mean over seeds of the last fifth of the budget less the fifth before.
        error: its standard error over seeds; NaN of one seed.
        seeds: with a curve that reaches the end.
    """

    cell: str
    change: float
    error: float
    seeds: int

    @property
    def rising(self) -> bool:
        """Whether the last fifth is higher by more than one standard error."""
        return self.change > self.error

    @property
    def falling(self) -> bool:
        """Whether the last fifth is lower by more than one standard error."""
        return -self.change > self.error


def metric_of(study: Study) -> str | None:
    """Return the curve that is judged: evaluations if there are enough of them, else training."""
    for metric in METRICS:
        points = study.curves(metric)
        counts = points[points["value"].notna()].groupby("run_id").size()
        if len(counts) == len(study.runs) and counts.min() >= _FEWEST_POINTS:
            return metric
    return None


def trends(study: Study, metric: str) -> list[Trend]:
    """Return how the curves of a metric end, in the order of the cells' names."""
    try:
        values = binned(study, metric).values
    except MissingDataError:
        return []
    share = values.columns.to_numpy(dtype=np.float64)
    last, before = values.loc[:, share > 0.8], values.loc[:, (share > 0.6) & (share < 0.8)]
    change = (last.mean(axis=1) - before.mean(axis=1)).dropna()
    found = []
    for cell, mine in change.groupby(study.runs["cell"], sort=True):
        numbers = mine.sort_values().to_numpy()
        found.append(
            Trend(str(cell), float(numbers.mean()), float(standard_error(numbers)), len(numbers))
        )
    return found


def by_chance(seeds: int) -> float:
    """Share of cells with a flat end that noise alone calls rising."""
    return float(scipy_stats.t.sf(1.0, seeds - 1))
