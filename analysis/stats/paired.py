"""Families of tests, and the seeds that a paired comparison takes."""

import bisect
import math

import numpy as np
from scipy import stats as scipy_stats

from stats.estimates import (
    Array,
    checked_level,
)

_MOST_SEEDS = 10**9
_ROUNDING = 1e-12  # a spread below this share of the largest score is rounding


def holm(p_values: Array) -> Array:
    """Adjusted p-values of one family of tests (Holm 1979), any shape.

    Rejecting where they are at most alpha holds the chance of any false rejection to alpha,
    however the tests depend on one another. NaN, a test that does not exist, stays NaN and does
    not count.

    Raises:
        ValueError: a p-value is not between 0 and 1.
    """
    p_values = np.asarray(p_values, dtype=np.float64)
    outside = p_values[(p_values < 0.0) | (p_values > 1.0)]
    if outside.size:
        raise ValueError(
            f"{outside[0]} is no p-value: its family cannot be corrected; give shares of 0 to 1"
        )
    adjusted = p_values.copy()
    exists = ~np.isnan(p_values)
    tested = p_values[exists]
    order = np.argsort(tested)
    steps = np.arange(len(tested), 0, -1) * tested[order]
    tested[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    adjusted[exists] = tested
    return adjusted


def bonferroni_level(level: float, comparisons: int) -> float:
    """Level of each of several intervals that makes all of them cover together at `level`.

    The simultaneous limits that fit Holm's steps are one-sided and, unless it rejects all, tell of
    what it rejects no more than the sign (Strassburger and Bretz 2008, Statistics in Medicine 27).
    So intervals are widened by Bonferroni, 1 - (1 - level) / comparisons. They never contradict
    Holm: where one excludes 0 Holm rejects. He may also reject where one includes 0.
    """
    if comparisons < 1:
        raise ValueError(
            f"comparisons is {comparisons}: there is no level for none; count the intervals shown"
        )
    return 1.0 - (1.0 - checked_level(level)) / comparisons


def seeds_needed(
    difference: float, spread: float, power: float = 0.8, level: float = 0.95
) -> float:
    """Seeds in total for the two-sided paired t test at 1 - level to reach that power.

    Power is that of the noncentral t (Cohen 1988, chapter 2; Colas et al. 2019, arXiv:1904.06979,
    have the unpaired case), for normal differences.

    Args:
        difference: true mean of the paired differences.
        spread: their true standard deviation, same unit.
        power: chance to find the difference.
        level: 1 less the chance to find one where there is none.

    Returns:
        At least 2, the least a t test takes; `inf` for no difference, or above 10^9.
    """
    tail = (1.0 - checked_level(level)) / 2.0
    if not (math.isfinite(difference) and math.isfinite(spread) and spread >= 0.0):
        raise ValueError(
            f"difference is {difference} and spread {spread}: no test can be planned; "
            "give finite numbers, the spread at least 0"
        )
    if not 0.0 < power < 1.0:
        raise ValueError(f"power is {power}: no number of seeds has it; give a share such as .8")
    if difference == 0.0:
        return math.inf
    if spread == 0.0:
        return 2

    def power_with(count: int) -> float:
        critical = scipy_stats.t.isf(tail, count - 1)
        shift = abs(difference) / spread * math.sqrt(count)
        # The lower tail mirrored: scipy's `cdf` is NaN for some large shifts.
        return float(np.sum(scipy_stats.nct.sf(critical, count - 1, [shift, -shift])))

    counts = range(2, _MOST_SEEDS + 1)
    found = bisect.bisect_left(counts, power, key=power_with)
    return counts[found] if found < len(counts) else math.inf
