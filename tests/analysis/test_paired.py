"""Paired comparisons against published examples, other roads and simulation."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import integrate
from scipy import stats as scipy_stats

from stats import paired
from stats.estimates import mean_interval

# Extra sleep in hours of ten patients with two soporifics (Student 1908).


def _generator(seed=0):
    return np.random.default_rng(seed)


def test_holm_of_a_known_example():
    # 4 x .005, 3 x .01, then 2 x .03 = .06, which the last, 1 x .04, may not fall below.
    got = paired.holm(np.array([0.01, 0.04, 0.03, 0.005]))
    assert_allclose(got, [0.03, 0.06, 0.06, 0.02])
    assert_allclose(paired.holm(np.array([[0.01, 0.04], [0.03, 0.005]])), got.reshape(2, 2))
    assert_array_equal(paired.holm(np.array([0.6, 0.9, 0.5])), [1.0, 1.0, 1.0])
    assert_array_equal(paired.holm(np.array([0.02])), [0.02])
    assert paired.holm(np.array([])).shape == (0,)


def test_holm_leaves_out_the_tests_that_do_not_exist():
    p_values = np.array([0.01, math.nan, 0.04, 0.03, 0.005, math.nan])
    kept = p_values.copy()
    got = paired.holm(p_values)
    assert_allclose(got, [0.03, math.nan, 0.06, 0.06, 0.02, math.nan])
    assert_array_equal(p_values, kept)
    assert np.isnan(paired.holm(np.full(3, math.nan))).all()


def test_holm_is_the_definition_step_by_step():
    for p_values in _generator().uniform(size=(50, 6)) ** 3:
        for alpha in (0.01, 0.05, 0.2):
            rejected = np.zeros(6, dtype=bool)
            for step, test in enumerate(np.argsort(p_values)):
                if p_values[test] > alpha / (6 - step):
                    break
                rejected[test] = True
            assert_array_equal(paired.holm(p_values) <= alpha, rejected)


def test_holm_and_bonferroni_keep_the_error_of_a_family_and_agree():
    """Eight comparisons with one control: correlated, three of them with a true difference."""
    families, k = 2000, 8
    control, *others = _generator().normal(size=(k + 1, 10, families))
    truth = np.array([1.5] * 3 + [0.0] * 5)
    x = np.stack(others, axis=-1) + truth
    y = np.broadcast_to(control[..., np.newaxis], x.shape)
    x, y = x.reshape(10, -1), y.reshape(10, -1)
    plain = scipy_stats.ttest_rel(x, y).pvalue.reshape(families, k)
    adjusted = np.array([paired.holm(family) for family in plain])
    assert np.mean((adjusted[:, 3:] <= 0.05).any(axis=1)) < 0.06
    assert np.mean((plain[:, 3:] <= 0.05).any(axis=1)) > 0.12

    wide = scipy_stats.ttest_rel(x, y).confidence_interval(paired.bonferroni_level(0.95, k))
    low, high = wide.low.reshape(families, k), wide.high.reshape(families, k)
    assert np.mean(((low <= truth) & (truth <= high)).all(axis=1)) > 0.94
    narrow = mean_interval(x - y)
    low_1, high_1 = narrow.low.reshape(families, k), narrow.high.reshape(families, k)
    assert np.mean(((low_1 <= truth) & (truth <= high_1)).all(axis=1)) < 0.85

    excludes_zero = (low > 0.0) | (high < 0.0)
    assert (adjusted[excludes_zero] <= 0.05).all()
    assert ((adjusted <= 0.05) & ~excludes_zero).any()


def test_bonferroni_level_by_hand():
    assert paired.bonferroni_level(0.95, 5) == pytest.approx(0.99)
    assert paired.bonferroni_level(0.9, 1) == pytest.approx(0.9)


# Yield of the pilot plant of Box, Hunter and Hunter (2005, table 5.2): axes T, C, K.


@pytest.mark.parametrize(("effect", "seeds"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_seeds_needed_is_the_published_table(effect, seeds):
    # Paired t test, two-sided 5%, power 80%, in units of the standard deviation of differences.
    assert paired.seeds_needed(effect, 1.0) == seeds
    assert paired.seeds_needed(-40.0 * effect, 40.0) == seeds
    normal = ((1.959964 + 0.841621) / effect) ** 2
    assert normal < seeds < normal + 3.0


def _power(effect, n, level):
    """Chance to reject, from the definition: integrated over the chi-squared spread."""
    critical = scipy_stats.t.isf((1.0 - level) / 2.0, n - 1)

    def density(square):
        bound, shift = critical * math.sqrt(square / (n - 1)), effect * math.sqrt(n)
        rejected = scipy_stats.norm.sf(bound - shift) + scipy_stats.norm.cdf(-bound - shift)
        return rejected * scipy_stats.chi2.pdf(square, n - 1)

    low, high = scipy_stats.chi2.ppf([1e-12, 1 - 1e-12], n - 1)
    return integrate.quad(density, low, high, epsabs=1e-9)[0]


@pytest.mark.parametrize("level", [0.8, 0.95, 0.995])
@pytest.mark.parametrize("power", [0.3, 0.8, 0.95])
@pytest.mark.parametrize("effect", [0.15, 0.4, 0.6, 1.0, 1.4])
def test_seeds_needed_reach_the_power_and_one_fewer_does_not(effect, power, level):
    n = paired.seeds_needed(effect, 1.0, power, level)
    assert power <= _power(effect, n, level)
    assert n == 2 or _power(effect, n - 1, level) < power


def test_seeds_needed_at_the_edges():
    assert paired.seeds_needed(0.0, 1.0) == math.inf
    assert paired.seeds_needed(0.0, 0.0) == math.inf
    assert paired.seeds_needed(1.0, 0.0) == 2
    assert paired.seeds_needed(1e-300, 1.0) == math.inf
    for effect in (30.0, 1e3, 1e8, 1e200):
        assert paired.seeds_needed(effect, 1.0) == 2
    assert paired.seeds_needed(1e-3, 1.0) == pytest.approx(
        (1.959964 + 0.841621) ** 2 * 1e6, rel=1e-5
    )
    sizes = [paired.seeds_needed(effect, 1.0) for effect in np.geomspace(0.01, 20.0, 60)]
    assert sizes == sorted(sizes, reverse=True)


def test_at_p_of_five_percent_the_observed_effect_has_power_of_about_one_half():
    n = 20
    effect = scipy_stats.t.isf(0.025, n - 1) / math.sqrt(n)
    assert paired.seeds_needed(effect, 1.0, power=0.45) < n < paired.seeds_needed(effect, 1.0, 0.55)
    assert paired.seeds_needed(effect, 1.0) > 1.8 * n


X = np.arange(4.0)
HOLE = np.array([0.0, 1.0, math.nan, 3.0])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: paired.holm(np.array([0.1, 1.2])), "1.2 is no p-value"),
        (lambda: paired.holm(np.array([0.1, -0.2])), "-0.2 is no p-value"),
        (lambda: paired.bonferroni_level(0.95, 0), "comparisons is 0"),
        (lambda: paired.bonferroni_level(95, 3), "level is 95"),
        (lambda: paired.seeds_needed(math.nan, 1.0), "difference is nan and spread 1.0"),
        (lambda: paired.seeds_needed(1.0, -1.0), "difference is 1.0 and spread -1.0"),
        (lambda: paired.seeds_needed(1.0, 1.0, power=1.0), "power is 1.0"),
        (lambda: paired.seeds_needed(1.0, 1.0, level=5), "level is 5"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(call, words):
    with pytest.raises(ValueError) as refusal:
        call()
    message = str(refusal.value)
    assert message.startswith(words)
    assert "\n" not in message and ";" in message.partition(": ")[2]
