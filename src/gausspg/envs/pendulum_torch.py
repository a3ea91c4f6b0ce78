"""`env=pendulum_torch`: Gymnasium's Pendulum-v1 in torch."""

import math
from typing import Any

import numpy as np
import torch
from gymnasium.envs.classic_control import PendulumEnv
from numpy.typing import NDArray
from torch import Tensor

from gausspg.envs.differentiable import DifferentiableEnvironment
from gausspg.envs.single import Canvas
from gausspg.policies.actions import BoxActions
from gausspg.ranges import Count, Natural

_GRAVITY, _MASS, _LENGTH = 10.0, 1.0, 1.0  # m/s^2, kg, m
_SECONDS = 0.05  # of a step
_MAX_SPEED, _MAX_TORQUE = 8.0, 2.0  # rad/s, N m
_STEPS = 200


class PendulumTorch(DifferentiableEnvironment):
    """A rod hung up at one end, to be swung up and held upright by a torque that is too weak.

    The same dynamics, reward, limits and initial distribution as Gymnasium's Pendulum-v1 (its
    `classic_control/pendulum.py`), in float32 instead of float64. The state is (angle in rad, 0
    upright and not wrapped; angular velocity in rad/s), the observation (cos, sin, velocity).

    Torque and velocity are clamped, and where a clamp is at work the gradient through it is zero,
    as the derivative of the true dynamics is. The reward is not differentiable where the rod
    hangs straight down; there it is continuous, and the gradient is one of the two one-sided ones.

    Args:
        num_envs, normalise_observation, normalise_reward, frame_skip: see `BaseEnvironment`.
    """

    id = "pendulum_torch"
    terminates = False
    clips_actions = True

    def __init__(
        self,
        num_envs: Count,
        normalise_observation: bool,
        normalise_reward: bool,
        frame_skip: Natural,
    ) -> None:
        super().__init__(
            max_episode_steps=_STEPS,
            actions=BoxActions((-_MAX_TORQUE,), (_MAX_TORQUE,)),
            observation_dim=3,
            num_envs=num_envs,
            normalise_observation=normalise_observation,
            normalise_reward=normalise_reward,
            frame_skip=frame_skip,
        )

    def initial_state(self, generator: torch.Generator) -> Tensor:
        """See `DifferentiableEnvironment`: uniform over all angles and +-1 rad/s."""
        return (2.0 * torch.rand(2, generator=generator) - 1.0) * torch.tensor([math.pi, 1.0])

    def observe(self, state: Tensor) -> Tensor:
        """See `DifferentiableEnvironment`."""
        angle, velocity = state.unbind(-1)
        return torch.stack([angle.cos(), angle.sin(), velocity], -1)

    def step(self, state: Tensor, action: Tensor, disturbance: Tensor) -> tuple[Tensor, Tensor]:
        """See `DifferentiableEnvironment`; nothing disturbs the pendulum."""
        angle, velocity = state.unbind(-1)
        torque = action.squeeze(-1).clamp(-_MAX_TORQUE, _MAX_TORQUE)
        # In [-pi, pi): the shorter way round to upright.
        error = torch.remainder(angle + math.pi, 2.0 * math.pi) - math.pi
        reward = -(error.square() + 0.1 * velocity.square() + 0.001 * torque.square())
        inertia = _MASS * _LENGTH**2 / 3.0
        weight = 0.5 * _MASS * _GRAVITY * _LENGTH * angle.sin()
        pushed = velocity + (weight + torque) / inertia * _SECONDS
        # Semi-implicit Euler: the angle moves with the new velocity.
        velocity = pushed.clamp(-_MAX_SPEED, _MAX_SPEED)
        return torch.stack([angle + velocity * _SECONDS, velocity], -1), reward

    def canvas(self) -> Canvas:
        """See `DifferentiableEnvironment`: Gymnasium's own picture."""
        return _Picture()


class _Picture:
    """Gymnasium's pendulum, put into the state to be drawn."""

    def __init__(self) -> None:
        self._env: Any = PendulumEnv(render_mode="rgb_array")

    def draw(self, state: Tensor, action: Tensor | None) -> NDArray[np.uint8]:
        """See `Canvas`."""
        self._env.state = state.double().numpy()
        torque = None if action is None else float(action.clamp(-_MAX_TORQUE, _MAX_TORQUE))
        self._env.last_u = torque
        frame: NDArray[np.uint8] = self._env.render()
        return frame

    def close(self) -> None:
        """See `Canvas`."""
        self._env.close()
