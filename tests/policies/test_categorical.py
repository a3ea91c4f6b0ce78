"""The softmax policy against torch.distributions and exact sums over actions."""

import math

import pytest
import torch
from torch.distributions import Categorical as Peer
from torch.testing import assert_close

from gausspg.estimators.base import Batch
from gausspg.estimators.score_function import ScoreFunction
from gausspg.policies.actions import BoxActions, DiscreteActions, to_plain
from gausspg.policies.categorical import Categorical
from gausspg.streams import Streams
from gausspg.training.build import SettingsError
from gausspg.training.factory import build_policy

LOGITS = torch.tensor([0.3, -1.0, 2.0, 0.0], dtype=torch.float64)


@pytest.fixture
def spec(load):
    return {
        "policy": load("policy", "categorical"),
        "variance": None,
        "squash": None,
        "env_id": "Test-v0",
        "observation_dim": 5,
        "normalise_observation": False,
        "actions": to_plain(DiscreteActions(4)),
    }


@pytest.fixture
def policy(spec):
    return build_policy(spec, Streams(0))


def _gumbel(policy, *batch):
    return policy.draw_noise(torch.Generator().manual_seed(1), *batch).double()


def test_log_prob_and_entropy_are_torchs(observations):
    logits = 3.0 * observations
    distribution, peer = Categorical(logits), Peer(logits=logits)
    u = torch.arange(64).remainder(5)
    assert_close(distribution.log_prob(u.float().unsqueeze(-1)), peer.log_prob(u))
    assert_close(distribution.entropy(), peer.entropy())
    assert_close(distribution.mode().squeeze(-1).long(), peer.mode)


def test_action_is_the_integer_that_u_holds():
    action = Categorical(torch.zeros(3, 4)).action(torch.tensor([[0.0], [3.0], [1.0]]))
    assert action.tolist() == [0, 3, 1]
    assert action.dtype == torch.int64


def test_noise_is_standard_gumbel(policy, in_se):
    noise = _gumbel(policy, 200_000).flatten()
    assert in_se(noise, 0.5772156649) < 4.5
    assert in_se((noise - 0.5772156649).square(), math.pi**2 / 6.0) < 4.5
    assert in_se(noise, 0.0) > 10.0


def test_samples_have_the_probabilities_of_the_softmax(policy, in_se):
    distribution = Categorical(LOGITS.expand(200_000, 4))
    u = distribution.sample(_gumbel(policy, 200_000))
    shares = (u == torch.arange(4)).double()
    assert in_se(shares, LOGITS.softmax(-1)) < 4.5
    assert in_se(shares, 0.25) > 10.0


def test_score_function_gradient_is_the_exact_one_of_the_sum_over_actions(policy, in_se):
    rewards = torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64)
    logits = LOGITS.clone().requires_grad_()
    (exact,) = torch.autograd.grad(logits.softmax(-1) @ rewards, logits)
    leaves = LOGITS.repeat(200_000, 1).requires_grad_()
    distribution = Categorical(leaves)
    u = distribution.sample(_gumbel(policy, 200_000))
    batch = Batch(u, rewards[distribution.action(u)], distribution.log_prob(u).detach())
    for surrogate in ("plain", "ppo_clip"):
        estimator = ScoreFunction("reward_to_go", "none", False, surrogate, None)
        total = estimator.at_taken_actions(distribution, batch).sum()
        (samples,) = torch.autograd.grad(total, leaves, retain_graph=True)
        assert in_se(samples, exact) < 4.5
        assert in_se(samples, -exact) > 10.0


@pytest.mark.parametrize("baseline", ["none", "leave_one_out"])
def test_gradient_from_fresh_actions_is_the_exact_one(policy, in_se, baseline):
    rewards = torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64)
    logits = LOGITS.clone().requires_grad_()
    (exact,) = torch.autograd.grad(logits.softmax(-1) @ rewards, logits)
    leaves = LOGITS.repeat(60_000, 1).requires_grad_()
    settings = ("action_value", baseline, None, None, None)
    estimator = ScoreFunction(*settings, available=frozenset({"action_values"}), action_samples=3)
    surrogate = estimator.at_fresh_actions(
        Categorical(leaves), _gumbel(policy, 3, 60_000), lambda features: features @ rewards
    )
    (samples,) = torch.autograd.grad(surrogate.sum(), leaves)
    assert in_se(samples, exact) < 4.5
    assert in_se(samples, 2.0 / 3.0 * exact) > 10.0


def test_critics_see_one_number_per_action(policy, observations):
    distribution = policy(observations)
    u = distribution.sample(policy.draw_noise(torch.Generator().manual_seed(1), 5, 64))
    features = distribution.action_features(u)
    assert (policy.latent_dim, policy.feature_dim) == (1, 4)
    assert u.shape == (5, 64, 1)
    assert features.shape == (5, 64, 4)
    assert features.dtype == torch.float32
    assert torch.equal(features.argmax(-1), distribution.action(u))
    assert torch.equal(
        features.sort(-1).values, torch.tensor([0.0, 0.0, 0.0, 1.0]).expand(5, 64, 4)
    )


def test_log_prob_of_several_actions_in_each_state(policy, observations):
    distribution = Categorical(3.0 * observations)
    u = distribution.sample(torch.randn(6, 64, 5, generator=torch.Generator().manual_seed(1)))
    together = distribution.log_prob(u)
    assert_close(together, torch.stack([distribution.log_prob(one) for one in u]))
    assert_close(together, Peer(logits=3.0 * observations).log_prob(u.squeeze(-1)))


def test_samples_cannot_be_differentiated_and_the_entropy_is_cheap(policy, observations):
    distribution = policy(observations)
    assert not policy.differentiable_samples
    with pytest.raises(NotImplementedError, match="samples of Categorical have no gradient"):
        distribution.reparameterise(_gumbel(policy, 64))
    assert torch.equal(
        distribution.entropy_estimate(_gumbel(policy, 2, 64)), distribution.entropy()
    )
    # Half of the entropy of four equal actions.
    assert policy.usual_target_entropy == pytest.approx(math.log(2.0))


def test_policy_starts_near_uniform(policy, observations):
    for index in range(4):
        probability = policy(observations).log_prob(torch.full((64, 1), index)).exp()
        assert_close(probability, torch.full((64,), 0.25), atol=0.03, rtol=0.0)


def test_metrics_describe_the_distribution(policy, observations):
    distribution = policy(observations)
    metrics = distribution.metrics(distribution.mode())
    assert_close(metrics["entropy"], distribution.entropy().mean())
    assert 0.25 <= metrics["largest_probability"].item() < 0.3


def test_noise_comes_from_the_given_generator_alone(policy):
    torch.manual_seed(0)
    first = _gumbel(policy, 8)
    torch.manual_seed(1)
    assert torch.equal(first, _gumbel(policy, 8))


def test_wrong_kind_of_actions_is_refused(spec, load):
    box = to_plain(BoxActions((-1.0,) * 2, (1.0,) * 2))
    with pytest.raises(SettingsError, match="policy=categorical does not serve the Box actions"):
        build_policy(spec | {"actions": box}, Streams(0))
    gaussian = {"policy": load("policy", "gaussian"), "variance": load("variance", "fixed")}
    with pytest.raises(SettingsError, match="policy=gaussian does not serve the 4 Discrete"):
        build_policy(spec | gaussian | {"squash": load("squash", "none")}, Streams(0))


def test_variance_and_squash_have_no_meaning_for_discrete_actions(
    spec, load, variance_word, squash_word
):
    with pytest.raises(SettingsError, match="variance has no meaning for policy=categorical"):
        build_policy(spec | {"variance": load("variance", variance_word)}, Streams(0))
    with pytest.raises(SettingsError, match="squash has no meaning for policy=categorical"):
        build_policy(spec | {"squash": load("squash", squash_word)}, Streams(0))


@pytest.mark.parametrize("axis", ["variance", "squash"])
def test_gaussian_policy_without_variance_or_squash_is_refused(spec, load, axis):
    complete = {
        "policy": load("policy", "gaussian"),
        "variance": load("variance", "fixed"),
        "squash": load("squash", "none"),
        "actions": to_plain(BoxActions((-1.0,) * 2, (1.0,) * 2)),
    }
    with pytest.raises(SettingsError, match=f"policy=gaussian needs a {axis} .* add {axis}=WORD"):
        build_policy(spec | complete | {axis: None}, Streams(0))
