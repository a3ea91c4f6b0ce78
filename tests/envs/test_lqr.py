"""`lqr`: simulation, closed forms and differentiation agree with one another."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from composing import settings_of
from gausspg.envs.lqr import LQR
from gausspg.training.build import SettingsError
from gausspg.training.factory import build_environment

SETTINGS: dict[str, Any] = {
    "num_envs": 1, "normalise_observation": False, "normalise_reward": False, "state_dim": 3,
    "action_dim": 2, "horizon": 6, "spectral_radius": 1.05, "action_cost": 0.3,
    "disturbance_std": 0.4, "system_seed": 4,
}  # fmt: skip
GAMMA = pytest.mark.parametrize("gamma", [1.0, 0.9])
EPISODES = 4000


def made(**changed: Any) -> LQR:
    return LQR(**SETTINGS | changed)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def policy_for(environment: LQR) -> tuple[Tensor, Tensor]:
    """Return a gain that is not the best, and the Cholesky factor of a full covariance."""
    gain = environment.optimal_gain() + 0.1 * randn(2, 3)
    return gain, torch.tensor([[0.5, 0.0], [-0.2, 0.3]], dtype=torch.float64)


def simulate(environment: LQR, gain: Tensor, factor: Tensor, gamma: float) -> Tensor:
    """Return the discounted return of each row of `gain` and `factor`, with its graph."""
    env = environment.batch([np.random.default_rng(seed) for seed in range(len(gain))])
    env.reset()
    noise = torch.Generator().manual_seed(1)
    earned = torch.zeros(len(gain))
    for t in range(environment.max_episode_steps):
        eps = torch.randn(len(gain), 2, 1, generator=noise)
        actions = gain.float() @ env.current[:, :, None] + factor.float() @ eps
        taken = env.advance(actions.squeeze(-1))
        earned = earned + gamma**t * taken.rewards
    assert taken.terminated.all()
    return earned


@GAMMA
def test_the_cost_is_the_mean_of_episodes(
    gamma: float, in_se: Callable[[Tensor, Tensor], float]
) -> None:
    environment = made()
    gain, factor = policy_for(environment)
    with torch.no_grad():
        costs = -simulate(
            environment, gain.expand(EPISODES, -1, -1), factor.expand(EPISODES, -1, -1), gamma
        ).double()
    cost = environment.cost(gain, factor @ factor.T, gamma)
    assert in_se(costs, cost) < 4.0
    assert in_se(costs, 1.2 * cost) > 10.0


def gradient_by_step(
    environment: LQR, gain: Tensor, covariance: Tensor, gamma: float
) -> list[Tensor]:
    """Differentiate the cost in the gain of each step, as if each had one of its own."""
    A, B = environment.state_matrix, environment.input_matrix  # noqa: N806
    gains = [gain.clone().requires_grad_() for _ in range(environment.max_episode_steps)]
    moment, cost, weight = torch.eye(3).double(), torch.zeros(()).double(), 1.0
    for t, used in enumerate(gains):
        weight = gamma**t
        running = environment.state_cost + used.T @ environment.action_cost @ used
        cost = cost + weight * (running @ moment).trace()
        added = B @ covariance @ B.T + environment.disturbance_covariance
        moment = (A + B @ used) @ moment @ (A + B @ used).T + added
    cost = cost + weight * (environment.terminal_cost @ moment).trace()
    return list(torch.autograd.grad(cost, gains))


@GAMMA
def test_the_gradient_is_the_mean_of_backpropagation_through_episodes(
    gamma: float, in_se: Callable[[Tensor, Tensor], float]
) -> None:
    environment = made(horizon=12)
    gain, factor = policy_for(environment)
    covariance = factor @ factor.T
    # A copy for each episode, so that each has a gradient of its own.
    gains, factors = (each.repeat(EPISODES, 1, 1).requires_grad_() for each in (gain, factor))
    (-simulate(environment, gains, factors, gamma)).sum().backward()
    by_gain, by_covariance = environment.cost_gradient(gain, covariance, gamma)
    by_factor = (2.0 * by_covariance @ factor).tril()
    lower = factor != 0.0
    assert in_se(gains.grad, by_gain) < 4.0
    assert in_se(factors.grad[:, lower], by_factor[lower]) < 4.0
    steps = gradient_by_step(environment, gain, covariance, gamma)
    torch.testing.assert_close(sum(steps), by_gain)
    if gamma < 1.0:
        # What is left of it when every step weighs as much as the first.
        undiscounted = sum(step / gamma**t for t, step in enumerate(steps))
        assert in_se(gains.grad, undiscounted) > 10.0
    else:
        assert in_se(gains.grad, 1.3 * by_gain) > 10.0


@GAMMA
@pytest.mark.parametrize("horizon", [1, 2, 6, 40])
def test_the_gradient_is_the_derivative_of_the_cost(gamma: float, horizon: int) -> None:
    environment = made(horizon=horizon)
    gain, factor = policy_for(environment)
    covariance = factor @ factor.T
    leaves = [gain.clone().requires_grad_(), covariance.clone().requires_grad_()]
    environment.cost(leaves[0], leaves[1], gamma).backward()
    for leaf, found in zip(leaves, environment.cost_gradient(gain, covariance, gamma), strict=True):
        torch.testing.assert_close(found, leaf.grad, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("horizon", [1, 2, 6, 40])
@pytest.mark.parametrize("std", [0.0, 0.5])
def test_the_optimal_gain_is_optimal_at_every_horizon_and_noise(horizon: int, std: float) -> None:
    environment = made(horizon=horizon)
    gain, covariance = environment.optimal_gain(), std**2 * torch.eye(2, dtype=torch.float64)
    best = environment.cost(gain, covariance)
    by_gain, _ = environment.cost_gradient(gain, covariance)
    assert by_gain.abs().max() < 1e-10 * best
    for seed in range(20):
        direction = randn(2, 3, seed=seed)
        worse = environment.cost(gain + 0.01 * direction, covariance) - best
        assert worse > 0.0
        # Along a line the cost is smooth: far less changes at a tenth of the distance.
        nearer = environment.cost(gain + 0.001 * direction, covariance) - best
        assert float(nearer / worse) == pytest.approx(0.01, rel=0.2)


@pytest.mark.parametrize("horizon", [1, 5])
def test_no_gains_that_change_with_time_are_better(horizon: int) -> None:
    """Riccati's recursion, written out backwards: the value function of the best policy."""
    environment = made(horizon=horizon)
    A, B = environment.state_matrix, environment.input_matrix  # noqa: N806
    value, constant = environment.terminal_cost, 0.0
    for _ in range(horizon):
        gain = -torch.linalg.solve(environment.action_cost + B.T @ value @ B, B.T @ value @ A)
        torch.testing.assert_close(gain, environment.optimal_gain(), rtol=1e-10, atol=1e-10)
        constant += float((value @ environment.disturbance_covariance).trace())
        closed = A + B @ gain
        running = environment.state_cost + gain.T @ environment.action_cost @ gain
        value = running + closed.T @ value @ closed
    assert environment.optimal_cost() == pytest.approx(float(value.trace()) + constant, rel=1e-10)
    none = torch.zeros(2, 2, dtype=torch.float64)
    cost = float(environment.cost(environment.optimal_gain(), none))
    assert environment.optimal_cost() == pytest.approx(cost, rel=1e-10)


@pytest.mark.parametrize("radius", [0.5, 1.0, 1.3])
def test_the_system_is_what_the_settings_say(radius: float) -> None:
    environment = made(spectral_radius=radius, action_dim=4, action_cost=2.0, disturbance_std=0.5)
    eigenvalues = torch.linalg.eigvals(environment.state_matrix).abs()
    assert float(eigenvalues.max()) == pytest.approx(radius)
    torch.testing.assert_close(environment.input_matrix.norm(dim=0), torch.ones(4).double())
    assert torch.equal(environment.action_cost, 2.0 * torch.eye(4).double())
    assert torch.equal(environment.disturbance_covariance, 0.25 * torch.eye(3).double())
    closed = environment.state_matrix + environment.input_matrix @ environment.optimal_gain()
    assert torch.linalg.eigvals(closed).abs().max() < 1.0


def test_the_system_depends_on_its_seed_alone() -> None:
    one, same, other = (
        made(),
        made(num_envs=9, horizon=50, disturbance_std=0.0),
        made(system_seed=5),
    )
    assert torch.equal(one.state_matrix, same.state_matrix)
    assert torch.equal(one.terminal_cost, same.terminal_cost)
    assert not torch.equal(one.state_matrix, other.state_matrix)


def test_episodes_differ_in_where_they_begin_and_in_what_disturbs_them(
    in_se: Callable[[Tensor, Tensor], float],
) -> None:
    environment = made()
    states, disturbances = zip(*(environment.begin(seed) for seed in range(2000)), strict=True)
    start, first = torch.stack(states), torch.stack(disturbances)
    identity = torch.eye(3)
    assert in_se(start[:, :, None] * start[:, None], identity) < 4.0
    late = first[:, [0, 3]].flatten(1)
    assert in_se(late[:, :, None] * late[:, None], 0.16 * torch.eye(6)) < 4.0
    assert in_se(start[:, :, None] * first[:, 0, None], torch.zeros(3, 3)) < 4.0


def test_its_file_builds_it_with_a_linear_policy() -> None:
    settings = settings_of("env=lqr", "env.state_dim=5", "env.horizon=7")
    environment = build_environment(settings)
    assert isinstance(environment, LQR)
    assert (environment.id, environment.observation_dim) == ("lqr", 5)
    assert environment.max_episode_steps == 7
    assert environment.actions.low == (-np.inf, -np.inf)
    assert environment.differentiable
    assert (settings.gamma, settings.policy["hidden"], settings.video.frames) == (1.0, [], 0)
    assert settings.squash["_target_"].endswith(".Unsquashed")


def test_a_system_that_cannot_be_controlled_is_refused() -> None:
    words = ("env=lqr", "env.state_dim=60", "env.action_dim=1", "env.spectral_radius=3")
    with pytest.raises(SettingsError, match=r"^env\.action_dim=1 is too few") as caught:
        build_environment(settings_of(*words))
    assert "\n" not in str(caught.value)


def test_there_is_no_picture_of_it() -> None:
    with pytest.raises(NotImplementedError, match=r"env=lqr.*set video\.frames=0$"):
        made().make(render=True)
    assert made().make().render() is None
