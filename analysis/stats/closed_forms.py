"""Variances of one estimate for one Gaussian and simple costs, written out by hand.

x ~ N(m, s^2); the parameters are m and log s. The costs are those of Mohamed et al. 2020
(arXiv:1906.10652), figures 2 and 3.
"""

import math
from typing import NamedTuple

import numpy as np

from stats.estimates import Array


class Variances(NamedTuple):
    """Of one estimate without a baseline, by estimator and by what the derivative is in."""

    score_mean: float
    pathwise_mean: float
    score_scale: float
    pathwise_scale: float


def cosine(k: float, m: float, s: float) -> Variances:
    """Of f = cos(k x)."""
    a = k * s
    e1, e2 = math.exp(-(a**2) / 2.0), math.exp(-2.0 * a**2) * math.cos(2.0 * k * m)
    of_mean, of_std = -k * e1 * math.sin(k * m), -(k**2) * s * e1 * math.cos(k * m)
    return Variances(
        (1.0 + (1.0 - 4.0 * a**2) * e2) / (2.0 * s**2) - of_mean**2,
        k**2 / 2.0 * (1.0 - e2) - of_mean**2,
        (2.0 + (16.0 * a**4 - 16.0 * a**2 + 2.0) * e2) / 2.0 - (s * of_std) ** 2,
        a**2 / 2.0 * (1.0 - (1.0 - 4.0 * a**2) * e2) - (s * of_std) ** 2,
    )


def exponential(k: float, m: float, s: float) -> Variances:
    """Of f = exp(-k x^2), which tilts one Gaussian into another."""
    z1, centre, variance = _tilted(k, m, s)
    of_mean = -2.0 * k * z1 * centre
    of_log_std = -2.0 * k * z1 * (variance + centre * (centre - m))
    z2, centre, variance = _tilted(2.0 * k, m, s)
    # Moments of eps = (x - m) / s, which is N(shift, spread) under the tilted Gaussian.
    shift, spread = (centre - m) / s, variance / s**2
    second = shift**2 + spread
    third = shift**3 + 3.0 * shift * spread
    fourth = shift**4 + 6.0 * shift**2 * spread + 3.0 * spread**2
    # E[(x eps)^2] with x = m + s eps.
    product = m**2 * second + 2.0 * m * s * third + s**2 * fourth
    return Variances(
        z2 * second / s**2 - of_mean**2,
        4.0 * k**2 * z2 * (centre**2 + variance) - of_mean**2,
        z2 * (fourth - 2.0 * second + 1.0) - of_log_std**2,
        4.0 * k**2 * s**2 * z2 * product - of_log_std**2,
    )


def _tilted(c: float, m: float, s: float) -> tuple[float, float, float]:
    """Return E exp(-c x^2), and mean and variance of the Gaussian that it tilts."""
    wide = 1.0 + 2.0 * c * s**2
    return math.exp(-c * m**2 / wide) / math.sqrt(wide), m / wide, s**2 / wide


def crossings(k: Array, score: Array, pathwise: Array) -> list[float]:
    """Return where two variances cross, by straight lines between their logarithms.

    Args:
        k: above 0, ascending, `[n]`.
        score: variances at `k`, `[n]`.
        pathwise: the others, `[n]`.
    """
    x, ratio = np.log(k), np.log(score) - np.log(pathwise)
    found = []
    for left in np.flatnonzero(np.diff(np.signbit(ratio))):
        share = ratio[left] / (ratio[left] - ratio[left + 1])
        found.append(float(np.exp(x[left] + share * (x[left + 1] - x[left]))))
    return found


OF = {"cosine": cosine, "exponential": exponential}
"""By the word of the problem."""
