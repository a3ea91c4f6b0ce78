"""Declared densities: autodiff Jacobians, mass by quadrature, torch.distributions as a peer."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import integrate, special, stats
from torch.distributions import (
    AffineTransform,
    Independent,
    MultivariateNormal,
    TanhTransform,
    TransformedDistribution,
)
from torch.distributions import Normal as Peer
from torch.testing import assert_close

from gausspg.policies.normal import CholeskyNormal, DiagonalNormal, unit_rows

LOW, HIGH = -0.5, 2.0
GAUSSIANS = [(0.3, 0.5), (-1.0, 1.5), (2.5, 0.3), (0.0, 4.0)]


def _normal(mean, std):
    """One-dimensional Gaussian in each of the given means, float64."""
    mean = torch.as_tensor(mean, dtype=torch.float64).reshape(-1, 1)
    return DiagonalNormal(mean, torch.tensor([std], dtype=torch.float64).log())


def _column(values):
    return torch.as_tensor(values, dtype=torch.float64).reshape(-1, 1)


def _scores(squash, mean, std, u):
    """Gradient of the declared log-density at each u in the mean and in the log-std, `[2, n]`."""
    means = torch.full((len(u), 1), mean, dtype=torch.float64, requires_grad=True)
    log_stds = torch.full_like(means, np.log(std)).requires_grad_()
    log_prob = squash.log_prob(DiagonalNormal(means, log_stds), _column(u))
    gradients = torch.autograd.grad(log_prob.sum(), [means, log_stds])
    return torch.cat(gradients, -1).T.numpy()


def _grid():
    linear = torch.linspace(-20.0, 20.0, 40_001)
    tiny = torch.logspace(-15.0, 0.0, 2_001)
    return torch.cat([linear, tiny, -tiny, torch.tensor([1.0 - 6e-8, 1.0, 1.0 + 2e-7])])


def _log_sech_squared(u):
    """log(1 - tanh^2) = -2 log cosh, with cosh = 1 + 2 sinh^2(u / 2): no cancellation near 0."""
    return -2.0 * torch.log1p(2.0 * torch.sinh(u.double() / 2.0).square())


def test_tanh_derivative_in_float32_is_right_to_1e_5(make_squash):
    u = _grid()[:, None]
    u = u[u.abs() > 0.0].reshape(-1, 1)
    got = make_squash("tanh").float().log_derivative(u)
    assert got.dtype == torch.float32
    assert_close(got.double(), _log_sech_squared(u), rtol=1e-5, atol=0.0)


def test_tanh_derivative_contains_the_half_range(make_squash):
    u = _grid()[:, None]
    for low, high in ((-2.0, 2.0), (-0.4, 0.4), (1.0, 4.0)):
        got = make_squash("tanh", low, high).float().log_derivative(u).double()
        truth = _log_sech_squared(u) + np.log((high - low) / 2.0)
        # The sum crosses 0, where a relative error means nothing.
        assert_close(got, truth, rtol=1e-5, atol=5e-7)


def test_tanh_derivative_is_the_autodiff_jacobian_of_the_action(make_squash):
    squash = make_squash("tanh", LOW, HIGH)
    u = _column(np.linspace(-6.0, 6.0, 1001)).requires_grad_()
    (jacobian,) = torch.autograd.grad(squash.action(u).sum(), u)
    assert_close(squash.log_derivative(u), jacobian.log(), rtol=1e-9, atol=1e-9)


def test_tanh_log_prob_is_the_gaussians_less_the_autodiff_jacobian(make_squash):
    squash = make_squash("tanh", LOW, HIGH, dims=3)
    rng = torch.Generator().manual_seed(0)
    mean, log_scale, u = torch.randn(3, 20, 3, generator=rng, dtype=torch.float64)
    factor = unit_rows(torch.tensor([0.5, -1.0, 0.3]).double(), 3)
    normal = CholeskyNormal(mean, log_scale, factor)
    jacobian = torch.func.vmap(torch.func.jacrev(squash.action))(u)
    expected = normal.log_prob(u) - torch.linalg.slogdet(jacobian).logabsdet
    assert_close(squash.log_prob(normal, u), expected)


def test_tanh_derivative_has_a_finite_and_right_gradient_everywhere(make_squash):
    squash = make_squash("tanh").float()
    far = torch.tensor([50.0, 88.0, 89.0, 1e3, 1e10, 1e30])
    u = torch.cat([_grid(), torch.zeros(1), far, -far])[:, None].requires_grad_()
    (gradient,) = torch.autograd.grad(squash.log_derivative(u).sum(), u)
    assert_close(gradient, -2.0 * torch.tanh(u.detach()), rtol=1e-5, atol=0.0)


def test_recovering_u_from_the_action_gives_a_wrong_density(make_squash):
    squash = make_squash("tanh").float()
    normal = DiagonalNormal(torch.tensor([[10.0]]), torch.tensor([-2.0]))
    u = normal.mean
    truth = 2.0 - 0.5 * np.log(2.0 * np.pi) + 2.0 * (10.0 - np.log(2.0))
    assert squash.log_prob(normal, u).item() == pytest.approx(truth, rel=1e-6)
    recovered = torch.atanh(squash.action(u).clamp(max=1.0 - 6e-8))
    assert squash.log_prob(normal, recovered).item() < truth - 50.0
    common = torch.log(1.0 - squash.action(u).square() + 1e-6)
    assert common.item() > squash.log_derivative(u).item() + 4.0


@pytest.mark.parametrize("full", [False, True], ids=["diagonal", "full"])
def test_tanh_is_torchs_transformed_distribution(make_squash, full):
    rng = torch.Generator().manual_seed(0)
    mean, log_scale, u = torch.randn(3, 50, 3, generator=rng, dtype=torch.float64)
    if full:
        normal = CholeskyNormal(
            mean, log_scale, unit_rows(torch.tensor([0.5, -1.0, 0.3]).double(), 3)
        )
        base = MultivariateNormal(mean, scale_tril=normal.scale_tril)
    else:
        normal = DiagonalNormal(mean, log_scale)
        base = Independent(Peer(mean, log_scale.exp()), 1)
    affine = AffineTransform((LOW + HIGH) / 2.0, (HIGH - LOW) / 2.0)
    peer = TransformedDistribution(base, [TanhTransform(), affine])
    squash = make_squash("tanh", LOW, HIGH, dims=3)
    assert_close(squash.log_prob(normal, u), peer.log_prob(squash.action(u)))


@pytest.mark.parametrize(("mean", "std"), GAUSSIANS[:2])
def test_tanh_density_of_the_action_integrates_to_one(make_squash, mean, std):
    squash = make_squash("tanh", LOW, HIGH)

    def density(action):
        u = _column(np.arctanh((action - 0.75) / 1.25))
        return squash.log_prob(_normal(mean, std), u).exp().item()

    assert integrate.quad(density, LOW, HIGH, limit=400)[0] == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(("mean", "std"), GAUSSIANS)
def test_clip_mass_density_and_point_masses_add_up_to_one(make_squash, mean, std):
    squash = make_squash("clip_mass", LOW, HIGH)

    def density(action):
        u = _column((action - 0.75) / 1.25)
        return squash.log_prob(_normal(torch.full_like(u, mean), std), u).exp().numpy()

    inside = sum(
        integrate.fixed_quad(density, low, low + 0.25, n=40)[0]
        for low in np.arange(LOW, HIGH, 0.25)
    )
    at_low, at_high = density(np.array([LOW, HIGH]))
    assert at_low == pytest.approx(stats.norm.cdf(LOW, 0.75 + 1.25 * mean, 1.25 * std), rel=1e-9)
    assert at_high == pytest.approx(stats.norm.sf(HIGH, 0.75 + 1.25 * mean, 1.25 * std), rel=1e-9)
    assert inside + at_low + at_high == pytest.approx(1.0, abs=1e-9)


def test_clip_mass_is_the_gaussian_of_the_action_strictly_between_the_bounds(make_squash):
    squash, u = make_squash("clip_mass", LOW, HIGH), _column([-0.999, 0.0, 0.5, 0.999])
    normal = _normal(torch.full_like(u, 0.4), 0.7)
    peer = stats.norm(0.75 + 1.25 * 0.4, 1.25 * 0.7)
    expected = torch.from_numpy(peer.logpdf(squash.action(u).squeeze(-1).numpy()))
    assert_close(squash.log_prob(normal, u), expected)


def test_clip_mass_depends_on_the_clipped_action_only(make_squash):
    squash = make_squash("clip_mass", LOW, HIGH)
    u = _column([-30.0, -1.3, -1.0, 1.0, 1.1, 30.0])
    log_prob = squash.log_prob(_normal(torch.zeros_like(u), 0.7), u)
    clipped = squash.log_prob(_normal(torch.zeros_like(u), 0.7), squash.scaled(u))
    assert_close(log_prob, clipped)


def test_clip_mass_adds_up_over_dimensions(make_squash):
    u = torch.tensor([[-3.0, 0.1, 3.0], [0.0, 0.2, 0.3]]).double()
    mean, log_std = (
        torch.tensor([[0.1, 0.2, 0.3]]).double(),
        torch.tensor([-1.0, 0.0, 0.5]).double(),
    )
    together = make_squash("clip_mass", dims=3).log_prob(
        DiagonalNormal(mean.expand(2, 3), log_std), u
    )
    each = [
        make_squash("clip_mass").log_prob(
            DiagonalNormal(mean[:, [i]].expand(2, 1), log_std[[i]]), u[:, [i]]
        )
        for i in range(3)
    ]
    assert_close(together, torch.stack(each).sum(0))


def test_clip_mass_is_right_and_differentiable_far_in_the_tails(make_squash):
    squash = make_squash("clip_mass").float()
    mean = torch.tensor([[20.0], [-20.0], [20.0], [-20.0]], requires_grad=True)
    log_std = torch.tensor([-2.0], requires_grad=True)
    u = torch.tensor([[-1.5], [1.5], [20.1], [0.0]])
    log_prob = squash.log_prob(DiagonalNormal(mean, log_std), u)
    std = np.exp(-2.0)
    truth = [special.log_ndtr(-21.0 / std)] * 2 + [0.0, stats.norm.logpdf(0.0, -20.0, std)]
    assert_close(log_prob.double(), torch.tensor(truth), rtol=1e-5, atol=1e-6)
    for gradient in torch.autograd.grad(log_prob.sum(), [mean, log_std]):
        assert gradient.isfinite().all()


def test_clip_mass_refuses_a_full_covariance_when_called_directly(make_squash):
    normal = CholeskyNormal(torch.zeros(1, 2), torch.zeros(2), torch.eye(2))
    with pytest.raises(TypeError, match="independent"):
        make_squash("clip_mass", dims=2).log_prob(normal, torch.zeros(1, 2))


@pytest.mark.parametrize(("mean", "std"), GAUSSIANS)
def test_clip_mass_score_is_the_conditional_mean_of_the_gaussian_score(make_squash, mean, std):
    squash = make_squash("clip_mass", LOW, HIGH)
    plain = make_squash("clip", LOW, HIGH)
    at_low, at_high = _scores(squash, mean, std, np.array([-1.0, 1.0])).T
    tails = ((mean - 10.0 * std, -1.0, at_low), (1.0, mean + 10.0 * std, at_high))
    for low, high, got in tails:
        if high <= low:  # ten standard deviations do not reach this tail
            continue
        edges = np.linspace(low, high, 30)
        weighted = sum(
            integrate.fixed_quad(
                lambda u: stats.norm.pdf(u, mean, std) * _scores(plain, mean, std, u), a, b, n=20
            )[0]
            for a, b in pairwise(edges)
        )
        mass = stats.norm.cdf(high, mean, std) - stats.norm.cdf(low, mean, std)
        np.testing.assert_allclose(got, weighted / mass, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(("mean", "std"), GAUSSIANS)
def test_every_declared_density_has_a_score_of_mean_zero(
    make_squash, gaussian_mean, squash_word, mean, std
):
    squash = make_squash(squash_word, LOW, HIGH)
    mean_score = gaussian_mean(lambda u: _scores(squash, mean, std, u), mean, std, (-1.0, 1.0))
    np.testing.assert_allclose(mean_score, 0.0, atol=1e-9)


def test_gaussian_score_at_the_clipped_action_has_another_mean(make_squash, gaussian_mean):
    plain = make_squash("clip", LOW, HIGH)
    biased = gaussian_mean(
        lambda u: _scores(plain, 0.5, 1.0, u.clip(-1.0, 1.0)), 0.5, 1.0, (-1.0, 1.0)
    )
    assert abs(biased[0]) > 0.1


def test_clip_declares_the_density_of_none(make_squash):
    u = _column(np.linspace(-3.0, 3.0, 7))
    normal = _normal(torch.full_like(u, 0.2), 0.8)
    clip, none = make_squash("clip"), make_squash("none")
    assert torch.equal(clip.log_prob(normal, u), none.log_prob(normal, u))
    assert_close(clip.action(u), u.clamp(-1.0, 1.0))
    assert torch.equal(none.action(u), u)


def test_tanh_action_spans_its_bounds(make_squash):
    action = make_squash("tanh", LOW, HIGH).action(_column([-50.0, 0.0, 0.5, 50.0]))
    assert_close(action, _column([LOW, 0.75, 0.75 + 1.25 * np.tanh(0.5), HIGH]))


def test_clip_share_and_saturation_count_entries(make_squash):
    u = torch.tensor([[-3.0, 0.0], [0.995, 1.5]]).double()
    for word, share, saturated in (
        ("none", 0.0, 0.75),
        ("clip", 0.5, 0.75),
        ("clip_mass", 0.5, 0.75),
        ("tanh", 0.0, 0.25),
    ):
        squash = make_squash(word, dims=2)
        assert squash.clip_share(u).item() == share
        assert squash.saturation(u).item() == saturated
    unbounded = make_squash("none", -np.inf, np.inf, dims=2)
    assert unbounded.saturation(1e6 * u).item() == 0.0
