"""The variance modes: what they start at, how they are bounded, which of them must coincide."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import LowRankMultivariateNormal
from torch.testing import assert_close

from gausspg.policies.variance.base import StateDependentStd
from gausspg.training.build import SettingsError


def _gradients(policy, observations, noise):
    """Density of samples from `noise`, and its gradient in the parameters of the mean."""
    distribution = policy(observations)
    u = distribution.sample(noise)
    log_prob = distribution.log_prob(u)
    parameters = [*policy.trunk.parameters(), *policy.mean.parameters()]
    return u, log_prob.detach(), torch.autograd.grad(log_prob.sum(), parameters)


def _noise(policy, rows=64):
    return policy.draw_noise(torch.Generator().manual_seed(2), rows)


@pytest.mark.parametrize("std", [0.3, [0.3, 0.7, 1.5]], ids=["scalar", "list"])
def test_std_starts_at_its_setting(make_policy, observations, variance_word, std):
    policy = make_policy(variance_word, initial_std=std)
    measured = policy(observations).normal.std
    expected = torch.tensor(std).expand_as(measured)
    # The head's small weights let the std of a state-dependent mode vary by a few per cent.
    tolerance = 0.1 if isinstance(policy.variance, StateDependentStd) else 1e-6
    assert_close(measured, expected, rtol=tolerance, atol=0.0)


@pytest.mark.parametrize("std_map", ["exp", "softplus"])
@pytest.mark.parametrize("std", [1e-4, 0.5, 5.0, 200.0])
def test_both_maps_start_at_any_size_of_std(make_policy, observations, bounded_word, std_map, std):
    policy = make_policy(
        bounded_word, initial_std=std, min_std=1e-5, max_std=1e3, std_map=std_map, hidden=()
    )
    measured = policy(torch.zeros_like(observations)).normal.std
    assert_close(measured, torch.full_like(measured, std), rtol=1e-4, atol=0.0)


def test_wrong_number_of_stds_is_refused(make_policy, variance_word):
    message = r"variance\.initial_std has 2 entries .* 3 dimensions"
    with pytest.raises(SettingsError, match=message):
        make_policy(variance_word, initial_std=[0.5, 0.5])


@pytest.mark.parametrize("settings", [{"initial_std": 3.0}, {"min_std": 0.6}, {"max_std": 0.005}])
def test_initial_std_outside_its_bounds_is_refused(make_policy, bounded_word, settings):
    with pytest.raises(SettingsError, match="must lie between") as refusal:
        make_policy(bounded_word, **settings)
    ((name, value),) = settings.items()
    assert f"variance.{name}={value}" in str(refusal.value)


def test_separate_trunk_on_a_linear_policy_is_refused(make_policy, trunk_word):
    with pytest.raises(SettingsError, match="has no effect on a linear policy"):
        make_policy(trunk_word, trunk="separate", hidden=())


def test_exp_and_softplus_are_what_they_say(make_variance, bounded_word):
    raw = torch.linspace(-60.0, 60.0, 241, dtype=torch.float64)
    truth = {"exp": raw.numpy(), "softplus": np.log(np.log1p(np.exp(raw.numpy())))}
    # log(log1p(exp(x))) is x to 1e-13 below -30, where numpy itself loses log1p's last digits.
    for std_map, expected in truth.items():
        mode = make_variance(
            bounded_word, std_map=std_map, min_std=1e-30, max_std=1e30, initial_std=1.0
        )
        got = mode.log_std(raw)
        assert_close(got, torch.from_numpy(expected), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("std_map", ["exp", "softplus"])
def test_gradient_of_the_map_is_finite_and_right_in_float32(make_variance, bounded_word, std_map):
    mode = make_variance(
        bounded_word, std_map=std_map, min_std=1e-200, max_std=1e200, initial_std=1.0
    )
    # Below -104 softplus itself is 0 in float32.
    raw = torch.linspace(-200.0, 80.0, 1601, requires_grad=True)
    (gradient,) = torch.autograd.grad(mode.log_std(raw).sum(), raw)
    x = raw.detach().double()
    softplus = torch.log1p(torch.exp(-x.abs())) + x.clamp(min=0.0)
    expected = torch.ones_like(x) if std_map == "exp" else torch.sigmoid(x) / softplus
    assert_close(gradient.double(), expected, rtol=1e-5, atol=0.0)


def test_scale_stays_within_its_bounds(make_variance, bounded_word):
    mode = make_variance(bounded_word, min_std=0.2, max_std=0.9)
    scale = mode.log_std(torch.tensor([-1e6, -5.0, math.log(0.5), 5.0, 1e6])).exp()
    assert_close(scale, torch.tensor([0.2, 0.2, 0.5, 0.9, 0.9]))


@pytest.mark.parametrize(("start", "bound"), [(-8.0, 0.2), (8.0, 0.9)], ids=["below", "above"])
def test_scale_beyond_a_bound_comes_back_and_goes_no_further(
    make_variance, bounded_word, start, bound
):
    mode = make_variance(bounded_word, min_std=0.2, max_std=0.9)

    def descend(target):
        raw = torch.tensor([start], requires_grad=True)
        optimiser = torch.optim.SGD([raw], lr=0.5)
        for _ in range(200):
            optimiser.zero_grad()
            (mode.log_std(raw) - math.log(target)).square().sum().backward()
            optimiser.step()
        return raw.item(), mode.log_std(raw).exp().item()

    assert descend(0.5)[1] == pytest.approx(0.5, rel=1e-3)
    outside = 0.01 if start < 0 else 5.0
    assert descend(outside) == pytest.approx((start, bound))


def test_plain_clamp_would_never_come_back():
    raw = torch.tensor([8.0], requires_grad=True)
    (gradient,) = torch.autograd.grad((raw.clamp(-1.0, 1.0) + 3.0).square().sum(), raw)
    assert gradient.item() == 0.0


@pytest.mark.parametrize("bounds", [(0.01, 2.0), (0.3, 0.7), (0.05, 11.0)])
def test_bound_hit_rate_counts_the_scales_at_either_bound(make_policy, bounded_word, bounds):
    policy = make_policy(bounded_word, min_std=bounds[0], max_std=bounds[1], hidden=())
    observations = torch.zeros(10, 5)
    state_dependent = isinstance(policy.variance, StateDependentStd)
    own = policy.variance.head.bias if state_dependent else policy.variance.raw

    def rate():
        normal = policy(observations).normal
        return policy.variance.bound_hit_rate(normal).item()

    assert rate() == 0.0
    with torch.no_grad():
        own[0] = -30.0
    assert rate() == pytest.approx(1 / 3)
    with torch.no_grad():
        own[2] = 30.0
    assert rate() == pytest.approx(2 / 3)


def test_unbounded_mode_has_no_hit_rate(make_policy, observations):
    policy = make_policy("fixed")
    distribution = policy(observations)
    assert policy.variance.bound_hit_rate(distribution.normal) is None
    assert "std_bound_hit_rate" not in distribution.metrics(distribution.mode())


def test_separate_trunk_has_parameters_of_its_own(make_policy, observations, trunk_word):
    policy = make_policy(trunk_word, trunk="separate")
    std = policy(observations).normal.std
    of_mean = [*policy.trunk.parameters(), *policy.mean.parameters()]
    assert torch.autograd.grad(std.sum(), of_mean, allow_unused=True) == (None,) * len(of_mean)
    own = torch.autograd.grad(
        policy(observations).normal.std.sum(), [*policy.variance.parameters()]
    )
    assert all(gradient.abs().sum() > 0.0 for gradient in own)


def test_shared_trunk_is_moved_by_the_std(make_policy, observations, trunk_word):
    policy = make_policy(trunk_word, trunk="shared")
    assert all("trunk" not in name for name, _ in policy.variance.named_parameters())
    std = policy(observations).normal.std
    moved = torch.autograd.grad(std.sum(), [*policy.trunk.parameters()])
    assert all(gradient.abs().sum() > 0.0 for gradient in moved)


def test_mean_starts_alike_under_every_mode_and_trunk(make_policy, observations, variance_word):
    reference = make_policy("fixed", seed=5)(observations).normal.mean
    assert torch.equal(make_policy(variance_word, seed=5)(observations).normal.mean, reference)
    assert not torch.equal(make_policy(variance_word, seed=6)(observations).mode(), reference)


def test_mean_starts_alike_with_a_separate_trunk(make_policy, observations, trunk_word):
    reference = make_policy("fixed", seed=5)(observations).normal.mean
    separate = make_policy(trunk_word, seed=5, trunk="separate")
    assert torch.equal(separate(observations).normal.mean, reference)


def test_fixed_receives_no_gradient_and_travels_with_the_policy(make_policy, observations):
    policy = make_policy("fixed", initial_std=[0.1, 0.2, 0.3])
    assert list(policy.variance.parameters()) == []
    assert not policy(observations).normal.std.requires_grad
    twin = make_policy("fixed", initial_std=1.0)
    twin.load_state_dict(policy.state_dict())
    assert_close(twin(observations).normal.std[0], torch.tensor([0.1, 0.2, 0.3]))


def test_every_learned_mode_receives_a_gradient(make_policy, observations, bounded_word):
    policy = make_policy(bounded_word)
    distribution = policy(observations)
    u = distribution.sample(_noise(policy))
    gradients = torch.autograd.grad(distribution.log_prob(u).sum(), [*policy.variance.parameters()])
    assert all(gradient.abs().sum() > 0.0 for gradient in gradients)


def test_every_learned_mode_receives_a_gradient_through_the_sample(
    make_policy, observations, bounded_word
):
    policy = make_policy(bounded_word)
    u = policy(observations).reparameterise(_noise(policy))
    gradients = torch.autograd.grad(u.square().sum(), [*policy.variance.parameters()])
    assert all(gradient.abs().sum() > 0.0 for gradient in gradients)


def test_only_a_mode_with_parameters_trains_the_spread(make_policy, observations, variance_word):
    policy = make_policy(variance_word)
    distribution = policy(observations)
    around_the_mean = distribution.reparameterise(_noise(policy)) - distribution.mode()
    gradients = torch.autograd.grad(around_the_mean.square().sum(), list(policy.parameters()))
    moved = any(gradient.abs().max() > 0.0 for gradient in gradients)
    assert policy.trains_std == moved == distribution.normal.std.requires_grad


def test_learned_global_left_alone_equals_fixed(make_policy, observations):
    std = [0.2, 0.5, 1.3]
    fixed, learned = (
        make_policy("fixed", initial_std=std),
        make_policy("learned_global", initial_std=std),
    )
    noise = _noise(fixed)
    assert_close(_gradients(fixed, observations, noise), _gradients(learned, observations, noise))


def test_full_with_zero_off_diagonal_equals_learned(make_policy, observations):
    """To 1.3e-6 relative and 1e-5 absolute, torch's own tolerances for float32."""
    learned, full = make_policy("learned"), make_policy("full")
    rows = len(learned.variance.head.bias)
    with torch.no_grad():
        learned.variance.head.weight.mul_(30.0)  # a std that does vary from state to state
        for parameter, small in zip(
            full.variance.head.parameters(), learned.variance.head.parameters(), strict=True
        ):
            parameter.zero_()
            parameter[:rows] = small
    noise = _noise(full)
    assert learned(observations).normal.std.std(0).min() > 0.03
    assert_close(_gradients(full, observations, noise), _gradients(learned, observations, noise))
    heads = [
        torch.autograd.grad(
            policy(observations).log_prob(noise).sum(), policy.variance.head.weight
        )[0]
        for policy in (full, learned)
    ]
    assert_close(heads[0][:rows], heads[1], rtol=1e-4, atol=1e-4)


def test_full_global_with_zero_off_diagonal_equals_learned_global(make_policy, observations):
    std = [0.2, 0.5, 1.3]
    full = make_policy("full_global", initial_std=std)
    diagonal = make_policy("learned_global", initial_std=std)
    noise = _noise(full)
    assert_close(_gradients(full, observations, noise), _gradients(diagonal, observations, noise))


def test_full_mode_can_correlate_dimensions(make_policy, observations):
    policy = make_policy("full_global", initial_std=0.5)
    with torch.no_grad():
        policy.variance.raw[3:] = torch.tensor([0.5, -1.0, 2.0])
    normal = policy(observations).normal
    noise = _noise(policy, 64)
    unnormalised = torch.tensor([[1.0, 0.5, -1.0], [0.0, 1.0, 2.0], [0.0, 0.0, 1.0]])
    factor = unnormalised / torch.tensor([1.0, 1.25, 6.0]).sqrt()
    assert_close(normal.transform(noise), normal.mean + 0.5 * noise @ factor)


def test_marginal_std_stays_within_its_bounds_whatever_the_numbers(
    make_variance, bounded_word, observations
):
    mode = make_variance(bounded_word, min_std=0.2, max_std=0.9)
    features = torch.randn(64, 64, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        for parameter in mode.parameters():
            torch.nn.init.normal_(parameter, std=30.0, generator=torch.Generator().manual_seed(4))
        normal = mode(torch.zeros(64, 3), observations, features)
        tril = normal.scale_tril.double()
        marginal = (tril @ tril.mT).diagonal(dim1=-2, dim2=-1).sqrt()
    assert marginal.min() >= 0.2 - 1e-6
    assert marginal.max() <= 0.9 + 1e-6


def test_low_rank_is_torchs_low_rank_normal(make_policy, observations):
    policy = make_policy("low_rank", dims=4, rank=2, hidden=()).double()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        torch.nn.init.normal_(policy.variance.head.weight, std=0.2, generator=generator)
    states, noise = observations.double(), _noise(policy).double()
    u = policy(states).sample(noise)
    parameters = [*policy.variance.parameters(), *policy.mean.parameters()]
    ours = policy(states)
    gradients = torch.autograd.grad(ours.log_prob(u).sum(), parameters)
    raw = policy.variance.head(states)
    loadings = raw[:, 4:].unflatten(-1, (4, 2))
    std = raw[:, :4].exp()
    assert 0.01 < std.min() < std.max() < 2.0, "no bound is met, so that the map is exp alone"
    scale = std / (1.0 + loadings.square().sum(-1)).sqrt()
    peer = LowRankMultivariateNormal(
        policy.mean(states), scale.unsqueeze(-1) * loadings, scale.square()
    )
    assert_close(ours.log_prob(u), peer.log_prob(u))
    assert_close(ours.normal.base_entropy(), peer.entropy())
    assert_close(ours.normal.std, peer.stddev)
    assert_close(gradients, torch.autograd.grad(peer.log_prob(u).sum(), parameters))


def test_low_rank_starts_nearly_uncorrelated_and_can_leave(make_policy, observations):
    policy = make_policy("low_rank", initial_std=0.7)
    normal = policy(observations).normal
    correlation = normal.factor @ normal.factor.mT
    assert (correlation - torch.eye(3)).abs().max() < 0.05
    u = normal.transform(_noise(policy)).detach()
    (gradient,) = torch.autograd.grad(normal.log_prob(u).sum(), policy.variance.head.bias)
    assert (gradient[3:].abs() > 1e-3).all()


@pytest.mark.parametrize("rank", [3, 7])
def test_a_rank_that_is_not_low_is_refused(make_policy, rank):
    with pytest.raises(SettingsError, match=f"rank={rank} is no low rank among 3 action dim"):
        make_policy("low_rank", rank=rank)
