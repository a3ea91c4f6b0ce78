"""The score function against closed forms: Mohamed et al. 2020 (arXiv:1906.10652) and quadrature.

One-sample gradients come from giving every sample parameters of its own. The cost f is minimised
in the closed forms; weights of -f would only change the sign, so f itself is the weight here.
"""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch.testing import assert_close

from gausspg.estimators.base import Batch
from gausspg.policies.normal import CholeskyNormal, DiagonalNormal
from one_sample import batch_of, leaves, one_step, own_gradients, randn, score_function

SAMPLES = 400_000


def _one_sample_gradients(estimator, distribution, batch):
    return own_gradients(estimator.at_taken_actions(distribution, batch), distribution.normal)


@pytest.mark.parametrize("baseline", ["none", "mean"])
@pytest.mark.parametrize(("d", "s"), [(1.0, 1.0), (-2.0, 0.5), (0.5, 2.0)])
def test_mean_and_variance_on_the_quadratic_are_the_closed_forms(
    distribution, in_se, baseline, d, s
):
    k = 0.3
    policy = distribution(leaves(k + d, s, SAMPLES))
    u = policy.sample(randn(SAMPLES, 1))
    estimator = score_function(baseline=baseline)
    weights, _ = estimator.weights(one_step((u - k).square()))
    gradients = _one_sample_gradients(estimator, policy, batch_of(policy, u, weights[0]))
    # With respect to log s: the mean times s, the variance times s^2.
    mean = torch.tensor([2.0 * d, 2.0 * s**2])
    table = {
        "none": [d**4 / s**2 + 14 * d**2 + 15 * s**2, 2 * d**4 + 60 * d**2 * s**2 + 74 * s**4],
        "mean": [8 * d**2 + 10 * s**2, 40 * d**2 * s**2 + 56 * s**4],
    }
    other = "mean" if baseline == "none" else "none"
    squares = (gradients - gradients.mean(0)).square()
    assert in_se(gradients, mean) < 4.5
    assert in_se(gradients, 0.0) > 10.0
    assert in_se(squares, torch.tensor(table[baseline])) < 4.5
    assert in_se(squares, torch.tensor(table[other])) > 10.0


def test_best_constant_baseline_has_the_smaller_variance_of_the_table(distribution, in_se):
    d, s = 1.0, 0.7
    policy = distribution(leaves(d, s, SAMPLES))
    u = policy.sample(randn(SAMPLES, 1))
    for parameter, baseline, variance in (
        (0, d**2 + 3 * s**2, 8 * d**2 + 6 * s**2),
        (1, d**2 + 5 * s**2, 40 * d**2 * s**2 + 24 * s**4),
    ):
        weights = u.square().squeeze(-1) - baseline
        gradients = _one_sample_gradients(score_function(), policy, batch_of(policy, u, weights))
        squares = (gradients - gradients.mean(0)).square()[:, parameter]
        assert in_se(gradients, torch.tensor([2.0 * d, 2.0 * s**2])) < 4.5
        assert in_se(squares, variance) < 4.5


def test_modes_that_coincide_have_the_same_mean_gradient(distribution):
    u, mean = randn(50, 3), randn(50, 3, seed=1)
    log_std = torch.tensor([-0.5, 0.0, 0.3]).double()
    gradients = []
    for normal in (
        lambda m: DiagonalNormal(m, log_std),
        lambda m: DiagonalNormal(m, log_std.expand(50, 3)),
        lambda m: CholeskyNormal(m, log_std, torch.eye(3).double()),
        lambda m: CholeskyNormal(m, log_std.expand(50, 3), torch.eye(3).double().expand(50, 3, 3)),
    ):
        leaf = mean.clone().requires_grad_()
        policy = distribution(normal(leaf))
        total = (
            score_function().at_taken_actions(policy, batch_of(policy, u, u.square().sum(-1))).sum()
        )
        gradients += torch.autograd.grad(total, leaf)
    for other in gradients[1:]:
        assert_close(other, gradients[0])


def test_reparameterised_sample_inside_the_loss_leaves_the_mean_without_a_gradient(
    distribution, in_se
):
    noise = randn(SAMPLES, 1)
    policy = distribution(leaves(1.0, 0.5, SAMPLES))
    attached = policy.normal.transform(noise)
    cost = attached.detach().square().squeeze(-1)
    of_mean = [
        _one_sample_gradients(score_function(), policy, batch_of(policy, u, cost))[:, 0]
        for u in (attached, attached.detach())
    ]
    assert of_mean[0].abs().max().item() < 1e-12
    assert in_se(of_mean[1], 2.0) < 4.5
    assert in_se(of_mean[1], 0.0) > 10.0


@pytest.mark.parametrize("squash", ["none", "tanh", "clip_mass"])
def test_ppo_clip_at_the_old_policy_has_the_gradient_of_plain(distribution, squash):
    policy = distribution(leaves(0.4, 0.8, SAMPLES), squash)
    u = policy.sample(randn(SAMPLES, 1))
    weights = (u - 0.1).pow(3).squeeze(-1)
    batch = batch_of(policy, u, weights)
    plain = _one_sample_gradients(score_function(), policy, batch)
    clipped = _one_sample_gradients(score_function(surrogate="ppo_clip"), policy, batch)
    assert_close(clipped, plain)
    assert_close(score_function(surrogate="ppo_clip").at_taken_actions(policy, batch), weights)


@pytest.mark.parametrize(
    ("ratio", "weight", "value", "slope"),
    [
        (1.1, 2.0, 2.2, 2.0),
        (1.5, 2.0, 2.4, 0.0),
        (1.5, -2.0, -3.0, -2.0),
        (0.5, 2.0, 1.0, 2.0),
        (0.5, -2.0, -1.6, 0.0),
    ],
)
@pytest.mark.parametrize("clip_ratio", [None, 0.2])
def test_ppo_clip_away_from_the_old_policy(distribution, ratio, weight, value, slope, clip_ratio):
    mean = torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)
    policy = distribution(DiagonalNormal(mean, torch.zeros(1).double()))
    u = torch.ones(1, 1).double()
    old = policy.log_prob(u).detach() - math.log(ratio)
    batch = Batch(u, torch.tensor([weight]).double(), old)
    surrogate = score_function(surrogate="ppo_clip", clip_ratio=clip_ratio).at_taken_actions(
        policy, batch
    )
    assert surrogate.item() == pytest.approx(value)
    # d ratio / d mean = ratio (u - mean) / variance.
    (gradient,) = torch.autograd.grad(surrogate.sum(), mean)
    assert gradient.item() == pytest.approx(slope * ratio)


def test_tanh_as_density_and_tanh_in_the_environment_have_one_gradient(distribution):
    normal = leaves(0.7, 1.3, SAMPLES)
    density, environment = distribution(normal, "tanh", -2.0, 1.0), distribution(normal)
    u = environment.sample(randn(SAMPLES, 1))
    weights = density.action(u).square().squeeze(-1)
    gradients = [
        _one_sample_gradients(
            score_function(surrogate=surrogate), policy, batch_of(policy, u, weights)
        )
        for policy in (density, environment)
        for surrogate in ("plain", "ppo_clip")
    ]
    for other in gradients[1:]:
        assert_close(other, gradients[0])


@pytest.mark.parametrize(("mean", "std"), [(0.5, 0.6), (-1.2, 0.9)])
def test_clipping_is_unbiased_before_the_clip_and_biased_after(
    distribution, gaussian_mean, in_se, mean, std
):
    def expected_cost(mean, log_std):
        return gaussian_mean(
            lambda u: np.square(u.clip(-1.0, 1.0) - 0.3), mean, math.exp(log_std), (-1.0, 1.0)
        )

    h, log_std = 1e-4, math.log(std)
    truth = torch.tensor(
        [
            (expected_cost(mean + h, log_std) - expected_cost(mean - h, log_std)) / (2 * h),
            (expected_cost(mean, log_std + h) - expected_cost(mean, log_std - h)) / (2 * h),
        ]
    )
    normal = leaves(mean, std, SAMPLES)
    clip, mass = distribution(normal, "clip"), distribution(normal, "clip_mass")
    u = clip.sample(randn(SAMPLES, 1))
    action = clip.action(u)
    weights = (action - 0.3).square().squeeze(-1)
    ordinary = _one_sample_gradients(score_function(), clip, batch_of(clip, u, weights))
    mixed = _one_sample_gradients(score_function(), mass, batch_of(mass, u, weights))
    wrong = _one_sample_gradients(score_function(), clip, batch_of(clip, action, weights))
    assert in_se(ordinary, truth) < 4.5
    assert in_se(mixed, truth) < 4.5
    assert in_se(wrong, truth) > 10.0
    spread = [(x - x.mean(0)).square() for x in (ordinary, mixed)]
    difference = spread[0] - spread[1]
    assert (difference.mean(0) > 10.0 * difference.std(0) / SAMPLES**0.5).all()


def test_score_function_sees_a_jump_at_the_bound_and_the_pathwise_gradient_stops_there(
    distribution, in_se
):
    mean, std = 0.8, 0.5
    normal = leaves(mean, std, SAMPLES)
    policy = distribution(normal, "clip")
    noise = randn(SAMPLES, 1)
    truth = stats.norm.pdf(1.0, mean, std)  # of P(u >= 1)
    u = policy.sample(noise)
    reached = (policy.action(u) >= 1.0).double().squeeze(-1)
    score = _one_sample_gradients(score_function(), policy, batch_of(policy, u, reached))[:, 0]
    assert in_se(score, truth) < 4.5
    pathwise = policy.action(normal.transform(noise))
    (gradient,) = torch.autograd.grad(pathwise.sum(), normal.mean)
    assert ((gradient == 0.0).squeeze(-1) == (u.abs().squeeze(-1) > 1.0)).all()
