"""The probability that one word beats another, over cells that share their seeds."""

import numpy as np

from stats.estimates import Array, Interval, bootstrap_interval, multiplicities

RESAMPLES = 10_000


def improvement(x: Array, y: Array, generator: np.random.Generator) -> Interval[float]:
    """Return the probability that x beats y, averaged over cells, with its interval.

    The estimate is `stats.probability_of_improvement(x, y, paired=True)`. Its own interval draws
    the seeds of every column anew, as of environments; cells share their seeds, and here a
    resampled seed brings its runs of all cells along.
    """
    if len(x) < 2:
        return Interval(np.nan, np.nan, np.nan)
    wins = ((x[:, None] > y[None]) + (x[:, None] == y[None]) / 2.0).mean(axis=-1)
    np.fill_diagonal(wins, 0.0)

    def statistic(drawn: Array) -> Array:
        times = multiplicities(drawn)[0]
        pairs = len(x) ** 2 - (times**2).sum(axis=1)
        won = ((times @ wins) * times).sum(axis=1)
        return np.divide(won, pairs, out=np.full_like(won, 0.5), where=pairs > 0.0)

    numbers = np.arange(len(x), dtype=np.float64)[:, None]
    return bootstrap_interval(statistic, numbers, generator=generator, resamples=RESAMPLES)
