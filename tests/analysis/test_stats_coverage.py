"""Bootstrap intervals of collections cover as often as is known, on simulated data."""

import numpy as np
import pytest
from scipy import stats as scipy_stats

from stats import estimates as stats


def _generator(seed):
    return np.random.default_rng(seed)


def _covered(low, high, truth):
    return np.mean((low <= truth) & (truth <= high))


@pytest.mark.parametrize(("seeds", "environments"), [(5, 1), (10, 1), (5, 6), (10, 6)])
def test_the_interquartile_mean_covers_as_a_bootstrap_written_down_does(seeds, environments):
    generator, other = _generator(7), _generator(8)
    columns = np.arange(environments)
    found, expected = [], []
    for _ in range(600):
        scores = generator.normal(size=(seeds, environments))
        got = stats.bootstrap_interval(
            stats.interquartile_means, scores, generator=generator, resamples=300
        )
        found.append(got[1:])
        drawn = scores[other.integers(seeds, size=(300, seeds, environments)), columns]
        means = scipy_stats.trim_mean(drawn.reshape(300, -1), 0.25, axis=1)
        expected.append(np.quantile(means, [0.025, 0.975]))
    coverage = _covered(*np.transpose(found), 0.0)
    assert coverage == pytest.approx(_covered(*np.transpose(expected), 0.0), abs=0.02)
    assert coverage < 0.945, "percentile intervals of few seeds are too narrow"
