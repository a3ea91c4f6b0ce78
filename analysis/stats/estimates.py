"""What the scores of a few seeds allow one to say.

Scores are finite float64 arrays `[seeds, environments]`, or `[seeds]` of one environment, in the
unit of the score; rows are seeds, the unit of replication. Levels are shares, .95 and not 95. One
environment is reported by its mean with a t interval, a collection by its interquartile mean with
a stratified bootstrap, a comparison by paired differences, corrected by Holm.

Every function raises ValueError, in one line that names the value, what it spoils and the remedy,
for an array of another shape, without a seed or with a number that is not finite.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats as scipy_stats

Array = NDArray[np.float64]
_T = TypeVar("_T", float, Array, covariant=True)

_CHUNK = 2**20  # numbers resampled at a time; a handful of such float64 arrays live at once


class Interval(NamedTuple, Generic[_T]):
    """An estimate and its confidence limits: three floats, or three arrays of one shape."""

    estimate: _T
    low: _T
    high: _T


def mean_interval(scores: Array, level: float = 0.95) -> Interval[Any]:
    """Mean over the first axis, the seeds, with its Student-t interval.

    `[seeds]` gives floats, `[seeds, environments]` one entry per environment; any further axes are
    kept in the same way.

    Exact for normal scores. With few seeds and skewed scores (most runs solve it, some fail) it
    covers less than `level` and may pass the best possible score: show the seeds as well. Of one
    seed there is no interval, and its limits are NaN; a width of zero says only that the seeds
    agree.
    """
    scores = checked(scores, "scores", "[seeds, ...]", (1, math.inf))
    mean, error = scores.mean(axis=0), standard_error(scores)
    half = t_factor(len(scores), checked_level(level)) * math.sqrt(len(scores)) * error
    return Interval(mean, mean - half, mean + half)


@lru_cache(maxsize=1024)
def t_factor(seeds: int, level: float = 0.95) -> float:
    """Return half the width of the t interval of a mean, in standard deviations of the seeds."""
    return float(scipy_stats.t.isf((1.0 - level) / 2.0, seeds - 1)) / math.sqrt(seeds)


def standard_error(scores: Array) -> Any:
    """Return that of the mean over the first axis; NaN of one seed."""
    if len(scores) == 1:
        return scores[0] * math.nan
    return scores.std(axis=0, ddof=1) / math.sqrt(len(scores))


def bootstrap_interval(
    statistic: Callable[..., Array],
    *samples: Array,
    generator: np.random.Generator,
    level: float = 0.95,
    resamples: int = 50_000,
) -> Interval[Any]:
    """Percentile interval by a bootstrap stratified by environment.

    In each environment of each sample the seeds are drawn with replacement on their own (Agarwal
    et al. 2021, sec. 4.1). With few seeds it covers less than `level`. For the mean of n normal
    scores of one environment, at .95, coverage is P(abs T_{n-1} < 1.96 sqrt((n-1)/n)): .50 with
    2 seeds (where the interval is the range of the two), .75 with 3, .85 with 5, .90 with 10, .93
    with 20. Averaged over many environments it tends to the same with a normal in place of T: .92
    with 5 seeds.

    Args:
        statistic: maps resampled samples `[resamples, seeds, environments, ...]` to `[resamples]`
            or `[resamples, ...]`.
        samples: `[seeds, environments, ...]` each, resampled independently of one another. What
            lies along further axes stays together: `np.stack((x, y), -1)` is one sample of pairs.
        generator: of the resampling; one in the same state gives the same bits.
        level: of confidence.
        resamples: number of bootstrap samples.

    Returns:
        The statistic of the samples as they are, and its limits.
    """
    tail = (1.0 - checked_level(level)) / 2.0
    given = [checked(s, "a sample", "[seeds, environments, ...]", (2, math.inf)) for s in samples]
    if resamples < 1:
        raise ValueError(f"resamples is {resamples}: no limit can be read off; use 50000")
    chunk = max(1, _CHUNK // sum(sample.size for sample in given))
    drawn = [
        statistic(*(_resampled(sample, count, generator) for sample in given))
        for count in (min(chunk, resamples - done) for done in range(0, resamples, chunk))
    ]
    low, high = np.quantile(np.concatenate(drawn), (tail, 1.0 - tail), axis=0)
    return Interval(statistic(*(sample[np.newaxis] for sample in given))[0], low, high)


def share_interval(successes: int, count: int, level: float = 0.95) -> Interval[float]:
    """Share of seeds that succeed (or fail), with its Clopper-Pearson interval.

    Shares of failed seeds lie near 0, and of solved ones near 1, just where Wilson's interval
    breaks its promise: at .95 its coverage falls to .84 there with 10 or with 100 seeds. This one
    covers at least `level` everywhere, at the price of width: 0 of 5 gives 0 to .52, where
    Wilson's gives 0 to .43.

    Raises:
        ValueError: `count` is below 1, or `successes` not between 0 and `count`.
    """
    if not 0 <= successes <= count or count < 1:
        raise ValueError(
            f"{successes} of {count} seeds is no share: it has no interval; "
            "give 0 <= successes <= count, and a count of at least 1"
        )
    test = scipy_stats.binomtest(successes, count)
    limits = test.proportion_ci(checked_level(level), method="exact")
    return Interval(successes / count, float(limits.low), float(limits.high))


def _resampled(sample: Array, count: int, generator: np.random.Generator) -> Array:
    seeds, environments = sample.shape[:2]
    rows = generator.integers(seeds, size=(count, seeds, environments))
    return sample[rows, np.arange(environments)]


def interquartile_means(runs: Array) -> Array:
    """Mean of the middle half of all runs pooled, `[resamples, seeds, environments]` -> resamples.

    Agarwal et al. 2021 (arXiv:2108.13264, sec. 4.3). Pooling makes sense only for scores on a
    common scale. A quarter of the runs, rounded down, is cut at each end.
    """
    return np.asarray(scipy_stats.trim_mean(runs.reshape(len(runs), -1), 0.25, axis=1))


def gaps(target: float) -> Callable[[Array], Array]:
    """Return the optimality gap, the mean of max(0, target - score) over all runs, 0 the best."""
    return lambda runs: np.maximum(0.0, target - runs).mean(axis=(1, 2))


def checked(
    values: ArrayLike,
    name: str,
    layout: str = "[seeds] or [seeds, environments]",
    dims: tuple[int, float] = (1, 2),
) -> Array:
    """Return the values as float64; `dims` is the least and the greatest number of axes."""
    array = np.asarray(values, dtype=np.float64)
    if not dims[0] <= array.ndim <= dims[1] or array.size == 0:
        raise ValueError(
            f"{name} has shape {array.shape}: there is nothing to compute from it; "
            f"give {layout}, at least one of each"
        )
    wrong = np.argwhere(~np.isfinite(array))
    if len(wrong):
        position = tuple(wrong[0].tolist())
        raise ValueError(
            f"{name}{list(position)} is {array[position]}: every statistic with it would be too; "
            "run it again, or give a failed run the score it earned"
        )
    return array


def checked_level(level: float) -> float:
    """Return the level if it is one."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"level is {level}: no interval has it; give a share such as .95")
    return level
