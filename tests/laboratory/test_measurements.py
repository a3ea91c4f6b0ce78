"""Every combination of the laboratory against the exact answers, and mistakes told apart.

The fast form of `tests/gradients_against_exact.py`: tolerances widen with the square root of the
number of rows.
"""

import itertools
import math

import pytest
import torch

from gausspg.laboratory.settings import assemble
from gausspg.streams import Streams
from gausspg.training.build import SettingsError
from gradients_against_exact import BIASED, distances
from laboratory.measuring import PROBLEMS, RIGHT, measured, measurement, settings_of, variants

ROWS = 60_000
DEAR = {"logistic_regression": 1_000, "lqr": 10_000}


@pytest.mark.parametrize(("problem", "estimator"), [*itertools.product(PROBLEMS, RIGHT)])
def test_means_and_variances_are_the_exact_ones(problem, estimator):
    rows = DEAR.get(problem, ROWS)
    made = 0
    for words, settings in variants(problem, estimator):
        made += 1
        bias, error = distances(measurement(settings, rows))
        if (problem, estimator) in BIASED:
            assert bias > 10.0, words
            continue
        assert bias < 4.5, words
        # The largest of some parameters, of estimates with heavy tails.
        assert (error or 0.0) < 0.03 * math.sqrt(4e6 / rows), words
    assert made or problem == "lqr", "nothing goes with them"


@pytest.mark.parametrize(
    "words",
    [
        ("problem=quadratic", "estimator=wrong_gradient_through_sample"),
        ("squash=clip", "problem.temperature=0", "estimator=wrong_density_of_clipped_value"),
        ("estimator=wrong_entropy_without_squash",),
    ],
)
def test_each_mistake_is_far_off(words):
    problem = () if "problem" in words[0] else ("problem=bounded_quadratic",)
    found = measured(*problem, *words, f"rows={ROWS}")
    assert distances(found)[0] > 10.0


def test_the_same_measurement_gives_the_same_bits_and_another_seed_does_not():
    words = ("problem=bounded_quadratic", "estimator=mixture", "rows=5000")
    one, same, other = (measured(*words, f"seed={seed}") for seed in (0, 0, 1))
    assert torch.equal(one.mean, same.mean) and torch.equal(one.variance, same.variance)
    assert not torch.equal(one.mean, other.mean)


def test_estimators_share_their_noise():
    """On a linear f pathwise is exact; where both see one noise their values are the same too."""
    pair = [
        measured("problem=quadratic", f"estimator={word}", "rows=1000", "chunk=1000")
        for word in ("score_function", "reparameterised")
    ]
    score, path = (found.mean for found in pair)
    problem, _, recipe = assemble(settings_of("problem=quadratic"))
    (noise,) = problem.draw(recipe, 1, Streams(0).torch("action_noise", 0), 1000)
    z = noise.double().flatten()
    f, slope = (1 + z - 0.5).square(), 2 * (1 + z - 0.5)
    assert float(score[0]) == pytest.approx(float((f * z).mean()), rel=1e-5)
    assert float(path[0]) == pytest.approx(float(slope.mean()), rel=1e-5)


def test_the_mixture_weighs_by_inverse_variances_of_a_pilot_of_its_own():
    words = ("problem=cosine", "problem.k=1.5", "rows=200_000")
    mixed = measured(*words, "estimator=mixture")
    assert (mixed.variance < measured(*words, "estimator=score_function").variance).all()
    assert (mixed.variance < measured(*words, "estimator=reparameterised").variance).all()


REFUSED = {
    "baseline=mean estimator=reparameterised": "no effect",
    "baseline=constant": "baseline_value",
    "baseline_value=1": "baseline=constant",
    "baseline=leave_one_out": "at least 2",
    "noise=antithetic": "even number",
    "noise=antithetic action_samples=2 estimator=measure_valued": "even number",
    "noise=antithetic action_samples=2 baseline=leave_one_out": "do not go together",
    "variance=full": "at least 2 action",
    "problem=quadratic_nd estimator=measure_valued": "not independent",
    "problem=lqr estimator=measure_valued": "trajectories only",
    "problem=lqr estimator=wrong_gradient_through_sample": "trajectories only",
    "estimator=wrong_density_of_clipped_value": "has none",
    "problem=bounded_quadratic squash=clip estimator=wrong_entropy_without_squash": "not wrong",
    "squash=clip": "finite action bounds",
    "policy.hidden=[4]": "without a state",
    "problem=policy problem.run=nothing": "problem.run=nothing",
    "problem=policy": "problem.run is missing",
    "problem.k=abc": "problem.k=abc",
    "rows=0": "rows=0",
    "std=-1": "std=-1",
    "estimator.baseline=mean": "baseline=WORD",
    "problem=quadratic_nd problem.coupling=1": "problem.coupling=1",
    "problem=logistic_map problem.steps=40": "problem.steps=40",
    "estimator.through=dynamics estimator=reparameterised": "estimator.through=dynamics",
}


@pytest.mark.parametrize("words", REFUSED)
def test_bad_input_is_refused_in_one_line(words):
    with pytest.raises(SettingsError) as refused:
        assemble(settings_of(*words.split()))
    assert REFUSED[words] in str(refused.value)
    assert "\n" not in str(refused.value)
