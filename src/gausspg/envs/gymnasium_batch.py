"""Gymnasium's environments, stepped one after the other."""

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from gausspg.envs.batch import BatchedEnv, Episode, Step
from gausspg.envs.spaces import native_actions


class GymnasiumBatch(BatchedEnv):
    """A batch of a Gymnasium environment.

    Args:
        name, observation_dim, generators: see `BatchedEnv`.
        make: makes one of them, its observations flat.
        rebuild_at_reset: make an environment anew for every episode.
    """

    def __init__(
        self,
        name: str,
        observation_dim: int,
        generators: Sequence[np.random.Generator],
        make: Callable[[], gym.Env[Any, Any]],
        rebuild_at_reset: bool,
    ) -> None:
        super().__init__(name, observation_dim, generators)
        self._make, self._rebuild_at_reset = make, rebuild_at_reset
        self._envs = [make() for _ in generators]
        self._fresh = [True] * len(generators)

    def close(self) -> None:
        """See `BatchedEnv`."""
        for env in self._envs:
            env.close()

    def _reset(self) -> None:
        for index in self._everyone:
            self._reset_one(index)

    def _reset_one(self, index: int) -> None:
        if self._rebuild_at_reset and not self._fresh[index]:
            self._envs[index].close()
            self._envs[index] = self._make()
        self._fresh[index] = False
        self.observations[index], _ = self._envs[index].reset(seed=self._draw_seed(index))
        self._returns[index] = 0.0
        self._lengths[index] = 0

    def _step(
        self, actions: NDArray[np.generic], active: Sequence[int] | None, step: Step
    ) -> list[Episode]:
        native = native_actions(actions, self._envs[0].action_space)
        moved = self._everyone if active is None else active
        rewards = []
        for index in moved:
            observation, reward, terminated, truncated, _ = self._envs[index].step(native[index])
            self.observations[index] = observation
            rewards.append(float(reward))
            if terminated or truncated:
                step.terminated[index] = terminated
                step.truncated[index] = truncated and not terminated
                step.last_observations[index] = self.observations[index].copy()
        rows = slice(None) if active is None else list(active)
        step.rewards[rows] = rewards
        self._returns[rows] += rewards
        self._lengths[rows] += 1
        return [self._end(index, active is None) for index in step.last_observations]

    def _end(self, index: int, begin_anew: bool) -> Episode:
        episode = Episode(index, float(self._returns[index]), int(self._lengths[index]))
        if begin_anew:
            self._reset_one(index)
        return episode
