"""Differences that are too small to matter: two one-sided tests, and exact sign flips.

A *difference* is the mean over environments of the mean paired differences in each, stratified:
environments count equally, and the error of each is that of its own seeds.
"""

import bisect
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats as scipy_stats

from stats.estimates import Array, checked

_ROUNDING = 1e-12
_EXACT = 20  # signs that are all enumerated, 2^20 sums
_FLIPS = 20_000
_MOST_SEEDS = 1000


class Difference(NamedTuple):
    """Of one environment, or a mean over several.

    Attributes:
        estimate: mean of the differences.
        error: its standard error, NaN where an environment has one seed.
        freedom: degrees of freedom, by Welch and Satterthwaite where there are several.
    """

    estimate: float
    error: float
    freedom: float

    def p_value(self) -> float:
        """Two-sided p of the t test of no difference; NaN without spread or with one seed."""
        if not self.error > 0.0:
            return math.nan
        return float(2.0 * scipy_stats.t.sf(abs(self.estimate) / self.error, self.freedom))

    def equivalence(self, margin: float) -> float:
        """P of the two one-sided t tests (Schuirmann 1987) that it lies within +-margin.

        At most .05 where the 90% interval lies within the margin. Without spread it is 0 or 1.
        """
        if not margin > 0.0:
            raise ValueError(
                f"margin is {margin}: no difference is smaller; give the smallest that matters"
            )
        if math.isnan(self.error):
            return math.nan
        if self.error == 0.0:
            return float(abs(self.estimate) >= margin)
        distance = (margin - abs(self.estimate)) / self.error
        return float(scipy_stats.t.sf(distance, self.freedom))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the limits of its Student-t interval."""
        if not self.error >= 0.0:
            return math.nan, math.nan
        half = float(scipy_stats.t.isf((1.0 - level) / 2.0, self.freedom)) * self.error
        return self.estimate - half, self.estimate + half


def difference(samples: Sequence[Array]) -> Difference:
    """Return the mean over environments, of the paired differences `[seeds]` in each."""
    samples = [checked(sample, "differences", "[seeds]", (1, 1)) for sample in samples]
    estimate = float(np.mean([sample.mean() for sample in samples]))
    if min(map(len, samples)) < 2:
        return Difference(estimate, math.nan, math.nan)
    parts = np.array([sample.var(ddof=1) / len(sample) for sample in samples])
    largest = max(float(abs(sample).max()) for sample in samples)
    if parts.sum() <= (_ROUNDING * largest) ** 2:
        return Difference(estimate, 0.0, math.inf)
    freedoms = np.array([len(sample) - 1 for sample in samples])
    freedom = float(parts.sum() ** 2 / (parts**2 / freedoms).sum())
    return Difference(estimate, math.sqrt(parts.sum()) / len(samples), freedom)


def sign_flip_p(samples: Sequence[Array]) -> float:
    """Two-sided p of flipping the sign of every seed's differences: exact, without a distribution.

    If the words are exchangeable within a seed, every sign is as likely as the other. All signs
    are tried up to 20 seeds in all, beyond that 20,000 at random (with the observed ones counted,
    so that it stays valid); n seeds cannot give less than 2^(1 - n).
    """
    weighted = np.concatenate([sample / len(sample) for sample in samples])
    observed = abs(weighted.sum()) * (1.0 - 1e-9)
    if len(weighted) <= _EXACT:
        sums = np.zeros(1)
        for one in weighted:
            sums = np.concatenate((sums + one, sums - one))
        return float((abs(sums) >= observed).mean())
    generator = np.random.default_rng(0)
    signs = generator.choice([-1.0, 1.0], size=(_FLIPS, len(weighted)))
    return float((1 + (abs(signs @ weighted) >= observed).sum()) / (1 + _FLIPS))


def equivalence_power(
    seeds: int, margin: float, spread: float, true: float = 0.0, level: float = 0.05
) -> float:
    """Power of the two one-sided t tests, of normal differences of one environment."""
    error, critical = spread / math.sqrt(seeds), scipy_stats.t.isf(level, seeds - 1)
    upper, lower = (margin - true) / error, (margin + true) / error
    inside = scipy_stats.nct.sf(critical, seeds - 1, [upper, lower])
    return max(0.0, float(np.nansum(inside)) - 1.0)


def seeds_for_equivalence(
    margin: float, spread: float, true: float = 0.0, power: float = 0.8, level: float = 0.05
) -> float:
    """Seeds with which the equivalence test has a power; `inf` beyond 1,000."""
    if abs(true) >= margin:
        return math.inf
    counts = range(2, _MOST_SEEDS)

    def power_with(seeds: int) -> float:
        return equivalence_power(seeds, margin, spread, true, level)

    found = bisect.bisect_left(counts, power, key=power_with)
    return counts[found] if found < len(counts) else math.inf
