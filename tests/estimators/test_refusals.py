"""Which settings of an estimator go together, what null stands for, and what is refused."""

import itertools

import pytest
import torch

from gausspg.estimators.base import Batch, Trajectories
from gausspg.training.build import SettingsError, build
from one_sample import SCORE_FUNCTION, leaves, randn

TRAJECTORIES = frozenset({"trajectories"})
ACTION_VALUES = frozenset({"action_values"})
DYNAMICS = frozenset({"dynamics"})
EVERYTHING = TRAJECTORIES | ACTION_VALUES | DYNAMICS


@pytest.fixture
def made(load):
    """Return a function that builds an estimator as a learner does."""

    def make(word, available=EVERYTHING, samples=2, **settings):
        runtime = {"available": available, "action_samples": samples}
        return build(load("estimator", word) | settings, "estimator", **runtime)

    return make


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"weight": "gae"},
            "estimator.baseline=none does not go with estimator.weight=gae, which contains the "
            "value function: set estimator.baseline=value or another weight",
        ),
        (
            {"clip_ratio": 0.1},
            "estimator.clip_ratio=0.1 has no effect with estimator.surrogate=plain: leave it null "
            "or set estimator.surrogate=ppo_clip",
        ),
        (
            {"standardise": True, "baseline": "mean"},
            "estimator.baseline=mean has no effect with estimator.standardise=true, which "
            "subtracts the mean as well: set one of them off",
        ),
        ({"clip_ratio": -0.1}, "estimator.clip_ratio=-0.1: should be greater than 0"),
        (
            {"weight": "best"},
            "estimator.weight=best: should be 'total_return', 'reward_to_go', 'gae' or "
            "'action_value'",
        ),
        (
            {"baseline": "leave_one_out"},
            "estimator.baseline=leave_one_out does not go with estimator.weight=reward_to_go, "
            "which has one action in each state: set estimator.weight=action_value",
        ),
    ],
)
def test_settings_without_effect_or_meaning_are_refused(made, settings, message):
    with pytest.raises(SettingsError) as refusal:
        made("score_function", TRAJECTORIES, **SCORE_FUNCTION | settings)
    assert str(refusal.value) == message


@pytest.mark.parametrize(
    ("settings", "available", "samples", "message"),
    [
        (
            {},
            TRAJECTORIES,
            2,
            "estimator.weight=action_value needs action values and this learner has none: leave "
            "estimator.weight null, or choose another learner or learner.critic",
        ),
        (
            {"weight": "gae"},
            ACTION_VALUES,
            2,
            "estimator.weight=gae needs trajectories and this learner has none: leave "
            "estimator.weight null, or choose another learner or learner.critic",
        ),
        (
            {"baseline": "value"},
            EVERYTHING,
            2,
            "estimator.baseline=value does not go with estimator.weight=action_value: "
            "set estimator.baseline=leave_one_out or none",
        ),
        (
            {"baseline": None},
            EVERYTHING,
            1,
            "learner.action_samples=1 leaves no other action for "
            "estimator.baseline=leave_one_out: set at least 2, or estimator.baseline=none",
        ),
        (
            {"surrogate": "ppo_clip"},
            EVERYTHING,
            2,
            "estimator.standardise=true and estimator.surrogate=ppo_clip have no effect with "
            "estimator.weight=action_value, whose actions are fresh: leave both null",
        ),
        (
            {"standardise": True},
            EVERYTHING,
            2,
            "estimator.standardise=true and estimator.surrogate=ppo_clip have no effect with "
            "estimator.weight=action_value, whose actions are fresh: leave both null",
        ),
        (
            {"clip_ratio": 0.2},
            EVERYTHING,
            2,
            "estimator.clip_ratio=0.2 has no effect with estimator.surrogate=plain: leave it null "
            "or set estimator.surrogate=ppo_clip",
        ),
    ],
)
def test_score_function_with_q_refuses_what_does_not_fit(
    made, settings, available, samples, message
):
    with pytest.raises(SettingsError) as refusal:
        made("score_function", available, samples, **{"weight": "action_value"} | settings)
    assert str(refusal.value) == message


@pytest.mark.parametrize(
    ("settings", "available", "start"),
    [
        ({"horizon": 5}, EVERYTHING, "estimator.horizon=5 has no effect with estimator.through="),
        ({"horizon": 0}, EVERYTHING, "estimator.horizon=0: should be greater than or equal to 1"),
        ({}, DYNAMICS, "estimator.through=action_value needs a critic of states and actions"),
        ({}, TRAJECTORIES, "estimator.through=action_value needs a critic of states and actions"),
        (
            {"through": "dynamics"},
            TRAJECTORIES | ACTION_VALUES,
            "estimator.through=dynamics needs an environment that can be differentiated",
        ),
        ({"through": "time"}, EVERYTHING, "estimator.through=time: should be 'action_value' or"),
    ],
)
def test_reparameterised_refuses_what_does_not_fit(made, settings, available, start):
    with pytest.raises(SettingsError) as refusal:
        made("reparameterised", available, **settings)
    assert str(refusal.value).startswith(start)
    assert "\n" not in str(refusal.value)


def test_every_other_combination_is_accepted(made):
    accepted = []
    weights = ("total_return", "reward_to_go", "gae", "action_value")
    baselines = ("none", "mean", "value", "leave_one_out")
    for weight, baseline, standardise, surrogate in itertools.product(
        weights, baselines, (False, True), ("plain", "ppo_clip")
    ):
        settings = SCORE_FUNCTION | {"weight": weight, "baseline": baseline}
        try:
            made(
                "score_function", **settings | {"standardise": standardise, "surrogate": surrogate}
            )
            accepted.append(weight)
        except SettingsError:
            continue
    counts = [accepted.count(weight) for weight in weights]
    # Three baselines by four, without the mean of what is standardised; one; two.
    assert counts == [10, 10, 4, 2]


def test_null_stands_for_ppo_where_there_are_trajectories(made, distribution):
    ppo = {"weight": "gae", "baseline": "value", "standardise": True}
    ppo |= {"surrogate": "ppo_clip", "clip_ratio": 0.2}
    default, named = (made("score_function", **settings) for settings in ({}, ppo))
    steps = [randn(6, 2, seed=seed) for seed in range(3)]
    ends = torch.zeros(6, 2, dtype=torch.bool)
    trajectories = Trajectories(*steps, ends, ~ends, 0.9, 0.95)
    for one, other in zip(*(e.weights(trajectories) for e in (default, named)), strict=True):
        assert torch.equal(one, other)
    policy, u, old = distribution(leaves(0.3, 0.7, 50)), randn(50, 1), randn(50, seed=3)
    batch = Batch(u, randn(50, seed=4), old)
    surrogates = [estimator.at_taken_actions(policy, batch) for estimator in (default, named)]
    assert torch.equal(*surrogates)
    assert default.learning_signal == "trajectories"
    assert default.uses_value
    assert not default.whole_episodes
    assert not default.differentiates_samples


def test_null_stands_for_leave_one_out_where_there_is_only_q(made, distribution):
    q = {"weight": "action_value", "baseline": "leave_one_out", "standardise": False}
    q |= {"surrogate": "plain"}
    default = made("score_function", ACTION_VALUES)
    named, other = (made("score_function", **q | one) for one in ({}, {"baseline": "none"}))
    policy = distribution(leaves(0.3, 0.7, 5))
    found = [
        estimator.at_fresh_actions(policy, randn(2, 5, 1), lambda a: a.exp().squeeze(-1))
        for estimator in (default, named, other)
    ]
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    assert default.learning_signal == "action_values"
    assert not default.uses_value
    assert not default.whole_episodes


@pytest.mark.parametrize("horizon", [None, 3])
def test_reparameterised_through_dynamics_needs_a_value_or_whole_episodes(made, horizon):
    estimator = made("reparameterised", through="dynamics", horizon=horizon)
    assert estimator.learning_signal == "dynamics"
    assert estimator.differentiates_samples
    assert estimator.horizon == horizon
    assert estimator.uses_value == (horizon is not None)
    assert estimator.whole_episodes == (horizon is None)


def test_what_an_estimator_does_not_take_it_does_not_pretend_to_take(made):
    zeros, ends = torch.zeros(1, 4), torch.ones(1, 4, dtype=torch.bool)
    score_function, pathwise = made("score_function"), made("reparameterised")
    assert pathwise.learning_signal == "action_values"
    for call in (
        lambda: score_function.along_trajectories(zeros, zeros, ends, 0.9),
        lambda: pathwise.weights(Trajectories(zeros, zeros, zeros, ends, ends, 0.9, 0.95)),
        lambda: pathwise.at_taken_actions(None, None),
    ):
        with pytest.raises(NotImplementedError, match=r"^(ScoreFunction|Reparameterised) takes "):
            call()
