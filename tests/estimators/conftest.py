"""Distributions as a policy gives them out, and the estimators that work from fresh actions."""

import pytest

from gausspg.estimators.reparameterised import Reparameterised
from gausspg.estimators.score_function import ScoreFunction
from gausspg.policies.gaussian import SquashedNormal


@pytest.fixture
def distribution(make_squash, make_variance):
    """Return a function that wraps a Gaussian as the distribution a policy gives out."""

    def wrap(normal, squash="none", low=-1.0, high=1.0):
        dims = normal.mean.shape[-1]
        return SquashedNormal(normal, make_squash(squash, low, high, dims), make_variance("fixed"))

    return wrap


@pytest.fixture
def fresh():
    """Return the estimators that are given fresh actions, by name, for K actions in a state."""

    def made(samples=2):
        available = {
            "available": frozenset({"action_values"}),
            "action_samples": samples,
        }
        rest = (None,) * 3
        found = {
            "reparameterised": Reparameterised("action_value", None),
            "plain": ScoreFunction("action_value", "none", *rest, **available),
        }
        if samples > 1:
            found["leave_one_out"] = ScoreFunction("action_value", None, *rest, **available)
        return found

    return made
