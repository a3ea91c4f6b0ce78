"""Both estimators climb the evidence lower bound to its optimum, and a wrong one does not."""

import pytest
import torch

import table_elbo
from gausspg.laboratory.estimators.wrong import WrongGradientThroughSample
from gausspg.laboratory.problems.logistic_regression import LogisticRegression

PROBLEM = LogisticRegression(0.0)


@pytest.fixture(scope="module")
def best():
    return table_elbo.optimum(PROBLEM)


def test_the_optimum_has_no_gradient_and_beats_its_surroundings(best):
    policy = table_elbo.posterior(PROBLEM)
    assert table_elbo.bound(PROBLEM, policy) < best - 10.0


@pytest.mark.parametrize("word", table_elbo.ACTIONS)
def test_it_is_reached_within_a_tenth_of_a_nat(word, best):
    found = table_elbo.climbed(PROBLEM, word, 1500, seed=1)
    assert 0.0 < best - found < 0.1


def test_a_wrong_estimator_stays_away(monkeypatch, best):
    monkeypatch.setattr(table_elbo, "Reparameterised", lambda *_: WrongGradientThroughSample())
    found = table_elbo.climbed(PROBLEM, "reparameterised", 200, seed=1)
    assert not best - found < 1.0


def test_the_bound_is_the_mean_of_what_is_climbed():
    policy = table_elbo.posterior(PROBLEM)
    noise = policy.draw_noise(torch.Generator().manual_seed(0), 64, 64)
    estimator = table_elbo.Reparameterised("action_value", None)
    rows = PROBLEM.surrogate(estimator, policy, (noise,), 0.0, of_one=False).detach()
    error = float(rows.std()) / 8.0
    assert float(rows.mean()) == pytest.approx(table_elbo.bound(PROBLEM, policy), abs=4 * error)
