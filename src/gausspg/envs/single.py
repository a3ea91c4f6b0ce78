"""One environment written in torch behind Gymnasium's interface: for videos and other loops."""

from typing import Any, Protocol

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gausspg.envs.dynamics import Dynamics


class Canvas(Protocol):
    """Draws states."""

    def draw(self, state: Tensor, action: Tensor | None) -> NDArray[np.uint8]:
        """Return an RGB frame `[height, width, 3]`.

        Args:
            state: `[state_dim]`.
            action: `[action_dim]`, the one that led there; None after a reset.
        """

    def close(self) -> None:
        """Let go of the graphics library."""


class Single(gym.Env[NDArray[np.float32], NDArray[np.float32]]):
    """One environment with these dynamics.

    Args:
        dynamics: of its state.
        canvas: what draws; None: `render` gives nothing.
    """

    def __init__(self, dynamics: Dynamics, canvas: Canvas | None) -> None:
        self._dynamics, self._canvas = dynamics, canvas
        # Frames are asked for by `render_mode`, as in Gymnasium's own environments.
        self.render_mode = None if canvas is None else "rgb_array"
        shape = (dynamics.observation_dim,)
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, shape, np.float32)
        low, high = dynamics.actions.low, dynamics.actions.high
        bounds = np.array([low, high], np.float32)
        self.action_space = gym.spaces.Box(bounds[0], bounds[1], dtype=np.float32)
        self._action: Tensor | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin the episode with this seed, or one with a seed that is drawn; no options."""
        super().reset(seed=seed)
        episode = int(self.np_random.integers(2**31)) if seed is None else seed
        self._state, self._disturbances = self._dynamics.begin(episode)
        self._action, self._length = None, 0
        return self._observe(), {}

    @torch.no_grad()
    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Take one step; see `gymnasium.Env.step`."""
        dynamics = self._dynamics
        self._action = torch.from_numpy(np.array(action, np.float32))
        disturbance = self._disturbances[min(self._length, len(self._disturbances) - 1)]
        state, rewards = dynamics.step(self._state[None], self._action[None], disturbance[None])
        self._state = state[0]
        self._length += 1
        over = self._length >= dynamics.max_episode_steps
        if over and dynamics.terminates:
            rewards = rewards + dynamics.terminal_reward(state)
        terminated, truncated = over and dynamics.terminates, over and not dynamics.terminates
        return self._observe(), float(rewards), terminated, truncated, {}

    def render(self) -> Any:
        """Return an RGB frame `[height, width, 3]`, or None without a canvas."""
        return None if self._canvas is None else self._canvas.draw(self._state, self._action)

    def close(self) -> None:
        """See `gymnasium.Env.close`."""
        if self._canvas is not None:
            self._canvas.close()

    def _observe(self) -> NDArray[np.float32]:
        return np.asarray(self._dynamics.observe(self._state[None])[0].numpy())
