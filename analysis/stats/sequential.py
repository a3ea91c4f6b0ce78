"""Looking at the seeds more than once without paying for it: group-sequential p-values.

The chance of a false alarm is spent over the looks as Lan and DeMets (1983) do after O'Brien and
Fleming: hardly any of it early. A *sequential p-value* is the smallest overall level at which the
looks so far would have stopped (Liu and Anderson 2008); it is compared, and corrected by Holm,
like any other p-value. Boundaries are those of a Wiener process and are applied to the p-values of
t tests, which keeps their level from about five seeds on (see the tests).
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy import optimize
from scipy.special import ndtr, ndtri

from stats.estimates import Array

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(128)
_FAR = 8.0
_LEVELS = np.array([
    *np.geomspace(1e-9, 1e-3, 12), 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9,
    0.999,
])  # fmt: skip


def spent(level: float, fraction: float) -> float:
    """Share of a one-sided level that is spent once a fraction of the seeds is there."""
    return float(2.0 * ndtr(ndtri(level / 2.0) / math.sqrt(fraction)))


def nominal_levels(level: float, fractions: Sequence[float]) -> list[float]:
    """Return the level at which each look is tested, so that all together have the one-sided level.

    Args:
        level: one-sided, of all looks together.
        fractions: of the seeds that are there at each look, ascending, the last at most 1.
    """
    found: list[float] = []
    points, density, before, used = np.zeros(1), np.ones(1), 0.0, 0.0
    for fraction in fractions:
        step, budget = math.sqrt(fraction - before), spent(level, fraction) - used
        far = _FAR * math.sqrt(fraction)
        bound = optimize.brentq(_excess, -far, 5.0 * far, (points, density, step, budget))
        found.append(float(ndtr(-bound / math.sqrt(fraction))))
        # The density of the process where it has not crossed yet, on new nodes below the bound.
        half = (min(bound, far) + far) / 2.0
        grid = -far + half * (_NODES + 1.0)
        kernel = np.exp(-0.5 * ((grid[:, None] - points) / step) ** 2) / (
            step * math.sqrt(2 * math.pi)
        )
        points, density = grid, half * _WEIGHTS * (kernel @ density)
        before, used = fraction, spent(level, fraction)
    return found


def _excess(bound: float, points: Array, density: Array, step: float, budget: float) -> float:
    return float(density @ ndtr((points - bound) / step)) - budget


@lru_cache
def _table(fractions: tuple[float, ...]) -> Array:
    """Nominal levels `[looks, levels]` for all of `_LEVELS`."""
    return np.transpose([nominal_levels(float(level), fractions) for level in _LEVELS])


def sequential_p(p_values: Sequence[float], fractions: Sequence[float]) -> float:
    """Return the one-sided sequential p-value after some looks.

    Args:
        p_values: one-sided, of the looks so far.
        fractions: of the seeds at all looks that are planned.
    """
    if len(fractions) == 1:
        return float(p_values[0])
    table = _table(tuple(fractions))
    levels = [
        np.exp(np.interp(np.log(max(p, 1e-300)), np.log(nominal), np.log(_LEVELS), right=0.0))
        for p, nominal in zip(p_values, table, strict=False)
    ]
    return min([1.0, *map(float, levels)])


def two_sided(p_values: Sequence[float], fractions: Sequence[float]) -> float:
    """Return the two-sided sequential p-value of two-sided ones."""
    if not p_values or any(math.isnan(p) for p in p_values):
        return math.nan
    return min(1.0, 2.0 * sequential_p([p / 2.0 for p in p_values], fractions))


def looks_so_far(seeds: int, looks: Sequence[int], planned: int) -> tuple[list[int], list[float]]:
    """Return the numbers of seeds at the looks that are due, and the fractions of all of them.

    Args:
        seeds: that are there.
        looks: numbers of seeds at which to look; none: once, at whatever is there.
        planned: seeds in the end.
    """
    if not looks:
        return [seeds], [1.0]
    every = [*(look for look in looks if look < planned), planned]
    return [look for look in every if look <= seeds], [look / planned for look in every]
