"""Equivalence, sign flips, looks and tuning: against libraries, by hand and by simulation."""

import itertools
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats as scipy_stats

from stats.equivalence import (
    Difference,
    difference,
    equivalence_power,
    seeds_for_equivalence,
    sign_flip_p,
)
from stats.sequential import looks_so_far, nominal_levels, sequential_p, spent, two_sided
from stats.tuning import best_of, best_of_interval

MARGIN = 0.05
SEEDS = (10, 15, 20)


def _generator(seed=0):
    return np.random.default_rng(seed)


def _t(rows):
    """Return mean, standard error and degrees of freedom of every row."""
    count = rows.shape[1]
    return rows.mean(axis=1), rows.std(axis=1, ddof=1) / math.sqrt(count), count - 1


def test_a_difference_of_one_environment_is_the_paired_t_test():
    sample = _generator().normal(0.3, 1.0, size=9)
    got, expected = difference([sample]), scipy_stats.ttest_1samp(sample, 0.0)
    assert got.p_value() == pytest.approx(expected.pvalue)
    assert_allclose(got.interval(0.9), expected.confidence_interval(0.9))
    upper = scipy_stats.ttest_1samp(sample, 1.0, alternative="less").pvalue
    lower = scipy_stats.ttest_1samp(sample, -1.0, alternative="greater").pvalue
    assert got.equivalence(1.0) == pytest.approx(max(upper, lower))


def test_of_two_environments_of_equal_size_it_is_half_of_welchs_difference():
    x, y = _generator().normal(size=(2, 12)) * [[1.0], [3.0]]
    welch = scipy_stats.ttest_ind(x, -y, equal_var=False)
    got = difference([x, y])
    assert got.p_value() == pytest.approx(welch.pvalue)
    assert got.freedom == pytest.approx(welch.df)
    assert got.estimate == pytest.approx((x.mean() + y.mean()) / 2)


def test_environments_count_alike_however_many_seeds_they_have():
    assert difference([np.zeros(20), np.full(2, 1.0)]).estimate == 0.5


@pytest.mark.parametrize("n", SEEDS)
def test_at_the_margin_the_equivalence_test_errs_as_often_as_it_says(n):
    rows = _generator(n).normal(MARGIN, 0.04, size=(20_000, n))
    mean, error, freedom = _t(rows)
    p = scipy_stats.t.sf((MARGIN - abs(mean)) / error, freedom)
    for index in range(20):
        assert difference([rows[index]]).equivalence(MARGIN) == pytest.approx(p[index])
    assert np.mean(p <= 0.05) == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize("n", SEEDS)
def test_at_no_difference_the_t_test_errs_as_often_and_its_interval_covers(n):
    mean, error, freedom = _t(_generator(n).normal(0.0, 1.0, size=(20_000, n)))
    p = 2.0 * scipy_stats.t.sf(abs(mean) / error, freedom)
    assert np.mean(p <= 0.05) == pytest.approx(0.05, abs=0.01)
    one = Difference(float(mean[0]), float(error[0]), freedom)
    assert one.p_value() == pytest.approx(p[0])
    half = scipy_stats.t.isf(0.025, freedom) * error
    assert np.mean(abs(mean) <= half) == pytest.approx(0.95, abs=0.01)


def test_what_has_no_spread_and_what_has_one_seed():
    same = difference([np.zeros(5)])
    assert math.isnan(same.p_value()) and same.equivalence(MARGIN) == 0.0
    assert difference([np.full(5, 0.06)]).equivalence(MARGIN) == 1.0
    alone = difference([np.array([0.1])])
    assert math.isnan(alone.equivalence(MARGIN)) and math.isnan(alone.interval()[0])
    with pytest.raises(ValueError, match=r"margin is 0\.0: no difference is smaller"):
        same.equivalence(0.0)


def test_sign_flips_are_those_of_scipy_and_have_a_floor():
    for sample in _generator().normal(0.4, 1.0, size=(4, 9)):
        expected = scipy_stats.permutation_test(
            (sample,), np.mean, permutation_type="samples", n_resamples=np.inf
        )
        assert sign_flip_p([sample]) == pytest.approx(expected.pvalue)
    assert sign_flip_p([np.arange(1.0, 6.0)]) == 2 / 32, "5 seeds settle nothing at 5%"
    assert sign_flip_p([np.arange(1.0, 13.0)]) == 2 / 2**12


def test_sign_flips_over_environments_and_at_random():
    x, y = _generator(1).normal(0.5, 1.0, size=(2, 4))
    sums = [
        abs((np.array(s[:4]) * x).mean() + (np.array(s[4:]) * y).mean())
        for s in itertools.product([1, -1], repeat=8)
    ]
    expected = np.mean(np.array(sums) >= abs(x.mean() + y.mean()) - 1e-12)
    assert sign_flip_p([x, y]) == pytest.approx(expected)
    many = _generator(2).normal(0.35, 1.0, size=30)
    t_test = scipy_stats.ttest_1samp(many, 0.0).pvalue
    assert sign_flip_p([many]) == pytest.approx(t_test, abs=0.02)
    assert sign_flip_p([many]) == sign_flip_p([many])


def test_sign_flips_err_as_often_as_they_say_with_any_symmetric_noise():
    rows = _generator(3).standard_cauchy(size=(2000, 10))
    assert np.mean([sign_flip_p([row]) <= 0.05 for row in rows]) == pytest.approx(0.05, abs=0.012)


@pytest.mark.parametrize(("n", "true"), [(8, 0.0), (15, 0.0), (15, 0.02), (40, 0.03)])
def test_the_power_of_the_equivalence_test_is_that_of_simulation(n, true):
    rows = _generator(n).normal(true, 0.05, size=(20_000, n))
    mean, error, freedom = _t(rows)
    found = np.mean(scipy_stats.t.sf((MARGIN - abs(mean)) / error, freedom) <= 0.05)
    assert equivalence_power(n, MARGIN, 0.05, true) == pytest.approx(found, abs=0.015)


def test_seeds_for_equivalence_reach_the_power_and_one_fewer_does_not():
    n = seeds_for_equivalence(22.0, 25.0)
    assert n == 13, "of the design's own power calculation"
    assert equivalence_power(n, 22.0, 25.0) >= 0.8 > equivalence_power(n - 1, 22.0, 25.0)
    assert seeds_for_equivalence(22.0, 47.0) == 41
    assert seeds_for_equivalence(MARGIN, 0.1, MARGIN) == math.inf


def test_boundaries_are_the_published_ones_of_obrien_and_fleming():
    # Lan and DeMets' spending of .025 over four looks (Reboussin et al. 2000, table 2).
    levels = nominal_levels(0.025, [0.25, 0.5, 0.75, 1.0])
    assert_allclose(scipy_stats.norm.isf(levels), [4.333, 2.963, 2.359, 2.014], atol=2e-3)
    assert spent(0.05, 1.0) == pytest.approx(0.05)
    assert nominal_levels(0.03, [1.0]) == pytest.approx([0.03])


@pytest.mark.parametrize(("looks", "n"), [((5, 10, 15, 20), 20), ((5, 10), 10), ((5, 10, 15), 15)])
def test_looking_often_errs_as_often_as_looking_once_and_naive_looks_err_more(looks, n):
    rows = _generator(n).normal(size=(20_000, n))
    tests = [_t(rows[:, :look]) for look in looks]
    p = np.array([2 * scipy_stats.t.sf(abs(m) / e, f) for m, e, f in tests])
    fractions = [look / n for look in looks]
    found = np.array([two_sided(list(each), fractions) for each in p.T[:6000]])
    assert np.mean(found <= 0.05) == pytest.approx(0.05, abs=0.01)
    assert np.mean(p.min(axis=0) <= 0.05) > 0.08


def test_a_sequential_p_is_the_level_at_which_the_boundary_is_met():
    fractions = [1 / 3, 2 / 3, 1.0]
    for look in range(3):
        nominal = nominal_levels(0.05, fractions)[look]
        before = [0.99] * look
        assert sequential_p([*before, nominal], fractions) == pytest.approx(0.05, rel=2e-3)
    assert sequential_p([0.2], [1.0]) == 0.2
    assert sequential_p([1e-12, 0.9], fractions) < 1e-3, "a look that stopped is not undone"
    assert math.isnan(two_sided([], fractions))


def test_only_planned_looks_are_taken():
    assert looks_so_far(7, (5, 10, 15), 15) == ([5], [1 / 3, 2 / 3, 1.0])
    assert looks_so_far(4, (5, 10), 10) == ([], [0.5, 1.0])
    assert looks_so_far(12, (5, 10, 15), 12)[0] == [5, 10, 12], "the end is a look"
    assert looks_so_far(7, (), 7) == ([7], [1.0])


def test_best_of_k_is_the_mean_over_all_subsets():
    scores = _generator().normal(size=6)
    expected = [
        np.mean([max(chosen) for chosen in itertools.combinations(scores, k)]) for k in range(1, 7)
    ]
    assert_allclose(best_of(scores), expected)
    interval = best_of_interval(scores, _generator())
    assert_allclose(interval.estimate, expected)
    assert (interval.low <= interval.high).all()
