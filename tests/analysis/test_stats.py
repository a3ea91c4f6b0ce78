"""Estimates by hand and by other roads, and intervals that cover as often as they say."""

import itertools
import math
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats as scipy_stats

from stats import estimates as stats

SEEDS = (5, 10, 20)
REPLICATIONS = 4000


def _generator(seed=0):
    return np.random.default_rng(seed)


def _covered(low, high, truth):
    return np.mean((low <= truth) & (truth <= high))


def test_mean_interval_by_hand():
    # Mean 4, deviations -3, 0, 3: standard deviation 3; t with 2 degrees of freedom is 4.302653.
    got = stats.mean_interval(np.array([1.0, 4.0, 7.0]))
    half = 4.302653 * 3.0 / math.sqrt(3.0)
    assert_allclose(got, (4.0, 4.0 - half, 4.0 + half), rtol=1e-6)
    assert all(isinstance(number, float) for number in got)


def test_mean_interval_is_that_of_scipy_in_every_column():
    scores = _generator().exponential(size=(6, 3))
    for level in (0.5, 0.95):
        expected = scipy_stats.ttest_1samp(scores, 0.0).confidence_interval(level)
        got = stats.mean_interval(scores, level)
        assert_allclose(got.estimate, scores.mean(axis=0))
        assert_allclose(got[1:], expected)
        one = stats.mean_interval(scores[:, 1], level)
        assert_allclose(one, [each[1] for each in got])


def test_one_seed_has_no_interval_and_equal_seeds_have_one_without_width():
    assert_allclose(stats.mean_interval(np.array([3.0])), (3.0, math.nan, math.nan))
    got = stats.mean_interval(np.array([[3.0, 4.0]]))
    assert_allclose(got.estimate, [3.0, 4.0])
    assert np.isnan(got.low).all() and np.isnan(got.high).all()
    assert_allclose(stats.mean_interval(np.full(4, 500.0)), (500.0, 500.0, 500.0))


@pytest.mark.parametrize("n", SEEDS)
def test_t_interval_covers_at_its_level_and_one_of_normal_quantiles_does_not(n):
    scores = _generator(n).normal(3.0, 2.0, size=(n, REPLICATIONS))
    got = stats.mean_interval(scores)
    assert _covered(got.low, got.high, 3.0) == pytest.approx(0.95, abs=0.02)
    half = 1.96 * scores.std(axis=0) / math.sqrt(n)
    naive = _covered(got.estimate - half, got.estimate + half, 3.0)
    assert naive < (0.88 if n == 5 else 0.94)


def test_bootstrap_limits_are_quantiles_of_the_exact_distribution_of_resamples():
    """Three seeds have 27 resamples, each as likely: enough to list them."""
    scores = np.array([0.0, 1.0, 5.0])
    means = np.sort([np.mean(drawn) for drawn in itertools.product(scores, repeat=3)])
    shares = np.arange(1, 28) / 27
    got = stats.bootstrap_interval(
        lambda runs: runs.mean(axis=(1, 2)), scores[:, np.newaxis], generator=_generator(),
        level=0.8,
    )  # fmt: skip
    assert got.estimate == 2.0
    assert got.low == pytest.approx(means[np.searchsorted(shares, 0.1)])
    assert got.high == pytest.approx(means[np.searchsorted(shares, 0.9)])


def test_bootstrap_interval_agrees_with_scipy():
    scores = _generator().normal(size=12)
    got = _iqm(scores[:, None], _generator(1))
    expected = scipy_stats.bootstrap(
        (scores,), lambda runs, axis: scipy_stats.trim_mean(runs, 0.25, axis=axis),
        method="percentile", n_resamples=20_000, rng=_generator(2),
    ).confidence_interval  # fmt: skip
    assert_allclose(got[1:], expected, atol=0.02)
    assert got.estimate == scipy_stats.trim_mean(scores, 0.25)
    assert got.low < got.estimate < got.high


def test_bootstrap_is_stratified_by_environment():
    """Ten environments of very different level: drawn as one pool, the mean would be uncertain."""
    noise = _generator().normal(size=(5, 10))
    scores = noise + 100.0 * np.arange(10)

    def width(sample):
        got = stats.bootstrap_interval(
            lambda runs: runs.mean(axis=(1, 2)), sample, generator=_generator(1), resamples=4000
        )
        return got.high - got.low

    stratified, pooled = width(scores), width(scores.reshape(50, 1))
    expected = 2 * 1.96 * math.sqrt((noise.var(axis=0) / 5).sum()) / 10
    assert stratified == pytest.approx(expected, rel=0.1)
    assert pooled > 100 * stratified


@pytest.mark.parametrize("n", (2, 3, *SEEDS))
def test_percentile_bootstrap_undercovers_as_documented(n):
    # The statistic keeps environments apart: each is a replication.
    scores = _generator(n).normal(3.0, 2.0, size=(n, REPLICATIONS))
    got = stats.bootstrap_interval(
        lambda runs: runs.mean(axis=1), scores, generator=_generator(99),
        resamples=max(400, 6000 // n),
    )  # fmt: skip
    known = 1 - 2 * scipy_stats.t.sf(1.96 * math.sqrt((n - 1) / n), n - 1)
    documented = {2: 0.50, 3: 0.75, 5: 0.85, 10: 0.90, 20: 0.93}[n]
    covered = _covered(got.low, got.high, 3.0)
    assert covered == pytest.approx(documented, abs=0.02)
    assert n == 2 or known == pytest.approx(documented, abs=0.006)
    assert n == 20 or abs(covered - 0.95) > 0.02


def test_percentile_bootstrap_over_many_environments_undercovers_less():
    scores = _generator(3).normal(size=(5, 1000, 20))

    def mean_per_collection(runs):
        return runs.reshape(len(runs), 5, 1000, 20).mean(axis=(1, 3))

    got = stats.bootstrap_interval(
        mean_per_collection, scores.reshape(5, -1), generator=_generator(4), resamples=300
    )
    assert _covered(got.low, got.high, 0.0) == pytest.approx(0.92, abs=0.02)


def test_bootstrap_of_several_samples_resamples_each_on_its_own():
    x = _generator().normal(size=(10, 2))

    def width(*samples, statistic):
        got = stats.bootstrap_interval(statistic, *samples, generator=_generator(), resamples=2000)
        return got.high - got.low

    apart = width(x, x, statistic=lambda a, b: (a - b).mean(axis=(1, 2)))
    pairs = width(
        np.stack((x, x), -1), statistic=lambda ab: (ab[..., 0] - ab[..., 1]).mean(axis=(1, 2))
    )
    assert pairs == 0.0
    # The variance of a difference is twice that of one mean, over 10 seeds and 2 environments.
    expected = 2 * 1.96 * math.sqrt(2 * x.var(axis=0).mean() / 20)
    assert apart == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize(
    ("share", "level", "expected"),
    [
        ((0, 5), 0.95, (0.0, 0.0, 0.521824)),  # 1 - (.025)^(1/5)
        ((5, 5), 0.95, (1.0, 0.478176, 1.0)),
        ((0, 10), 0.95, (0.0, 0.0, 0.308497)),
        ((1, 10), 0.95, (0.1, 0.002529, 0.445016)),
        ((5, 10), 0.95, (0.5, 0.187086, 0.812914)),
        ((0, 5), 0.9, (0.0, 0.0, 0.450720)),  # 1 - (.05)^(1/5)
    ],
)
def test_share_interval_has_the_tabulated_limits(share, level, expected):
    assert_allclose(stats.share_interval(*share, level), expected, atol=1e-6)


@pytest.mark.parametrize("n", SEEDS)
def test_share_interval_covers_at_every_share_and_wilsons_does_not(n):
    """Exactly: the sum of the binomial probabilities of the counts whose interval covers."""
    share = np.linspace(0.001, 0.999, 1999)
    counts = np.arange(n + 1)
    chance = scipy_stats.binom.pmf(counts[:, np.newaxis], n, share)

    def coverage(limits):
        low, high = np.transpose(limits)[..., np.newaxis]
        return (chance * ((low <= share) & (share <= high))).sum(axis=0)

    assert coverage([stats.share_interval(int(k), n)[1:] for k in counts]).min() >= 0.95
    tests = [scipy_stats.binomtest(int(k), n) for k in counts]
    assert coverage([test.proportion_ci(0.95, method="wilson") for test in tests]).min() < 0.85


def _iqm(scores, generator, **settings):
    return stats.bootstrap_interval(
        stats.interquartile_means, scores, generator=generator, **settings
    )


def _intervals(x, generator):
    """Intervals of several statistics that resample, of the same data."""
    yield _iqm(x, generator, resamples=500)
    yield stats.bootstrap_interval(stats.gaps(1.0), x, generator=generator, resamples=500)


def test_interquartile_mean_by_hand():
    # 8 runs: the two lowest and the two highest are cut, whatever their environment.
    scores = np.array([[1.0, 50.0], [2.0, 6.0], [9.0, -7.0], [4.0, 5.0]])
    assert stats.interquartile_means(scores[None]) == (2.0 + 4.0 + 5.0 + 6.0) / 4
    # 5 runs: a quarter is 1.25, of which one is cut at each end.
    few = np.array([9.0, 1.0, 2.0, 6.0, 40.0])[None, :, None]
    assert stats.interquartile_means(few) == 17.0 / 3
    assert stats.interquartile_means(np.array([1.0, 2.0, 9.0])[None, :, None]) == 4.0


def test_interquartile_mean_ignores_an_outlier_and_the_mean_does_not():
    scores = _generator().normal(size=(5, 4))
    spoiled = scores.copy()
    spoiled.flat[scores.argmax()] = 1e6
    assert stats.interquartile_means(spoiled[None]) == stats.interquartile_means(scores[None])
    assert spoiled.mean() > scores.mean() + 1e4


def test_optimality_gap_by_hand():
    scores = np.array([[0.5, 2.0], [0.0, 0.25]])
    # Below 1 by .5, 1 and .75; the 2 beyond it does not make up for that.
    assert stats.gaps(1.0)(scores[None]) == 2.25 / 4
    assert stats.gaps(-1.0)(scores[None]) == 0.0


def test_the_same_generator_gives_the_same_bits_and_another_one_does_not():
    x = _generator().normal(size=(6, 3))
    for first, again, other in zip(
        *(_intervals(x, _generator(seed)) for seed in (7, 7, 8)), strict=True
    ):
        assert_array_equal(first, again)
        assert_array_equal(first.estimate, other.estimate)
        assert not np.array_equal(first[1:], other[1:])


def test_the_size_of_the_chunks_changes_nothing(monkeypatch):
    x = _generator().normal(size=(6, 3))
    whole = _iqm(x, _generator(), resamples=1000)
    monkeypatch.setattr(stats, "_CHUNK", 18 * 7)
    assert _iqm(x, _generator(), resamples=1000) == whole


def test_the_order_of_the_seeds_changes_no_estimate():
    x = _generator().normal(size=(9, 3))
    order = _generator(1).permutation(9)
    assert_allclose(stats.mean_interval(x[order]), stats.mean_interval(x))
    for mine, theirs in zip(
        _intervals(x, _generator()), _intervals(x[order], _generator()), strict=True
    ):
        assert_allclose(mine.estimate, theirs.estimate)
        assert_allclose(mine[1:], theirs[1:], atol=0.12)


def test_inputs_are_left_as_they_were():
    x = _generator().normal(size=(6, 3))
    before = x.copy()
    list(_intervals(x, _generator()))
    stats.mean_interval(x)
    assert_array_equal(x, before)


def test_memory_of_fifty_thousand_resamples_stays_small():
    scores = _generator().normal(size=(30, 5))
    at_once = 50_000 * scores.nbytes
    tracemalloc.start()
    _iqm(scores, _generator())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6 < at_once


SCORES = np.arange(6.0).reshape(3, 2)
HOLE = np.where(SCORES == 3.0, np.nan, SCORES)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: stats.mean_interval(HOLE), "scores[1, 1] is nan"),
        (lambda: stats.mean_interval(np.array([1.0, np.inf])), "scores[1] is inf"),
        (lambda: stats.mean_interval(np.zeros((0, 2))), "scores has shape (0, 2)"),
        (lambda: stats.mean_interval(np.float64(3.0)), "scores has shape ()"),
        (lambda: stats.mean_interval(SCORES, level=95), "level is 95"),
        (lambda: _iqm(HOLE, _generator()), "a sample[1, 1] is nan"),
        (lambda: _iqm(SCORES, _generator(), resamples=0), "resamples is 0"),
        (lambda: _iqm(SCORES, _generator(), level=1.0), "level is 1"),
        (lambda: stats.share_interval(6, 5), "6 of 5 seeds"),
        (lambda: stats.share_interval(0, 0), "0 of 0 seeds"),
        (lambda: stats.share_interval(1, 5, level=0.0), "level is 0"),
    ],
)
def test_what_has_no_statistic_is_refused_in_one_line(call, words):
    with pytest.raises(ValueError) as refusal:
        call()
    message = str(refusal.value)
    assert message.startswith(words)
    assert "\n" not in message and ";" in message.partition(": ")[2]
