"""Entropies of the declared densities against quadrature, with their gradients."""

import math

import numpy as np
import pytest
import torch
from scipy import optimize
from torch.testing import assert_close

from gausspg.policies.normal import CholeskyNormal, DiagonalNormal, unit_rows

LOW, HIGH = -0.5, 2.0
GAUSSIANS = [(0.3, 0.5), (-1.0, 1.5), (2.5, 0.3), (0.0, 2.0), (4.0, 0.1)]


def _normal(mean, std, dtype=torch.float64):
    mean = torch.tensor([[mean]], dtype=dtype, requires_grad=True)
    return DiagonalNormal(mean, torch.tensor([math.log(std)], dtype=dtype, requires_grad=True))


def _gradient(value, normal):
    # The entropy of u does not depend on the mean at all: that gradient is then a true zero.
    gradients = torch.autograd.grad(
        value.sum(), [normal.mean, normal.log_std], materialize_grads=True
    )
    return np.array([gradient.item() for gradient in gradients])


def _central_difference(f, mean, std, step=1e-4):
    """Gradient of f(mean, std) in the mean and in the log-std."""
    grow = math.exp(step)
    return np.array(
        [
            (f(mean + step, std) - f(mean - step, std)) / (2.0 * step),
            (f(mean, std * grow) - f(mean, std / grow)) / (2.0 * step),
        ]
    )


@pytest.fixture
def tanh_entropy(gaussian_mean):
    """Return a function (mean, std) -> entropy of tanh(u): numpy alone."""

    def entropy(mean, std):
        def log_derivative(u):
            return 2.0 * (math.log(2.0) - np.logaddexp(u, -u))

        gaussian = 0.5 * math.log(2.0 * math.pi * math.e * std**2)
        return gaussian + gaussian_mean(log_derivative, mean, std, np.linspace(-4.0, 4.0, 9))

    return entropy


@pytest.fixture
def mean_surprise(make_squash, gaussian_mean):
    """Return a function (word, mean, std) -> E[-log density of the action u becomes]."""

    def surprise(word, mean, std):
        squash = make_squash(word, LOW, HIGH)

        def of(u):
            column = torch.from_numpy(u).unsqueeze(-1)
            normal = DiagonalNormal(
                torch.full_like(column, mean), torch.tensor([std]).double().log()
            )
            return -squash.log_prob(normal, column).numpy()

        return gaussian_mean(of, mean, std, np.linspace(-4.0, 4.0, 9))

    return surprise


@pytest.mark.parametrize(("mean", "std"), GAUSSIANS)
def test_every_entropy_is_the_mean_surprise(make_squash, mean_surprise, squash_word, mean, std):
    entropy = make_squash(squash_word, LOW, HIGH).entropy(_normal(mean, std))
    assert entropy.item() == pytest.approx(mean_surprise(squash_word, mean, std), abs=2e-6)


@pytest.mark.parametrize(("mean", "std"), GAUSSIANS)
def test_every_entropy_gradient_is_that_of_the_quadrature(
    make_squash, mean_surprise, squash_word, mean, std
):
    normal = _normal(mean, std)
    got = _gradient(make_squash(squash_word, LOW, HIGH).entropy(normal), normal)
    truth = _central_difference(lambda m, s: mean_surprise(squash_word, m, s), mean, std)
    np.testing.assert_allclose(got, truth, atol=2e-5)


@pytest.mark.parametrize(("std", "accuracy"), [(0.01, 1e-5), (2.0, 1e-5), (5.0, 1e-2)])
def test_tanh_entropy_is_as_accurate_as_it_says(make_squash, tanh_entropy, std, accuracy):
    squash = make_squash("tanh").float()
    for mean in (0.0, 0.1, -0.5, 1.0, 3.0, -20.0):
        got = squash.entropy(_normal(mean, std, torch.float32)).item()
        assert got == pytest.approx(tanh_entropy(mean, std), abs=accuracy)


@pytest.mark.parametrize("mean", [0.0, 0.7, -3.0])
@pytest.mark.parametrize("std", [0.2, 0.874, 2.0])
def test_tanh_entropy_gradient_agrees_with_quadrature(make_squash, tanh_entropy, mean, std):
    normal = _normal(mean, std)
    got = _gradient(make_squash("tanh").entropy(normal), normal)
    np.testing.assert_allclose(got, _central_difference(tanh_entropy, mean, std), atol=1e-5)


def test_tanh_entropy_at_mean_zero_is_largest_at_std_0_874(make_squash, tanh_entropy):
    squash = make_squash("tanh")
    best = optimize.minimize_scalar(lambda s: -tanh_entropy(0.0, s), bounds=(0.3, 3.0)).x
    assert best == pytest.approx(0.874, abs=5e-4)
    slopes = []
    for std in (best - 0.002, best + 0.002):
        normal = _normal(0.0, std)
        slopes.append(_gradient(squash.entropy(normal), normal)[1])
    assert slopes[0] > 0.0 > slopes[1]


def test_climbing_the_base_entropy_lowers_the_tanh_entropy_above_0_874(make_squash, tanh_entropy):
    squash = make_squash("tanh")
    normal = _normal(0.0, 1.5)
    wrong = _gradient(normal.base_entropy(), normal)[1]
    right = _gradient(squash.entropy(normal), normal)[1]
    assert wrong == pytest.approx(1.0)
    assert right < -0.3
    assert tanh_entropy(0.0, 1.5 * math.exp(0.1 * wrong)) < tanh_entropy(0.0, 1.5)
    assert tanh_entropy(0.0, 1.5 * math.exp(0.1 * right)) > tanh_entropy(0.0, 1.5)


def test_tanh_entropy_contains_the_half_range(make_squash):
    normal = _normal(0.3, 0.6)
    wide, unit = make_squash("tanh", -3.0, 5.0), make_squash("tanh")
    assert_close(wide.entropy(normal), unit.entropy(normal) + math.log(4.0))


def test_tanh_entropy_of_a_full_covariance_is_the_mean_surprise(make_squash, in_se):
    squash = make_squash("tanh", dims=2)
    rng = torch.Generator().manual_seed(0)
    noise = torch.randn(200_000, 2, generator=rng, dtype=torch.float64)
    mean, log_scale = torch.tensor([[0.4, -0.8]]).double(), torch.tensor([-0.5, -0.2]).double()
    normal = CholeskyNormal(mean, log_scale, unit_rows(torch.tensor([1.5]).double(), 2))
    surprise = -squash.log_prob(normal, normal.transform(noise))
    assert in_se(surprise, squash.entropy(normal)) < 4.5
    without_correlation = squash.entropy(DiagonalNormal(mean, log_scale))
    assert in_se(surprise, without_correlation) > 10.0


def test_base_entropy_differs_where_the_squash_declares_another_density(make_squash):
    normal = _normal(0.3, 0.9)
    base = normal.base_entropy()
    for word in ("none", "clip"):
        assert_close(make_squash(word).entropy(normal), base)
    for word in ("tanh", "clip_mass"):
        assert (make_squash(word).entropy(normal) - base).abs().item() > 0.05


def test_clip_mass_entropy_tends_to_the_gaussians_between_wide_bounds(make_squash):
    normal = _normal(0.003, 0.009)
    entropy = make_squash("clip_mass", -50.0, 50.0).entropy(normal)
    assert_close(entropy, normal.base_entropy() + math.log(50.0))


def test_clip_mass_entropy_tends_to_that_of_a_fair_coin_as_the_std_grows(make_squash):
    entropy = make_squash("clip_mass").entropy(_normal(0.0, 1e6)).item()
    assert entropy == pytest.approx(math.log(2.0), abs=1e-4)


def test_entropy_and_its_gradient_are_finite_for_means_far_outside(make_squash, squash_word):
    squash = make_squash(squash_word).float()
    for mean in (-20.0, 20.0, 1e3):
        normal = _normal(mean, 0.01, torch.float32)
        entropy = squash.entropy(normal)
        assert entropy.isfinite().all()
        assert np.isfinite(_gradient(entropy, normal)).all()


def test_surprise_of_stored_samples_has_the_right_value_and_no_gradient(
    make_squash, tanh_entropy, in_se
):
    squash = make_squash("tanh")
    rng = torch.Generator().manual_seed(0)
    noise = torch.randn(200_000, 1, generator=rng, dtype=torch.float64)
    log_std = torch.full_like(noise, math.log(0.4)).requires_grad_()
    normal = DiagonalNormal(torch.full_like(noise, 0.5), log_std)
    truth = _central_difference(tanh_entropy, 0.5, 0.4)[1]
    assert truth > 0.3

    stored = -squash.log_prob(normal, normal.transform(noise).detach())
    assert in_se(stored, tanh_entropy(0.5, 0.4)) < 4.5
    (gradient,) = torch.autograd.grad(stored.sum(), log_std)
    assert in_se(gradient, 0.0) < 4.5
    assert in_se(gradient, truth) > 10.0

    through_the_sample = -squash.log_prob(normal, normal.transform(noise))
    (gradient,) = torch.autograd.grad(through_the_sample.sum(), log_std)
    assert in_se(gradient, truth) < 4.5
    assert in_se(gradient, 0.0) > 10.0


@pytest.fixture
def estimated(make_squash):
    """Return a function: entropy estimates and their gradients, each with a Gaussian of its own.

    Each estimate is from 3 samples; the gradients are in the mean and in the log-std.
    """

    def estimate(word, mean, std, number=60_000):
        noise = torch.randn(
            3, number, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64
        )
        means = torch.full((number, 1), mean, dtype=torch.float64, requires_grad=True)
        normal = DiagonalNormal(means, torch.full_like(means, math.log(std)).requires_grad_())
        estimates = make_squash(word, LOW, HIGH).entropy_estimate(normal, noise)
        gradients = torch.autograd.grad(
            estimates.sum(), [normal.mean, normal.log_std], materialize_grads=True
        )
        return estimates, torch.cat(gradients, -1)

    return estimate


@pytest.mark.parametrize(("mean", "std"), GAUSSIANS)
def test_every_entropy_estimate_is_unbiased_and_so_is_its_gradient(
    make_squash, mean_surprise, estimated, in_se, squash_word, mean, std
):
    estimates, gradients = estimated(squash_word, mean, std)
    normal = _normal(mean, std)
    entropy = make_squash(squash_word, LOW, HIGH).entropy(normal)
    truth = mean_surprise(squash_word, mean, std)
    slope = _central_difference(lambda m, s: mean_surprise(squash_word, m, s), mean, std)
    assert estimates.shape == (60_000,)
    if estimates.std() > 1e-9:
        assert in_se(estimates, truth) < 4.5
        assert in_se(gradients, torch.from_numpy(slope)) < 4.5
        assert in_se(estimates, truth + 0.1) > 10.0
    else:
        assert_close(estimates, entropy.expand(60_000))
        assert_close(gradients, torch.from_numpy(_gradient(entropy, normal)).expand(60_000, 2))


def test_tanh_entropy_is_the_only_one_that_is_estimated(estimated, squash_word):
    estimates, _ = estimated(squash_word, 0.3, 0.5, 10)
    assert (estimates.std().item() > 1e-9) == (squash_word == "tanh")


@pytest.mark.parametrize("std", [0.5, 0.95, 1.5])
def test_estimate_pulls_the_std_towards_0_874_and_the_base_entropy_outwards_for_ever(
    estimated, tanh_entropy, in_se, std
):
    truth = _central_difference(tanh_entropy, 0.0, std)[1]
    _, gradients = estimated("tanh", 0.0, std)
    of_log_std = gradients[:, 1]
    assert in_se(of_log_std, truth) < 4.5
    assert (truth > 0.0) == (std < 0.874)
    # The base entropy's gradient in the log-std is 1 whatever the std.
    normal = _normal(0.0, std)
    wrong = _gradient(normal.base_entropy(), normal)[1]
    assert wrong == pytest.approx(1.0)
    assert in_se(of_log_std, wrong) > 10.0
    assert in_se(of_log_std, 0.0) > 10.0


def test_estimate_of_a_full_covariance_has_the_gradient_of_the_entropy(make_squash, in_se):
    squash, number = make_squash("tanh", dims=2), 60_000
    noise = torch.randn(
        2, number, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    values = ([0.4, -0.8], [-0.5, -0.2], [1.5])
    one, many = (
        [torch.tensor(v).double().repeat(rows, 1).requires_grad_() for v in values]
        for rows in (1, number)
    )

    def gaussian(mean, log_std, below):
        return CholeskyNormal(mean, log_std, unit_rows(below, 2))

    entropy = squash.entropy(gaussian(*one))
    estimates = squash.entropy_estimate(gaussian(*many), noise)
    assert in_se(estimates, entropy.detach()) < 4.5
    truth = torch.autograd.grad(entropy.sum(), one)
    found = torch.autograd.grad(estimates.sum(), many)
    for samples, exact in zip(found, truth, strict=True):
        assert in_se(samples, exact) < 4.5
        assert in_se(samples, 0.0) > 10.0


def test_estimates_derivative_in_float32_is_right_where_tanh_has_rounded_to_one(make_squash):
    """Against `log_derivative`, which is tested on its own; in absolute terms, as it is summed."""
    squash = make_squash("tanh", LOW, HIGH)
    u = torch.linspace(-20.0, 20.0, 4001)[:, None].requires_grad_()
    normal = DiagonalNormal(u, torch.zeros(1))
    estimate = squash.float().entropy_estimate(normal, torch.zeros(1, 4001, 1))
    exact = squash.double().log_derivative(u.detach().double()).squeeze(-1)
    assert_close((estimate - normal.base_entropy()).detach().double(), exact, rtol=2e-7, atol=2e-6)
    (slope,) = torch.autograd.grad(estimate.sum(), u)
    assert_close(slope.double(), -2.0 * torch.tanh(u.detach().double()), rtol=1e-5, atol=1e-6)
