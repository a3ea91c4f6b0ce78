"""Estimators from fresh actions: what carries a gradient, what clips, what jumps."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch.testing import assert_close

from one_sample import at_fresh, leaves, own_gradients, randn

SAMPLES = 100_000


class _Asked:
    """A value that remembers what it was asked, and whether a gradient was wanted."""

    def __call__(self, features):
        self.action_features, self.wanted = features, torch.is_grad_enabled()
        return (features - 0.2).square().sum(-1)


@pytest.mark.parametrize("number", [2, 5])
def test_both_ask_about_the_same_actions_and_one_of_them_for_a_gradient(
    make_policy, observations, fresh, pair, number
):
    policy = make_policy(*pair)
    noise = policy.draw_noise(torch.Generator().manual_seed(2), number, 64)
    distribution = policy(observations)
    asked = {}
    for name, estimator in fresh(number).items():
        asked[name] = _Asked()
        surrogate = estimator.at_fresh_actions(distribution, noise, asked[name])
        assert surrogate.shape == (64,)
        assert surrogate.requires_grad
        assert asked[name].wanted == (name == "reparameterised") == estimator.differentiates_samples
        assert asked[name].action_features.requires_grad == asked[name].wanted
    actions = torch.stack([distribution.action(distribution.sample(one)) for one in noise])
    for one in asked.values():
        assert one.action_features.shape == (number, 64, policy.feature_dim)
        assert_close(one.action_features.detach(), actions)


def test_surrogate_of_the_reparameterised_is_the_mean_value(distribution, fresh):
    policy, noise, value = distribution(leaves(0.4, 0.8, 50), "tanh"), randn(3, 50, 1), _Asked()
    surrogate = fresh(3)["reparameterised"].at_fresh_actions(policy, noise, value)
    actions = torch.tanh(0.4 + 0.8 * noise)
    assert_close(surrogate.detach(), (actions - 0.2).square().sum(-1).mean(0))


def test_gradient_of_one_state_is_the_chain_rule_by_hand(distribution, fresh):
    policy, noise = distribution(leaves(0.4, 0.8, 50), "tanh", -2.0, 1.0), randn(3, 50, 1)
    found = at_fresh(fresh(3)["reparameterised"], policy, noise, _Asked())
    squashed = torch.tanh(0.4 + 0.8 * noise)
    # The value is asked about the action as if its bounds were +-1.
    slope = 2.0 * (squashed - 0.2) * (1.0 - squashed.square())
    assert_close(found, torch.cat([slope, 0.8 * slope * noise], -1).mean(0))


def test_sample_that_is_attached_or_detached_in_the_wrong_place_is_told_apart(
    distribution, fresh, in_se
):
    """Detached, the pathwise gradient is 0; attached, the score function's of the mean is 0."""
    policy, noise = distribution(leaves(1.0, 0.5, SAMPLES)), randn(1, SAMPLES, 1)
    truth = torch.tensor([2.0, 2.0 * 0.25])
    for name in ("plain", "reparameterised"):
        found = at_fresh(fresh(1)[name], policy, noise, lambda a: a.square().squeeze(-1))
        assert in_se(found, truth) < 4.5
        for parameter in range(2):
            assert in_se(found[:, parameter], 0.0) > 10.0
    attached = policy.reparameterise(noise)
    inside = policy.log_prob(attached) * attached.detach().square().squeeze(-1)
    wrong = own_gradients(inside.mean(0), policy.normal)
    assert wrong[:, 0].abs().max().item() < 1e-12
    # And with the gradient of the value let through on top, both are counted.
    attached = policy.reparameterise(noise)
    both = policy.log_prob(attached.detach()) * attached.square().squeeze(-1)
    assert in_se(own_gradients(both.mean(0), policy.normal), truth) > 10.0


def test_fixed_std_gets_no_gradient_and_the_mean_that_of_learned_global(
    make_policy, observations, fresh
):
    noise = randn(2, 64, 3).float()
    gradients = {}
    for word in ("fixed", "learned_global"):
        policy = make_policy(word, initial_std=0.7)
        for name, estimator in fresh(2).items():
            policy.zero_grad()
            estimator.at_fresh_actions(policy(observations), noise, _Asked()).mean().backward()
            of_mean = [*policy.trunk.parameters(), *policy.mean.parameters()]
            gradients[word, name] = [parameter.grad.clone() for parameter in of_mean]
            spread = list(policy.variance.parameters())
            assert policy.trains_std == bool(spread) == (word == "learned_global")
            assert all(parameter.grad.abs().min() > 0.0 for parameter in spread)
            assert all(buffer.grad is None for buffer in policy.buffers())
    for name in fresh(2):
        assert_close(gradients["fixed", name], gradients["learned_global", name])


@pytest.mark.parametrize("squash", ["clip", "clip_mass"])
def test_pathwise_gradient_is_zero_exactly_where_the_action_is_clipped(distribution, fresh, squash):
    policy, noise = distribution(leaves(0.6, 0.9, 10_000), squash), randn(1, 10_000, 1)
    found = at_fresh(fresh(1)["reparameterised"], policy, noise, lambda a: a.squeeze(-1))
    inside = (policy.sample(noise[0]).abs() < 1.0).double()
    assert 0.2 < inside.mean() < 0.8
    assert_close(found, torch.cat([inside, 0.9 * inside * noise[0]], -1), rtol=1e-12, atol=0.0)


@pytest.mark.parametrize("squash", ["clip", "clip_mass"])
def test_clipped_pathwise_gradient_is_unbiased_and_one_that_ignores_the_clip_is_not(
    distribution, gaussian_mean, fresh, in_se, squash
):
    mean, std, step = 0.6, 0.9, 1e-4

    def expected(mean, std):
        return gaussian_mean(
            lambda u: np.sin(2.0 * np.clip(u, -1.0, 1.0) + 0.3), mean, std, (-1.0, 1.0)
        )

    grow = np.exp(step)
    truth = torch.tensor([
        (expected(mean + step, std) - expected(mean - step, std)) / (2.0 * step),
        (expected(mean, std * grow) - expected(mean, std / grow)) / (2.0 * step),
    ])  # fmt: skip

    def value(actions):
        return torch.sin(2.0 * actions + 0.3).squeeze(-1)

    policy, noise = distribution(leaves(mean, std, SAMPLES), squash), randn(1, SAMPLES, 1)
    for name in ("plain", "reparameterised"):
        found = at_fresh(fresh(1)[name], policy, noise, value)
        assert in_se(found, truth) < 4.5
        assert in_se(found, 0.0) > 10.0
    u = policy.reparameterise(noise)
    straight_through = u + (policy.action(u) - u).detach()
    assert in_se(own_gradients(value(straight_through).mean(0), policy.normal), truth) > 10.0


@pytest.mark.parametrize(("theta", "std"), [(0.0, 1.0), (0.7, 0.5)])
def test_pathwise_gradient_does_not_see_a_jump(distribution, fresh, in_se, theta, std):
    """Suh et al. 2022, arXiv:2202.00817: f = 1 where theta + w >= 0."""
    truth = stats.norm.pdf(theta / std) / std
    policy, noise = distribution(leaves(theta, std, SAMPLES)), randn(2, SAMPLES, 1)

    def jump(actions):
        # 0 times the action: a step function that torch can differentiate.
        return ((actions >= 0.0) + 0.0 * actions).squeeze(-1)

    for name, estimator in fresh(2).items():
        found = at_fresh(estimator, policy, noise, jump)[:, 0]
        if name == "reparameterised":
            assert torch.equal(found, torch.zeros_like(found))
        else:
            assert in_se(found, truth) < 4.5
            assert in_se(found, 0.0) > 10.0
