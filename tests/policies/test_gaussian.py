"""The Gaussian policy: its pairs of words, stored latents, the textbook score, shared noise."""

import math

import pytest
import torch
from torch.testing import assert_close

from gausspg.estimators.base import Batch
from gausspg.estimators.score_function import ScoreFunction
from gausspg.policies.squash.base import Clipping
from gausspg.streams import Streams
from gausspg.training.build import SettingsError


def _noise(policy, rows=64):
    return policy.draw_noise(torch.Generator().manual_seed(2), rows)


def test_exactly_the_listed_pairs_are_refused(
    make_policy, refused_pairs, variance_word, squash_word
):
    if (variance_word, squash_word) not in refused_pairs:
        make_policy(variance_word, squash_word)
        return
    with pytest.raises(SettingsError) as refusal:
        make_policy(variance_word, squash_word)
    message = str(refusal.value)
    assert message.startswith(f"squash={squash_word} needs latent dimensions that are independent")
    assert f"variance={variance_word} are not" in message
    assert "choose a diagonal variance" in message
    assert "\n" not in message


def test_full_covariance_of_one_dimension_is_refused(make_policy, variance_word, refused_pairs):
    if (variance_word, "clip_mass") not in refused_pairs:
        make_policy(variance_word, dims=1)
        return
    with pytest.raises(SettingsError, match=f"variance={variance_word} needs at least 2 action"):
        make_policy(variance_word, dims=1)


@pytest.mark.parametrize("mean", [0.0, 3.0, 20.0, -20.0])
@torch.no_grad()
def test_ppo_ratio_at_unchanged_parameters_is_one(make_policy, observations, pair, mean):
    policy = make_policy(*pair)
    policy.mean.bias.fill_(mean)
    policy.mean.weight.mul_(50.0)
    noise = _noise(policy)
    chunks = [policy(rows) for rows in observations.split(4)]
    latents = [chunk.sample(eps) for chunk, eps in zip(chunks, noise.split(4), strict=True)]
    stored = torch.cat([chunk.log_prob(u) for chunk, u in zip(chunks, latents, strict=True)])
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    batch = Batch(torch.cat(latents)[order], torch.ones(64), stored[order])
    surrogate = ScoreFunction("reward_to_go", "none", False, "ppo_clip", 0.2)
    assert_close(
        surrogate.at_taken_actions(policy(observations[order]), batch),
        batch.weights,
        rtol=0.0,
        atol=1e-4,
    )


def test_ratio_from_a_recovered_u_is_far_from_one(make_policy, observations):
    policy = make_policy("fixed", "tanh", initial_std=0.1)
    with torch.no_grad():
        policy.mean.bias.fill_(10.0)
    distribution = policy(observations)
    u = distribution.sample(_noise(policy))
    recovered = torch.atanh(distribution.action(u).clamp(-1.0 + 6e-8, 1.0 - 6e-8))
    ratio = torch.exp(distribution.log_prob(recovered) - distribution.log_prob(u))
    assert ratio.max().item() < 0.1


@pytest.mark.parametrize("dims", [2, 4])
def test_linear_policy_has_the_textbook_score(make_policy, observations, variance_word, dims):
    policy = make_policy(variance_word, dims=dims, hidden=())
    policy = policy.double()
    with torch.no_grad():
        for parameter in policy.variance.parameters():
            parameter.add_(torch.linspace(-0.4, 0.4, parameter.numel()).view_as(parameter))
    phi = observations[:1].double()
    distribution = policy(phi)
    u = distribution.sample(_noise(policy, 1).double())
    got = torch.autograd.grad(distribution.log_prob(u).sum(), policy.mean.weight)[0]
    factor = torch.func.jacrev(distribution.normal.transform)(torch.zeros(1, dims).double())
    factor = factor.squeeze().detach()
    precision = torch.linalg.inv(factor @ factor.T)
    residual = (u - phi @ policy.mean.weight.T - policy.mean.bias).detach()
    assert_close(got, (residual @ precision).T @ phi)


def test_sample_carries_no_gradient(make_policy, observations, pair):
    policy = make_policy(*pair)
    distribution = policy(observations)
    u = distribution.sample(_noise(policy))
    assert not u.requires_grad
    assert_close(u, distribution.normal.transform(_noise(policy)).detach())
    assert distribution.log_prob(u).requires_grad


def test_reparameterised_sample_is_the_sample_and_carries_a_gradient(
    make_policy, observations, pair
):
    policy = make_policy(*pair)
    assert policy.differentiable_samples
    distribution = policy(observations)
    noise = _noise(policy)
    u = distribution.reparameterise(noise)
    assert torch.equal(u.detach(), distribution.sample(noise))
    gradients = torch.autograd.grad(u.square().sum(), list(policy.parameters()))
    assert all(gradient.abs().sum() > 0.0 for gradient in gradients)


def test_critics_see_the_action_that_is_sent_between_bounds_of_one(make_policy, observations, pair):
    policy = make_policy(*pair, bound=0.3)
    distribution = policy(observations)
    noise = policy.draw_noise(torch.Generator().manual_seed(2), 5, 64)
    u = distribution.reparameterise(noise)
    assert_close(0.3 * distribution.action_features(u), distribution.action(u))
    assert distribution.action_features(u).requires_grad
    assert u.shape == (5, 64, policy.latent_dim)
    assert distribution.action_features(u).shape == (5, 64, policy.feature_dim)
    assert_close(distribution.log_prob(u), torch.stack([distribution.log_prob(one) for one in u]))


def test_entropy_estimate_is_the_squashs_and_agrees_with_the_entropy(
    make_policy, observations, pair, in_se
):
    policy, state = make_policy(*pair), observations[:1]
    noise = torch.randn(1, 2000, 3, generator=torch.Generator().manual_seed(2))
    single = policy(state.expand(2000, -1)).entropy_estimate(noise)
    several = noise.transpose(0, 1)
    together = policy(state).entropy_estimate(several)
    assert torch.equal(together, policy.squash.entropy_estimate(policy(state).normal, several))
    assert_close(together, single.mean(0, keepdim=True), rtol=1e-4, atol=1e-5)
    exact = policy(state).entropy().detach()
    assert torch.equal(together, exact) or in_se(single, exact) < 4.5


def test_usual_target_entropy_is_minus_the_number_of_dimensions(make_policy):
    for dims in (1, 3):
        assert make_policy("fixed", dims=dims).usual_target_entropy == -dims
        # The density of an action between tighter bounds is higher by as much as they are tighter.
        narrow = make_policy("fixed", dims=dims, bound=0.25).usual_target_entropy
        assert narrow == pytest.approx(-dims + dims * math.log(0.25))


def test_mode_is_the_mean_of_u(make_policy, observations, pair):
    policy = make_policy(*pair)
    distribution = policy(observations)
    assert_close(distribution.mode(), distribution.sample(torch.zeros(64, 3)))


def test_action_and_entropy_are_the_squashs(make_policy, observations, pair):
    policy = make_policy(*pair, bound=0.3)
    distribution = policy(observations)
    u = distribution.sample(_noise(policy))
    action = distribution.action(u)
    assert_close(action, policy.squash.action(u))
    assert_close(distribution.entropy(), policy.squash.entropy(distribution.normal))
    assert policy.squash.bounds_actions == bool(action.abs().max() <= 0.3)


def test_metrics_are_finite_scalars_that_say_what_they_measure(make_policy, observations, pair):
    policy = make_policy(*pair)
    distribution = policy(observations)
    u = distribution.sample(_noise(policy))
    metrics = distribution.metrics(u)
    assert all(value.dim() == 0 and value.isfinite() for value in metrics.values())
    assert metrics["std_min"] <= metrics["std_mean"] <= metrics["std_max"]
    assert metrics["condition_number"] >= 1.0 - 1e-6
    assert_close(metrics["entropy"], distribution.entropy().mean())
    assert_close(metrics["base_entropy"], distribution.normal.base_entropy().mean())
    clipped = (u.abs() > 1.0) & isinstance(policy.squash, Clipping)
    assert_close(metrics["clip_share"], clipped.float().mean())
    assert_close(metrics["saturation"], (distribution.action(u).abs() > 0.99).float().mean())


def test_noise_does_not_depend_on_the_words(make_policy, pair):
    reference = torch.randn(4, 8, 3, generator=Streams(9).torch("action_noise", 2))
    drawn = make_policy(*pair).draw_noise(Streams(9).torch("action_noise", 2), 4, 8)
    assert torch.equal(drawn, reference)


def test_modes_that_coincide_act_alike_on_the_same_noise(make_policy, observations):
    policies = [
        make_policy("fixed", initial_std=0.5),
        make_policy("learned_global", initial_std=0.5),
    ]
    policies.append(make_policy("full_global", initial_std=0.5))
    first, *others = (policy(observations).sample(_noise(policy)) for policy in policies)
    for other in others:
        assert_close(other, first)


def test_no_hidden_layer_makes_the_mean_linear(make_policy, observations):
    policy = make_policy("fixed", hidden=())
    mean = policy(2.0 * observations).mode()
    assert_close(mean, 2.0 * policy(observations).mode())
    assert_close(mean, 2.0 * observations @ policy.mean.weight.T)


def test_entropy_gradient_of_tanh_pulls_the_std_towards_0_874(make_policy, observations):
    for std, sign in ((0.5, 1.0), (1.5, -1.0)):
        policy = make_policy("learned_global", "tanh", initial_std=std)
        gradient = torch.autograd.grad(policy(observations).entropy().mean(), policy.variance.raw)
        assert (gradient[0] * sign > 0.05).all()


def test_base_entropy_of_a_std_is_half_log_two_pi_e_variance(make_policy, observations):
    normal = make_policy("fixed", initial_std=0.25)(observations).normal
    expected = 3 * (math.log(0.25) + 0.5 * math.log(2.0 * math.pi * math.e))
    assert_close(normal.base_entropy(), torch.full((64,), expected))
