"""Bootstrap intervals of collections cover as often as is known, on simulated data."""

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from stats import estimates as stats


def _generator(seed):
    return np.random.default_rng(seed)


def _covered(low, high, truth):
    return np.mean((low <= truth) & (truth <= high))


def _correlated(generator, n, environments, gain, correlation):
    seed = generator.normal(size=(n, environments)) * math.sqrt(correlation)
    own = generator.normal(size=(2, n, environments)) * math.sqrt(1 - correlation)
    return seed + own[0] + gain, seed + own[1]


def test_probability_of_improvement_covers_if_it_is_told_of_the_pairs():
    generator, gain = _generator(5), 0.7
    truth = scipy_stats.norm.cdf(gain / math.sqrt(2))  # of independent runs
    told, untold, drawn_with_twins = [], [], []

    def with_twins(pairs):
        x, y = pairs[..., 0], pairs[..., 1]
        return (x[:, :, np.newaxis] > y[:, np.newaxis]).mean(axis=(1, 2, 3))

    for number in range(1500):
        x, y = _correlated(generator, 10, 4, gain, 0.8)
        settings = {"generator": generator, "resamples": 300}
        told.append(stats.probability_of_improvement_interval(x, y, paired=True, **settings))
        if number >= 500:
            continue  # The wrong ones are far off.
        untold.append(stats.probability_of_improvement_interval(x, y, **settings))
        drawn_with_twins.append(
            stats.bootstrap_interval(with_twins, np.stack((x, y), -1), **settings)
        )
    _, *limits = np.transpose(told)
    assert _covered(*limits, truth) == pytest.approx(0.95, abs=0.02)
    assert _covered(*np.transpose(untold)[1:], truth) > 0.985
    assert _covered(*np.transpose(drawn_with_twins)[1:], truth) < 0.89


def test_probability_of_improvement_covers_with_independent_seeds():
    generator, truth = _generator(6), scipy_stats.norm.cdf(0.7 / math.sqrt(2))
    found = [
        stats.probability_of_improvement_interval(
            *_correlated(generator, 20, 2, 0.7, 0.0), generator, resamples=300
        )
        for _ in range(1500)
    ]
    assert _covered(*np.transpose(found)[1:], truth) == pytest.approx(0.94, abs=0.02)


@pytest.mark.parametrize(("seeds", "environments"), [(5, 1), (10, 1), (5, 6), (10, 6)])
def test_the_interquartile_mean_covers_as_a_bootstrap_written_down_does(seeds, environments):
    generator, other = _generator(7), _generator(8)
    columns = np.arange(environments)
    found, expected = [], []
    for _ in range(600):
        scores = generator.normal(size=(seeds, environments))
        found.append(stats.interquartile_mean_interval(scores, generator, resamples=300)[1:])
        drawn = scores[other.integers(seeds, size=(300, seeds, environments)), columns]
        means = scipy_stats.trim_mean(drawn.reshape(300, -1), 0.25, axis=1)
        expected.append(np.quantile(means, [0.025, 0.975]))
    coverage = _covered(*np.transpose(found), 0.0)
    assert coverage == pytest.approx(_covered(*np.transpose(expected), 0.0), abs=0.02)
    assert coverage < 0.945, "percentile intervals of few seeds are too narrow"
