"""`pendulum_torch` is Gymnasium's Pendulum-v1, with a gradient."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch import Tensor

from composing import settings_of
from gausspg.envs.pendulum_torch import PendulumTorch
from gausspg.policies.actions import BoxActions
from gausspg.training.factory import build_environment

NOTHING = torch.zeros(1, 0)


@pytest.fixture
def pendulum() -> PendulumTorch:
    return PendulumTorch(1, False, False, 0)


def bare(seed: int) -> tuple[gym.Env, Any]:
    """Return Pendulum-v1 after a reset, and the environment inside its wrappers."""
    env = gym.make("Pendulum-v1", disable_env_checker=True)
    env.reset(seed=seed)
    return env, env.unwrapped


def torques(seed: int) -> np.ndarray:
    """Torques for one episode, half of them beyond the bounds, that push it about."""
    generator = np.random.default_rng(seed)
    return generator.uniform(-4.0, 4.0, (200, 1)).astype(np.float32) * np.float32(1 + seed % 2)


def of(inner: Any) -> Tensor:
    return torch.tensor(inner.state)[None]


@pytest.mark.parametrize("seed", range(6))
def test_whole_episodes_are_those_of_gymnasium(pendulum: PendulumTorch, seed: int) -> None:
    """In float64, as Gymnasium computes: small differences grow by e^3.9 a second when upright."""
    env, inner = bare(seed)
    state = of(inner)
    for t, torque in enumerate(torques(seed)):
        # A torque in float32 would be multiplied in float32.
        torque = torque.astype(float)
        shown, reward, terminated, truncated, _ = env.step(torque)
        state, ours = pendulum.step(state, torch.from_numpy(torque)[None], NOTHING)
        assert float(ours) == pytest.approx(reward, rel=1e-9, abs=1e-9)
        np.testing.assert_allclose(state[0], inner.state, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(pendulum.observe(state)[0], shown, rtol=1e-6, atol=1e-6)
        assert (terminated, truncated) == (False, t == 199)


@pytest.mark.parametrize("seed", range(6))
def test_every_step_in_float32_is_that_of_gymnasium(pendulum: PendulumTorch, seed: int) -> None:
    """From Gymnasium's state each time, through the batch that training steps."""
    env, inner = bare(seed)
    batch = pendulum.batch([np.random.default_rng(0)])
    batch.reset()
    spun = 0.0
    for t, torque in enumerate(torques(seed)):
        batch.state = of(inner).float()
        spun = max(spun, abs(inner.state[0]))
        shown, reward, terminated, truncated, _ = env.step(torque)
        taken = batch.advance(torch.from_numpy(torque)[None])
        # Angles reach tens of rad, where neighbouring numbers of float32 lie 4e-6 apart.
        assert float(taken.rewards) == pytest.approx(reward, rel=1e-5, abs=1e-5)
        np.testing.assert_allclose(taken.next_observations[0], shown, rtol=0.0, atol=1e-5)
        assert (bool(taken.terminated), bool(taken.truncated)) == (terminated, truncated)
        assert len(taken.episodes) == (t == 199)
    assert spun > 1.0


def test_limits_are_those_of_gymnasium(pendulum: PendulumTorch) -> None:
    env, inner = bare(0)
    assert isinstance(pendulum.actions, BoxActions)
    assert pendulum.actions.low == tuple(env.action_space.low)
    assert pendulum.actions.high == tuple(env.action_space.high)
    for angle, velocity in ((1.0, 7.9), (-1.0, -7.9), (np.pi, 0.0), (-7.0, 8.0)):
        for torque in (-9.0, -2.0, 0.3, 2.0, 9.0):
            inner.state = np.array([angle, velocity])
            state, reward = pendulum.step(
                of(inner), torch.tensor([[torque]], dtype=torch.float64), NOTHING
            )
            _, expected, *_ = inner.step(np.array([torque]))
            assert float(reward) == pytest.approx(expected, rel=1e-12)
            np.testing.assert_allclose(state[0], inner.state, rtol=1e-12)


def test_episodes_begin_as_those_of_gymnasium_do(pendulum: PendulumTorch) -> None:
    ours = torch.stack([pendulum.begin(seed)[0] for seed in range(4000)])
    env, inner = bare(0)
    theirs = []
    for seed in range(4000):
        env.reset(seed=seed)
        theirs.append(inner.state)
    assert (ours.abs() <= torch.tensor([np.pi, 1.0])).all()
    # Deciles of the two samples differ by at most a few standard errors: sqrt(2 p (1 - p) / 4000).
    for column in range(2):
        deciles = np.quantile(np.array(theirs)[:, column], np.arange(0.1, 1.0, 0.1))
        shares = (ours[:, column].numpy()[:, None] < deciles).mean(0)
        p = np.arange(0.1, 1.0, 0.1)
        assert (np.abs(shares - p) < 4.0 * np.sqrt(2.0 * p * (1.0 - p) / 4000)).all()
    assert abs(np.corrcoef(ours.T.numpy())[0, 1]) < 4.0 / np.sqrt(4000)


def test_the_gradient_is_that_of_finite_differences(pendulum: PendulumTorch) -> None:
    generator = torch.Generator().manual_seed(0)
    actions = torch.rand(10, 1, generator=generator).double() * 2.0 - 1.0
    start = torch.tensor([[0.5, 0.3]], dtype=torch.float64)

    def total(start: Tensor, actions: Tensor) -> Tensor:
        state, earned = start, torch.zeros(1).double()
        for action in actions:
            state, reward = pendulum.step(state, action[None], NOTHING)
            earned = earned + reward
        return earned

    start.requires_grad_()
    assert torch.autograd.gradcheck(total, (start, actions.requires_grad_()))


def test_clamps_have_a_gradient_of_zero(pendulum: PendulumTorch) -> None:
    state = torch.tensor([[0.5, 0.0], [0.5, 0.0], [1.5, 7.9]], requires_grad=True)
    action = torch.tensor([[1.0], [3.0], [1.0]], requires_grad=True)
    following, _ = pendulum.step(state, action, NOTHING)
    by_state, by_action = torch.autograd.grad(following[:, 1].sum(), (state, action))
    assert (by_action != 0.0).squeeze(-1).tolist() == [True, False, False]
    assert (by_state[:, 1] != 0.0).tolist() == [True, True, False]


def test_its_file_builds_it() -> None:
    environment = build_environment(settings_of("env=pendulum_torch", "env.num_envs=5"))
    assert isinstance(environment, PendulumTorch)
    assert (environment.id, environment.num_envs, environment.observation_dim) == (
        "pendulum_torch", 5, 3,
    )  # fmt: skip
    assert environment.differentiable
    assert not build_environment(settings_of("env=pendulum")).differentiable


def test_it_is_drawn_as_gymnasium_draws_it(
    pendulum: PendulumTorch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    theirs: Any = gym.make("Pendulum-v1", render_mode="rgb_array").unwrapped
    theirs.reset(seed=0)
    ours = pendulum.make(render=True)
    ours.reset(seed=0)
    theirs.state = pendulum.begin(0)[0].double().numpy()
    frames = []
    for torque in (1.0, -5.0):
        frames.append(ours.render())
        # Positions are rounded to pixels, and those of float32 now and then to the next one.
        assert (frames[-1] != theirs.render()).mean() < 1e-3
        ours.step(np.array([torque], np.float32))
        theirs.step(np.array([torque], np.float32))
    assert (frames[0] != frames[1]).mean() > 1e-3
    ours.close()
    theirs.close()
