"""Both Gaussians against torch.distributions, quadrature and the closed-form scores."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate
from torch.distributions import Independent, MultivariateNormal
from torch.distributions import Normal as Peer
from torch.testing import assert_close

from gausspg.policies.normal import CholeskyNormal, DiagonalNormal, unit_rows
from one_sample import with_factor

N, DIMS = 6, 4


@pytest.fixture(params=["per state", "global"])
def parameters(request):
    """Mean, log-std and the Cholesky factor of a correlation matrix, per state or for all."""
    rng = torch.Generator().manual_seed(3)
    batch = (N,) if request.param == "per state" else ()
    mean = torch.randn(N, DIMS, generator=rng, dtype=torch.float64)
    log_std = 0.7 * torch.randn(*batch, DIMS, generator=rng, dtype=torch.float64)
    below = torch.randn(*batch, DIMS * (DIMS - 1) // 2, generator=rng, dtype=torch.float64)
    return mean, log_std, unit_rows(below, DIMS)


@pytest.fixture
def noise():
    rng = torch.Generator().manual_seed(4)
    return torch.randn(N, DIMS, generator=rng, dtype=torch.float64)


def test_diagonal_is_torchs_independent_normal(parameters, noise):
    mean, log_std, _ = parameters
    normal = DiagonalNormal(mean, log_std)
    peer = Independent(Peer(mean, log_std.exp().expand_as(mean)), 1)
    u = 3.0 * noise
    assert_close(normal.log_prob(u), peer.log_prob(u))
    assert_close(normal.log_prob_per_dimension(u), peer.base_dist.log_prob(u))
    assert_close(normal.base_entropy(), peer.entropy())
    assert_close(normal.std, peer.stddev)


def test_cholesky_is_torchs_multivariate_normal(parameters, noise):
    normal = CholeskyNormal(*parameters)
    peer = MultivariateNormal(parameters[0], scale_tril=normal.scale_tril)
    u = 3.0 * noise
    assert_close(normal.log_prob(u), peer.log_prob(u))
    assert_close(normal.base_entropy(), peer.entropy())
    assert_close(normal.std, peer.stddev)


def test_rows_have_unit_length_whatever_the_numbers():
    below = torch.tensor([4.0, 5.0, 6.0])
    unnormalised = torch.tensor([[1.0, 0.0, 0.0], [4.0, 1.0, 0.0], [5.0, 6.0, 1.0]])
    lengths = torch.tensor([1.0, 17.0, 62.0]).sqrt()
    assert_close(unit_rows(below, 3), unnormalised / lengths[:, None])
    wild = unit_rows(1e6 * torch.randn(50, 6, generator=torch.Generator().manual_seed(0)), 4)
    assert_close(wild.square().sum(-1), torch.ones(50, 4))


def test_std_is_the_marginal_one_whatever_the_correlations(parameters):
    normal = CholeskyNormal(*parameters)
    covariance = normal.scale_tril @ normal.scale_tril.mT
    variances = covariance.diagonal(dim1=-2, dim2=-1).expand(N, DIMS)
    assert_close(normal.std, variances.sqrt())
    assert_close(normal.log_std.exp().expand(N, DIMS), variances.sqrt())
    # With the diagonal of L bounded instead, the marginal std would be anything.
    assert (normal.scale_tril.diagonal(dim1=-2, dim2=-1) < variances.sqrt() - 1e-3).any()


@pytest.mark.parametrize(
    "question", [lambda normal, u: normal.log_prob(u), lambda normal, u: _entropy(normal)]
)
def test_gradients_are_torchs_multivariate_normals(parameters, noise, question):
    mean, log_std, factor = parameters
    gradients = []
    for kind in (CholeskyNormal, MultivariateNormal):
        leaves = [part.clone().requires_grad_() for part in (mean, log_std, factor)]
        if kind is CholeskyNormal:
            normal = kind(*leaves)
        else:
            normal = kind(leaves[0], scale_tril=leaves[1].exp().unsqueeze(-1) * leaves[2])
        total = question(normal, 3.0 * noise).sum()
        found = torch.autograd.grad(total, leaves, materialize_grads=True, allow_unused=True)
        gradients.append((*found[:2], found[2].tril()))  # above the diagonal nothing is learned
    assert_close(*gradients)


def _entropy(normal):
    return normal.base_entropy() if isinstance(normal, CholeskyNormal) else normal.entropy()


@pytest.mark.parametrize("kind", [DiagonalNormal, CholeskyNormal])
def test_whitening_undoes_the_transform(parameters, noise, kind):
    normal = kind(*parameters[: 2 + (kind is CholeskyNormal)])
    assert_close(normal.whiten(normal.transform(noise)), noise)


def test_transform_is_mean_plus_factor_times_noise(parameters, noise):
    normal = CholeskyNormal(*parameters)
    factor = normal.scale_tril.expand(N, DIMS, DIMS)
    assert_close(normal.transform(noise), normal.mean + torch.einsum("nij,nj->ni", factor, noise))


def test_condition_number_is_numpys_of_the_covariance(parameters):
    mean, log_std, factor = parameters
    full, diagonal = CholeskyNormal(mean, log_std, factor), DiagonalNormal(mean, log_std)
    factor = full.scale_tril.expand(N, DIMS, DIMS).numpy()
    scale = torch.diag_embed(diagonal.std).numpy()
    for normal, root in ((full, factor), (diagonal, scale)):
        expected = np.linalg.cond(root @ root.transpose(0, 2, 1))
        assert_close(normal.condition_number(), torch.from_numpy(expected), rtol=1e-8, atol=0.0)


def test_scores_of_mean_and_factor_are_the_closed_forms(noise):
    rng = torch.Generator().manual_seed(5)
    lower = torch.randn(N, DIMS, DIMS, generator=rng, dtype=torch.float64).tril(-1)
    factor = lower + torch.diag_embed(torch.linspace(0.5, 2.0, DIMS, dtype=torch.float64))
    factor.requires_grad_()
    mean = torch.randn(N, DIMS, generator=rng, dtype=torch.float64, requires_grad=True)
    normal = with_factor(mean, factor)
    u = normal.transform(noise).detach()
    of_mean, of_factor = torch.autograd.grad(normal.log_prob(u).sum(), [mean, factor])
    inverse_transpose = torch.linalg.inv(factor.detach()).mT
    outer = noise.unsqueeze(-1) * noise.unsqueeze(-2)
    assert_close(of_mean, (inverse_transpose @ noise.unsqueeze(-1)).squeeze(-1))
    eye = torch.eye(DIMS, dtype=torch.float64)
    assert_close(of_factor, (inverse_transpose @ (outer - eye)).tril())


def test_zero_below_the_diagonal_is_the_diagonal_gaussian(parameters, noise):
    mean, log_std, factor = parameters
    full = CholeskyNormal(mean, log_std, torch.eye(DIMS).double().expand_as(factor))
    diagonal = DiagonalNormal(mean, log_std)
    for question in ("transform", "whiten", "log_prob"):
        assert_close(getattr(full, question)(noise), getattr(diagonal, question)(noise))
    assert_close(full.condition_number(), diagonal.condition_number())
    assert_close(full.base_entropy(), diagonal.base_entropy())
    assert_close(full.std, diagonal.std)


def test_density_of_a_correlated_gaussian_integrates_to_one():
    log_std = torch.tensor([-0.3, 0.9], dtype=torch.float64)
    mean, below = torch.tensor([[0.2, -0.4]]).double(), torch.tensor([1.5]).double()
    nodes, weights = np.polynomial.legendre.leggauss(200)
    x, y = torch.from_numpy(10.0 * nodes), torch.from_numpy(20.0 * nodes)
    grid = torch.cartesian_prod(x, y)
    normal = CholeskyNormal(mean.expand_as(grid), log_std, unit_rows(below, 2))
    density = normal.log_prob(grid).exp().view(200, 200).numpy()
    assert 200.0 * weights @ density @ weights == pytest.approx(1.0, abs=1e-10)


def test_density_of_a_diagonal_gaussian_integrates_to_one():
    normal = DiagonalNormal(torch.tensor([[0.3]]).double(), torch.tensor([-1.0]).double())

    def density(x):
        return normal.log_prob(torch.tensor([[x]], dtype=torch.float64)).exp().item()

    total, _ = integrate.quad(density, -6.0, 6.0, points=[0.3])
    assert total == pytest.approx(1.0, abs=1e-10)


def test_base_entropy_of_a_standard_normal_is_half_log_two_pi_e_each():
    normal = DiagonalNormal(torch.zeros(2, 3), torch.zeros(3))
    assert_close(normal.base_entropy(), torch.full((2,), 1.5 * math.log(2.0 * math.pi * math.e)))


@pytest.mark.parametrize("kind", [DiagonalNormal, CholeskyNormal])
def test_several_samples_in_each_state_are_those_of_one_after_the_other(parameters, kind):
    normal = kind(*parameters[: 2 + (kind is CholeskyNormal)])
    rng = torch.Generator().manual_seed(6)
    noise = torch.randn(3, N, DIMS, generator=rng, dtype=torch.float64)
    for question in ("transform", "whiten", "log_prob"):
        each = [getattr(normal, question)(one) for one in noise]
        assert_close(getattr(normal, question)(noise), torch.stack(each))


@pytest.mark.parametrize("kind", [DiagonalNormal, CholeskyNormal])
def test_gradient_through_the_sample_is_that_of_mean_plus_factor_times_noise(noise, kind):
    """dU / dL of a sample is the noise, whatever the parameters of L."""
    rng = torch.Generator().manual_seed(7)
    shapes = [(N, DIMS), (N, DIMS), (N, DIMS, DIMS)][: 2 + (kind is CholeskyNormal)]
    leaves = [torch.randn(*s, generator=rng, dtype=torch.float64).requires_grad_() for s in shapes]
    sensitivity = torch.randn(N, DIMS, generator=rng, dtype=torch.float64)
    normal = kind(*leaves)
    got = torch.autograd.grad((sensitivity * normal.transform(noise)).sum(), leaves)

    def factor(*parts):
        if kind is CholeskyNormal:
            return kind(noise, *parts).scale_tril
        return torch.diag_embed(parts[0].exp())

    outer = sensitivity.unsqueeze(-1) * noise.unsqueeze(-2)
    expected = torch.autograd.grad((factor(*leaves[1:]) * outer).sum(), leaves[1:])
    assert_close(got, (sensitivity, *expected))
