"""The Beta policy against torch.distributions, scipy's quantiles and finite differences of them."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch.distributions import Beta as Peer
from torch.testing import assert_close

from gausspg.policies.actions import BoxActions, to_plain
from gausspg.policies.beta import Beta
from gausspg.policies.box import ActionBox
from gausspg.streams import Streams
from gausspg.training.build import SettingsError
from gausspg.training.factory import build_policy

LOW, HIGH = -0.5, 2.0
SHAPES = [(1.0001, 1.0001), (1.2, 8.0), (2.0, 1.5), (30.0, 4.0), (300.0, 3000.0), (5000.0, 1.3)]


@pytest.fixture
def make_beta(load):
    """Return a function that builds a Beta policy for a Box, as a run does."""

    def make(low=-1.0, high=1.0, dims=3, **settings):
        spec = {
            "policy": load("policy", "beta") | settings,
            "variance": None,
            "squash": None,
            "env_id": "Test-v0",
            "observation_dim": 5,
            "normalise_observation": False,
            "actions": to_plain(BoxActions((low,) * dims, (high,) * dims)),
        }
        return build_policy(spec, Streams(0))

    return make


def _distribution(a, b, rows=1, low=LOW, high=HIGH):
    box = ActionBox(torch.tensor([low]).double(), torch.tensor([high]).double()).double()
    shape = (torch.full((rows, 1), value, dtype=torch.float64) for value in (a, b))
    return Beta(*(value.requires_grad_() for value in shape), box)


def _quantile(a, b, z):
    """u at Phi(z), by scipy, from whichever tail keeps its digits."""
    low = stats.beta.ppf(stats.norm.cdf(z), a, b)
    high = stats.beta.ppf(stats.norm.sf(z), b, a)
    return np.where(z <= 0, np.log(low) - np.log1p(-low), np.log1p(-high) - np.log(high))


@pytest.mark.parametrize(("a", "b"), SHAPES)
def test_samples_are_the_quantiles_of_the_noise(a, b):
    noise = torch.linspace(-5.0, 5.0, 101, dtype=torch.float64).unsqueeze(-1)
    u = _distribution(a, b, 101).sample(noise).squeeze(-1).numpy()
    width = math.sqrt(1.0 / a + 1.0 / b)
    truth = _quantile(a, b, noise.squeeze(-1).numpy())
    np.testing.assert_allclose(u / width, truth / width, atol=2e-7 * max(1.0, 1.0 / width))


@pytest.mark.parametrize(("a", "b"), SHAPES[:4])
def test_density_entropy_and_mean_are_torchs(a, b):
    distribution = _distribution(a, b, 50)
    noise = torch.randn(50, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    u = distribution.sample(noise)
    peer, x = Peer(torch.tensor(a).double(), torch.tensor(b).double()), torch.sigmoid(u).squeeze(-1)
    range_ = HIGH - LOW
    assert_close(distribution.log_prob(u), peer.log_prob(x) - math.log(range_), rtol=0.0, atol=1e-6)
    assert_close(distribution.entropy(), (peer.entropy() + math.log(range_)).expand(50))
    assert_close(distribution.action(u).squeeze(-1), LOW + range_ * x)
    mean = distribution.action(distribution.mode())
    assert_close(mean, torch.full_like(mean, LOW + range_ * peer.mean.item()))
    metrics = distribution.metrics(u)
    assert metrics["std_mean"].item() == pytest.approx(2.0 * peer.stddev.item())


def test_density_of_the_action_integrates_to_one():
    def density(action):
        x = torch.tensor([[(action - LOW) / (HIGH - LOW)]], dtype=torch.float64)
        return _distribution(2.0, 1.3).log_prob(torch.logit(x)).exp().item()

    assert integrate.quad(density, LOW, HIGH)[0] == pytest.approx(1.0, abs=1e-7)


@pytest.mark.parametrize(("a", "b"), SHAPES[1:5])
def test_gradient_through_the_sample_is_that_of_the_quantile(a, b):
    noise = torch.tensor([-3.0, -0.7, 0.0, 0.4, 2.5], dtype=torch.float64).unsqueeze(-1)
    distribution = _distribution(a, b, 5)
    u = distribution.reparameterise(noise)
    assert torch.equal(u.detach(), distribution.sample(noise))
    found = torch.autograd.grad(u.sum(), [distribution.a, distribution.b])
    z, step = noise.squeeze(-1).numpy(), 1e-4
    of_a = (_quantile(a * (1 + step), b, z) - _quantile(a * (1 - step), b, z)) / (2 * step * a)
    of_b = (_quantile(a, b * (1 + step), z) - _quantile(a, b * (1 - step), z)) / (2 * step * b)
    np.testing.assert_allclose(found[0].squeeze(-1).numpy(), of_a, rtol=2e-4, atol=1e-9)
    np.testing.assert_allclose(found[1].squeeze(-1).numpy(), of_b, rtol=2e-4, atol=1e-9)


def test_gradient_through_the_sample_has_the_mean_of_the_score_function(in_se):
    """dE[x^2]/da from both, against the closed form a (a + 1) / ((a + b) (a + b + 1))."""
    a, b, rows = 2.0, 3.0, 40_000
    a_, b_ = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (a, b))
    exact = a_ * (a_ + 1.0) / ((a_ + b_) * (a_ + b_ + 1.0))
    truth = torch.stack(torch.autograd.grad(exact, [a_, b_]))
    noise = torch.randn(rows, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    distribution = _distribution(a, b, rows, 0.0, 1.0)
    leaves = [distribution.a, distribution.b]
    pathwise = torch.sigmoid(distribution.reparameterise(noise)).square().sum()
    u = distribution.sample(noise)
    score = (distribution.log_prob(u) * torch.sigmoid(u).square().squeeze(-1)).sum()
    for surrogate in (pathwise, score):
        samples = torch.cat(torch.autograd.grad(surrogate, leaves), -1)
        assert in_se(samples, truth) < 4.5
        assert in_se(samples, 0.0) > 10.0


def test_float32_is_finite_far_in_the_tails():
    box = ActionBox(torch.tensor([-1.0]).double(), torch.tensor([1.0]).double())
    a = torch.tensor([[1.0], [1e4], [2.0]], requires_grad=True)
    b = torch.tensor([[1e4], [1.0], [1e6]], requires_grad=True)
    noise = torch.tensor([[6.0], [-6.0], [-6.0]])
    distribution = Beta(a, b, box)
    u = distribution.reparameterise(noise)
    assert box.low <= distribution.action(u).min() <= distribution.action(u).max() <= box.high
    total = u.sum() + distribution.log_prob(u.detach()).sum() + distribution.entropy().sum()
    for gradient in torch.autograd.grad(total, [a, b]):
        assert gradient.isfinite().all()


def test_it_starts_with_the_std_that_is_asked_for_and_shares_the_gaussians_noise(
    make_beta, make_policy
):
    policy = make_beta(5.0, 10.0, initial_action_std=0.3)
    states = torch.zeros(20_000, 5)
    noise = policy.draw_noise(torch.Generator().manual_seed(0), 20_000)
    assert torch.equal(
        noise, make_policy("fixed").draw_noise(torch.Generator().manual_seed(0), 20_000)
    )
    distribution = policy(states)
    action = distribution.action(distribution.sample(noise))
    assert_close(action.std(0) / 2.5, torch.full((3,), 0.3), rtol=0.02, atol=0.0)
    assert_close(action.mean(0), torch.full((3,), 7.5), rtol=0.0, atol=0.03)
    # The same quantile as the Gaussian's: what is drawn high for one is drawn high for the other.
    assert np.corrcoef(noise[:, 0], action[:, 0].detach())[0, 1] > 0.98


@pytest.mark.parametrize("std", [0.58, 2.0])
def test_a_std_that_no_beta_with_one_peak_has_is_refused(make_beta, std):
    with pytest.raises(SettingsError, match=rf"initial_action_std={std} cannot be reached"):
        make_beta(initial_action_std=std)


def test_an_action_without_bounds_is_refused(make_beta):
    with pytest.raises(SettingsError, match="policy=beta needs finite action bounds"):
        make_beta(-math.inf, math.inf)
