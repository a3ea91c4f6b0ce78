"""The score function against closed forms: Mohamed et al. 2020 (arXiv:1906.10652) and quadrature.

One-sample gradients come from giving every sample parameters of its own. The cost f is minimised
in the closed forms; weights of -f would only change the sign, so f itself is the weight here.
"""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch.testing import assert_close

from gausspg.build import SettingsError, build
from gausspg.estimators.base import Batch, Trajectories
from gausspg.estimators.score_function import ScoreFunction
from gausspg.policies.gaussian import SquashedNormal
from gausspg.variance.normal import CholeskyNormal, DiagonalNormal

SAMPLES = 400_000
DEFAULTS = {
    "weight": "reward_to_go",
    "baseline": "none",
    "gae_lambda": None,
    "standardise": False,
    "surrogate": "plain",
    "clip_ratio": None,
}


def _estimator(**settings):
    return ScoreFunction(**(DEFAULTS | settings))


@pytest.fixture
def distribution(make_squash, make_variance):
    """Return a function that wraps a Gaussian as the distribution a policy gives out."""

    def wrap(normal, squash="none", low=-1.0, high=1.0):
        dims = normal.mean.shape[-1]
        return SquashedNormal(normal, make_squash(squash, low, high, dims), make_variance("fixed"))

    return wrap


def _noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _leaves(mean, std):
    """A one-dimensional Gaussian with a mean and a log-std for each sample."""
    means = torch.full((SAMPLES, 1), mean, dtype=torch.float64, requires_grad=True)
    log_stds = torch.full_like(means, math.log(std)).requires_grad_()
    return DiagonalNormal(means, log_stds)


def _batch(distribution, u, weights):
    return Batch(u, weights, distribution.log_prob(u).detach())


def _one_sample_gradients(estimator, distribution, batch):
    """Gradient of each sample's surrogate in its own mean and log-std, `[samples, 2]`."""
    normal = distribution.normal
    total = estimator(distribution, batch).sum()
    return torch.cat(torch.autograd.grad(total, [normal.mean, normal.log_scale]), -1)


def _one_step(rewards):
    """Episodes of one step each."""
    rewards = rewards.view(1, -1)
    zeros, ones = torch.zeros_like(rewards), torch.ones_like(rewards, dtype=torch.bool)
    return Trajectories(rewards, zeros, zeros, ones, ones, 0.9)


@pytest.mark.parametrize("baseline", ["none", "mean"])
@pytest.mark.parametrize(("d", "s"), [(1.0, 1.0), (-2.0, 0.5), (0.5, 2.0)])
def test_mean_and_variance_on_the_quadratic_are_the_closed_forms(
    distribution, in_se, baseline, d, s
):
    k = 0.3
    policy = distribution(_leaves(k + d, s))
    u = policy.sample(_noise(SAMPLES, 1))
    estimator = _estimator(baseline=baseline)
    weights, _ = estimator.weights(_one_step((u - k).square()))
    gradients = _one_sample_gradients(estimator, policy, _batch(policy, u, weights[0]))
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
    policy = distribution(_leaves(d, s))
    u = policy.sample(_noise(SAMPLES, 1))
    for parameter, baseline, variance in (
        (0, d**2 + 3 * s**2, 8 * d**2 + 6 * s**2),
        (1, d**2 + 5 * s**2, 40 * d**2 * s**2 + 24 * s**4),
    ):
        weights = u.square().squeeze(-1) - baseline
        gradients = _one_sample_gradients(_estimator(), policy, _batch(policy, u, weights))
        squares = (gradients - gradients.mean(0)).square()[:, parameter]
        assert in_se(gradients, torch.tensor([2.0 * d, 2.0 * s**2])) < 4.5
        assert in_se(squares, variance) < 4.5


def test_full_covariance_on_the_quadratic_has_the_closed_form_moments(distribution, in_se):
    n, samples = 3, 200_000
    a = torch.tensor([[1.0, 0.3, 0.0], [0.3, 0.8, -0.2], [0.0, -0.2, 0.5]]).double()
    delta = torch.tensor([0.5, -1.0, 0.8]).double()
    scale = torch.tensor([0.7, 1.1, 0.9]).double()
    below = torch.tensor([0.4, -0.6, 0.5]).double()
    means = delta.repeat(samples, 1).requires_grad_()
    log_scales = scale.log().repeat(samples, 1).requires_grad_()
    belows = below.repeat(samples, 1).requires_grad_()
    policy = distribution(CholeskyNormal(means, log_scales, belows))
    u = policy.sample(_noise(samples, n))
    cost = torch.einsum("ni,ij,nj->n", u, a, u)
    total = _estimator()(policy, _batch(policy, u, cost)).sum()
    of_mean, of_scale, of_below = torch.autograd.grad(total, [means, log_scales, belows])

    factor = CholeskyNormal(delta[None], scale.log(), below).scale_tril
    of_factor = (2.0 * a @ factor).tril()
    rows, columns = torch.tril_indices(n, n, -1)
    assert in_se(of_mean, 2.0 * a @ delta) < 4.5
    # L = diag(scale) (I + W): the chain rule from L to log scale and to W.
    assert in_se(of_scale, (of_factor * factor).sum(-1)) < 4.5
    assert in_se(of_below, of_factor[rows, columns] * scale[rows]) < 4.5
    assert min(in_se(x, 0.0) for x in (of_mean, of_scale, of_below)) > 10.0

    c, b, m = delta @ a @ delta, 2.0 * factor.T @ a @ delta, factor.T @ a @ factor
    t, mm, eye = m.trace(), m @ m, torch.eye(n, dtype=torch.float64)
    second = (c**2 + b @ b + 2 * c * t + t**2 + 2 * mm.trace()) * eye
    second = second + 2 * torch.outer(b, b) + 4 * c * m + 4 * t * m + 8 * mm
    inverse = torch.linalg.inv(factor)
    mean_square = inverse.T @ second @ inverse
    products = of_mean.unsqueeze(-1) * of_mean.unsqueeze(-2)
    assert in_se(products, mean_square) < 4.5
    assert in_se(products, 0.5 * mean_square) > 10.0


def test_modes_that_coincide_have_the_same_mean_gradient(distribution):
    u, mean = _noise(50, 3), _noise(50, 3, seed=1)
    log_std = torch.tensor([-0.5, 0.0, 0.3]).double()
    gradients = []
    for normal in (
        lambda m: DiagonalNormal(m, log_std),
        lambda m: DiagonalNormal(m, log_std.expand(50, 3)),
        lambda m: CholeskyNormal(m, log_std, torch.zeros(3).double()),
        lambda m: CholeskyNormal(m, log_std.expand(50, 3), torch.zeros(50, 3).double()),
    ):
        leaf = mean.clone().requires_grad_()
        policy = distribution(normal(leaf))
        total = _estimator()(policy, _batch(policy, u, u.square().sum(-1))).sum()
        gradients += torch.autograd.grad(total, leaf)
    for other in gradients[1:]:
        assert_close(other, gradients[0])


def test_reparameterised_sample_inside_the_loss_leaves_the_mean_without_a_gradient(
    distribution, in_se
):
    noise = _noise(SAMPLES, 1)
    policy = distribution(_leaves(1.0, 0.5))
    attached = policy.normal.transform(noise)
    cost = attached.detach().square().squeeze(-1)
    of_mean = [
        _one_sample_gradients(_estimator(), policy, _batch(policy, u, cost))[:, 0]
        for u in (attached, attached.detach())
    ]
    assert of_mean[0].abs().max().item() < 1e-12
    assert in_se(of_mean[1], 2.0) < 4.5
    assert in_se(of_mean[1], 0.0) > 10.0


@pytest.mark.parametrize("squash", ["none", "tanh", "clip_mass"])
def test_ppo_clip_at_the_old_policy_has_the_gradient_of_plain(distribution, squash):
    policy = distribution(_leaves(0.4, 0.8), squash)
    u = policy.sample(_noise(SAMPLES, 1))
    weights = (u - 0.1).pow(3).squeeze(-1)
    batch = _batch(policy, u, weights)
    plain = _one_sample_gradients(_estimator(), policy, batch)
    clipped = _one_sample_gradients(_estimator(surrogate="ppo_clip"), policy, batch)
    assert_close(clipped, plain)
    assert_close(_estimator(surrogate="ppo_clip")(policy, batch), weights)


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
    surrogate = _estimator(surrogate="ppo_clip", clip_ratio=clip_ratio)(policy, batch)
    assert surrogate.item() == pytest.approx(value)
    # d ratio / d mean = ratio (u - mean) / variance.
    (gradient,) = torch.autograd.grad(surrogate.sum(), mean)
    assert gradient.item() == pytest.approx(slope * ratio)


def test_tanh_as_density_and_tanh_in_the_environment_have_one_gradient(distribution):
    normal = _leaves(0.7, 1.3)
    density, environment = distribution(normal, "tanh", -2.0, 1.0), distribution(normal)
    u = environment.sample(_noise(SAMPLES, 1))
    weights = density.action(u).square().squeeze(-1)
    gradients = [
        _one_sample_gradients(_estimator(surrogate=surrogate), policy, _batch(policy, u, weights))
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
    normal = _leaves(mean, std)
    clip, mass = distribution(normal, "clip"), distribution(normal, "clip_mass")
    u = clip.sample(_noise(SAMPLES, 1))
    action = clip.action(u)
    weights = (action - 0.3).square().squeeze(-1)
    ordinary = _one_sample_gradients(_estimator(), clip, _batch(clip, u, weights))
    mixed = _one_sample_gradients(_estimator(), mass, _batch(mass, u, weights))
    wrong = _one_sample_gradients(_estimator(), clip, _batch(clip, action, weights))
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
    normal = _leaves(mean, std)
    policy = distribution(normal, "clip")
    noise = _noise(SAMPLES, 1)
    truth = stats.norm.pdf(1.0, mean, std)  # of P(u >= 1)
    u = policy.sample(noise)
    reached = (policy.action(u) >= 1.0).double().squeeze(-1)
    score = _one_sample_gradients(_estimator(), policy, _batch(policy, u, reached))[:, 0]
    assert in_se(score, truth) < 4.5
    pathwise = policy.action(normal.transform(noise))
    (gradient,) = torch.autograd.grad(pathwise.sum(), normal.mean)
    assert ((gradient == 0.0).squeeze(-1) == (u.abs().squeeze(-1) > 1.0)).all()


@pytest.fixture
def trajectories():
    """Two environments, five steps; column 0 ends twice, column 1 is cut at the end."""
    rng = torch.Generator().manual_seed(0)
    rewards, values, following = torch.randn(3, 5, 2, generator=rng, dtype=torch.float64)
    ends = torch.zeros(5, 2, dtype=torch.bool)
    ends[1, 0] = ends[4, 0] = True
    valid = torch.ones(5, 2, dtype=torch.bool)
    return Trajectories(rewards, values, following, ends, valid, 0.9)


@pytest.mark.parametrize("gae_lambda", [None, 0.0, 1.0])
def test_gae_weights_are_the_double_sum(trajectories, gae_lambda):
    lam = 0.95 if gae_lambda is None else gae_lambda
    x = trajectories
    deltas = x.rewards + 0.9 * x.next_values - x.values
    expected = torch.zeros_like(deltas)
    for t, n in itertools.product(range(5), range(2)):
        for later in range(t, 5):
            expected[t, n] += (0.9 * lam) ** (later - t) * deltas[later, n]
            if x.ends[later, n]:
                break
    estimator = _estimator(weight="gae", baseline="value", gae_lambda=gae_lambda)
    weights, targets = estimator.weights(trajectories)
    assert_close(weights, expected)
    assert_close(targets, expected + x.values)


def test_weights_follow_their_settings(trajectories):
    x = trajectories
    to_go, targets = _estimator().weights(
        Trajectories(x.rewards, 0 * x.values, 0 * x.values, x.ends, x.valid, 0.9)
    )
    r = x.rewards
    hand = [r[0, 0] + 0.9 * r[1, 0], r[1, 0], r[2, 0] + 0.9 * r[3, 0] + 0.81 * r[4, 0]]
    assert_close(to_go[:3, 0], torch.stack(hand))
    assert_close(to_go[3, 1], r[3, 1] + 0.9 * r[4, 1])
    assert_close(targets, to_go)
    with_value, targets = _estimator(baseline="value").weights(trajectories)
    assert_close(with_value, targets - x.values)
    assert_close(targets[1, 0], r[1, 0] + 0.9 * x.next_values[1, 0])


def test_total_return_is_the_same_at_every_step_of_an_episode():
    rewards = torch.tensor([[1.0, 2.0], [4.0, 0.0], [2.0, 8.0]])
    ends = torch.tensor([[False] * 2, [False] * 2, [True] * 2])
    values = torch.tensor([[0.5, 1.0], [9.0, 9.0], [9.0, 9.0]])
    zeros, valid = torch.zeros(3, 2), torch.ones(3, 2, dtype=torch.bool)
    whole = _estimator(weight="total_return")
    weights, targets = whole.weights(Trajectories(rewards, zeros, zeros, ends, valid, 0.5))
    assert_close(weights, torch.tensor([[3.5, 4.0]] * 3))
    assert_close(targets, torch.tensor([[3.5, 4.0], [5.0, 4.0], [2.0, 8.0]]))
    less = _estimator(weight="total_return", baseline="value")
    weights, _ = less.weights(Trajectories(rewards, values, zeros, ends, valid, 0.5))
    assert_close(weights, torch.tensor([[3.0, 3.0]] * 3))
    assert whole.whole_episodes
    assert not _estimator(baseline="value").whole_episodes
    assert less.uses_value
    assert not whole.uses_value


@pytest.mark.parametrize("setting", [{"standardise": True}, {"baseline": "mean"}])
def test_only_valid_entries_count_in_the_batchs_mean_and_std(trajectories, setting):
    x = trajectories
    valid = x.valid.clone()
    valid[3:, 1] = False
    rewards = x.rewards.clone()
    rewards[3:, 1] = 1e6
    spoilt = Trajectories(rewards, 0 * x.values, 0 * x.values, x.ends | ~valid, valid, 0.0)
    weights, targets = _estimator(**setting).weights(spoilt)
    raw = rewards[valid]
    expected = raw - raw.mean()
    if "standardise" in setting:
        expected = expected / np.std(raw.numpy())
    assert_close(weights[valid], expected)
    assert_close(targets[valid], raw)


def test_equal_weights_standardise_to_zero():
    weights, _ = _estimator(standardise=True).weights(_one_step(torch.full((6,), 3.0)))
    assert_close(weights, torch.zeros(1, 6))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"weight": "gae"},
            "estimator.baseline=none does not go with estimator.weight=gae, which contains the "
            "value function: set estimator.baseline=value or another weight",
        ),
        (
            {"gae_lambda": 0.9},
            "estimator.gae_lambda=0.9 has no effect with estimator.weight=reward_to_go: leave it "
            "null or set estimator.weight=gae",
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
        ({"gae_lambda": 1.5}, "estimator.gae_lambda=1.5: should be less than or equal to 1"),
        ({"clip_ratio": -0.1}, "estimator.clip_ratio=-0.1: should be greater than 0"),
        (
            {"weight": "best"},
            "estimator.weight=best: should be 'total_return', 'reward_to_go' or 'gae'",
        ),
    ],
)
def test_settings_without_effect_or_meaning_are_refused(load, settings, message):
    with pytest.raises(SettingsError) as refusal:
        build(load("estimator", "score_function") | DEFAULTS | settings, "estimator")
    assert str(refusal.value) == message


def test_every_other_combination_is_accepted():
    accepted = 0
    for weight, baseline, standardise, surrogate in itertools.product(
        ("total_return", "reward_to_go", "gae"),
        ("none", "mean", "value"),
        (False, True),
        ("plain", "ppo_clip"),
    ):
        pointless = (weight == "gae" and baseline != "value") or (
            standardise and baseline == "mean"
        )
        if not pointless:
            _estimator(
                weight=weight, baseline=baseline, standardise=standardise, surrogate=surrogate
            )
            accepted += 1
    assert accepted == 24
