"""The return along trajectories, and its gradient against that of a linear-quadratic regulator."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from gausspg.envs.lqr import LQR
from gausspg.estimators.base import Batch, Trajectories
from gausspg.estimators.reparameterised import Reparameterised
from gausspg.learners.through_dynamics import unroll
from one_sample import randn, score_function

THROUGH_DYNAMICS = Reparameterised("dynamics", None)
GAMMA = pytest.mark.parametrize("gamma", [1.0, 0.6])
HORIZON = 4


@pytest.fixture
def window():
    """Rewards, next values and ends of 7 steps in 3 environments; the last one never ends."""
    rewards, following = (randn(7, 3, seed=seed).requires_grad_() for seed in (1, 2))
    ends = torch.zeros(7, 3, dtype=torch.bool)
    ends[[1, 4, 6], 0] = ends[2, 1] = True
    return rewards, following, ends


def _weights(ends, gamma):
    """The discount of each step, counted in its own episode by an independent loop."""
    steps, number = ends.shape
    weights = torch.zeros(steps, number, dtype=torch.float64)
    for n in range(number):
        age = 0
        for t in range(steps):
            weights[t, n] = gamma**age
            age = 0 if ends[t, n] else age + 1
    return weights


@GAMMA
def test_surrogate_is_the_discounted_sum_of_each_episode_with_what_follows_a_cut(window, gamma):
    rewards, following, ends = window
    total = THROUGH_DYNAMICS.along_trajectories(rewards, following, ends, gamma)
    weights = _weights(ends, gamma)
    assert_close(total, (weights * (rewards + gamma * following)).sum(0))
    of_rewards, of_following = torch.autograd.grad(total.sum(), [rewards, following])
    assert_close(of_rewards, weights)
    assert_close(of_following, gamma * weights)
    if gamma < 1.0:
        through_the_ends = gamma ** torch.arange(7.0).double().unsqueeze(-1)
        assert (of_rewards - through_the_ends).abs()[:, :2].amax(0).min() > 0.1


def test_episodes_in_one_column_weigh_as_much_as_in_columns_of_their_own(window):
    rewards, following, ends = window
    together = THROUGH_DYNAMICS.along_trajectories(rewards, following, ends, 0.9)[0]
    parts = [
        THROUGH_DYNAMICS.along_trajectories(*(x[part, :1] for x in window), 0.9)
        for part in (slice(0, 2), slice(2, 5), slice(5, 7))
    ]
    assert_close(together, torch.cat(parts).sum())


@pytest.fixture
def system():
    return LQR(
        num_envs=1, normalise_observation=False, normalise_reward=False, state_dim=5,
        action_dim=2, horizon=HORIZON, spectral_radius=1.0, action_cost=0.3, disturbance_std=0.3,
        system_seed=4,
    )  # fmt: skip


@pytest.fixture
def linear_policy(make_policy, system):
    """Return a function: a policy that is not the best one, with another std in each dimension."""

    def make(word):
        policy = make_policy(word, dims=2, hidden=())
        with torch.no_grad():
            policy.mean.weight.copy_(system.optimal_gain() + 0.4 * randn(2, 5))
            raw = torch.tensor([-0.6, -0.2, 0.7])
            policy.variance.raw.copy_(raw[: len(policy.variance.raw)])
        return policy

    return make


def _without_outer_discount(system, gain, covariance, gamma):
    """What `LQR.cost_gradient` gives when every step weighs as much as the first."""
    A, B, R = system.state_matrix, system.input_matrix, system.action_cost  # noqa: N806
    closed, moments = A + B @ gain, [torch.eye(5).double()]
    for _ in range(HORIZON - 1):
        added = B @ covariance @ B.T + system.disturbance_covariance
        moments.append(closed @ moments[-1] @ closed.T + added)
    of_gain, of_covariance, after = 0.0, 0.0, system.terminal_cost
    for moment in reversed(moments):
        curvature = R + B.T @ after @ B
        of_gain = of_gain + 2.0 * (curvature @ gain + B.T @ after @ A) @ moment
        of_covariance = of_covariance + curvature
        after = gamma * (system.state_cost + gain.T @ R @ gain + closed.T @ after @ closed)
    return of_gain, of_covariance


def _closed_form(system, policy, gamma, form=LQR.cost_gradient):
    """Gradient of minus the cost in the policy's bias, gain and raw numbers of the covariance."""
    gain = policy.mean.weight.detach().double()
    normal = policy.double()(torch.zeros(1, 5).double()).normal
    columns = [normal.transform(e) - normal.mean for e in torch.eye(2).double()]
    factor = torch.stack(columns, -1).squeeze(0)
    covariance = factor @ factor.T
    of_gain, of_covariance = form(system, gain, covariance.detach(), gamma)
    (of_raw,) = torch.autograd.grad(covariance, policy.variance.raw, of_covariance)
    policy.float()
    # The system is symmetric about 0, and so is where it begins: no bias is better than any.
    return [torch.zeros(2).double(), -of_gain, -of_raw]


def _parameters(policy):
    return [policy.mean.bias, policy.mean.weight, policy.variance.raw]


def _samples(policy, surrogates):
    """Gradients of a batch each, stacked by parameter, in float64."""
    found = [torch.autograd.grad(one.mean(), _parameters(policy)) for one in surrogates]
    return [torch.stack(column).double() for column in zip(*found, strict=True)]


def _through_dynamics(system, policy, gamma, batches=50, number=50):
    env = system.batch([np.random.default_rng(seed) for seed in range(number)])
    env.reset()
    for seed in range(batches):
        window = unroll(env, policy, randn(HORIZON, number, 2, seed=seed).float())
        assert window.terminated[-1].all()
        nothing = torch.zeros_like(window.rewards)
        yield THROUGH_DYNAMICS.along_trajectories(window.rewards, nothing, window.ends, gamma)


@torch.no_grad()
def _episodes(system, policy, seed, number=1000):
    """Observations, latents and rewards of whole episodes, each `[T, N, ...]`."""
    state, noise = randn(number, 5, seed=seed).float(), randn(HORIZON, number, 7, seed=seed + 999)
    steps = []
    for now in noise.float():
        u = policy(state).sample(now[:, :2])
        following, rewards = system.step(state, u, system.disturbance_std * now[:, 2:])
        steps.append([state, u, rewards])
        state = following
    steps[-1][2] = rewards + system.terminal_reward(state)
    return [torch.stack(column) for column in zip(*steps, strict=True)]


def _by_score(system, policy, gamma, weight, batches=60):
    estimator = score_function(weight=weight)
    for seed in range(batches):
        observations, latents, rewards = _episodes(system, policy, seed)
        zeros, ends = torch.zeros_like(rewards), torch.zeros_like(rewards, dtype=torch.bool)
        ends[-1] = True
        weights, _ = estimator.weights(
            Trajectories(rewards, zeros, zeros, ends, ~zeros.bool(), gamma, 1.0)
        )
        rows = Batch(latents.flatten(0, 1), weights.flatten(), zeros.flatten())
        yield HORIZON * estimator.at_taken_actions(policy(observations.flatten(0, 1)), rows)


@GAMMA
@pytest.mark.parametrize("word", ["learned_global", "full_global"])
def test_backpropagation_through_the_regulator_has_its_exact_gradient(
    system, linear_policy, in_se, word, gamma
):
    policy = linear_policy(word)
    samples = _samples(policy, _through_dynamics(system, policy, gamma))
    for found, exact in zip(samples, _closed_form(system, policy, gamma), strict=True):
        assert in_se(found, exact) < 4.5
    # The outer gamma^t is kept, and the discount is the one that was given.
    wrong = [_closed_form(system, policy, 1.6 - gamma)]
    if gamma < 1.0:
        wrong.append(_closed_form(system, policy, gamma, _without_outer_discount))
    for other in wrong:
        for found, exact in zip(samples[1:], other[1:], strict=True):
            assert in_se(found, exact) > 10.0


@GAMMA
@pytest.mark.parametrize("weight", ["total_return", "reward_to_go"])
def test_score_function_on_the_regulator_has_the_exact_gradient_that_it_aims_at(
    system, linear_policy, in_se, weight, gamma
):
    """The reward-to-go leaves out the outer gamma^t, the return of the episode does not."""
    policy = linear_policy("full_global")
    samples = _samples(policy, _by_score(system, policy, gamma, weight))
    forms = [LQR.cost_gradient, _without_outer_discount]
    right, wrong = forms if weight == "total_return" else forms[::-1]
    for found, exact in zip(samples, _closed_form(system, policy, gamma, right), strict=True):
        assert in_se(found, exact) < 4.5
    assert min(in_se(found, 0.0) for found in samples[1:]) > 10.0
    other = _closed_form(system, policy, gamma, wrong)
    if gamma < 1.0:
        assert in_se(samples[2], other[2]) > 10.0
    else:
        assert_close(other, _closed_form(system, policy, gamma, right))
