"""Gymnasium's environments, stepped one after the other."""

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from gausspg.envs.answers import (
    EnvironmentFailedError,
    in_one_line,
    observation_as_declared,
    reward_as_number,
)
from gausspg.envs.batch import BatchedEnv, Episode, Step
from gausspg.envs.spaces import native_actions


class GymnasiumBatch(BatchedEnv):
    """A batch of a Gymnasium environment.

    Args:
        name, observation_dim, generators: see `BatchedEnv`.
        make: makes one of them, its observations flat.
        rebuild_at_reset: make an environment anew for every episode.

    `reset` and `step` raise `EnvironmentFailedError` where an environment raises, or gives an
    observation or a reward that is not what it declares.
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
        self._shape = (observation_dim,)

    def close(self) -> None:
        """See `BatchedEnv`."""
        for env in self._envs:
            env.close()

    def _reset(self) -> None:
        for index in self._everyone:
            self._reset_one(index)

    def _reset_one(self, index: int) -> None:
        seed = self._draw_seed(index)
        try:
            if self._rebuild_at_reset and not self._fresh[index]:
                self._envs[index].close()
                self._envs[index] = self._make()
            observation, _ = self._envs[index].reset(seed=seed)
        except Exception as error:
            raise self._failure(error) from error
        self._fresh[index] = False
        if type(observation) is not np.ndarray or observation.shape != self._shape:
            observation = self._declared(observation)
        self.observations[index] = observation
        self._returns[index] = 0.0
        self._lengths[index] = 0

    def _step(
        self, actions: NDArray[np.generic], active: Sequence[int] | None, step: Step
    ) -> list[Episode]:
        native = native_actions(actions, self._envs[0].action_space)
        moved = self._everyone if active is None else active
        rewards = []
        # What an environment leaves of the processor's caches makes every look-up slow.
        ndarray, shape, plain = np.ndarray, self._shape, (float, np.floating, int)
        for index in moved:
            try:
                observation, reward, terminated, truncated, _ = self._envs[index].step(
                    native[index]
                )
            except Exception as error:
                raise self._failure(error, index) from error
            # Written as it is, one number would stand in every place of an observation.
            if type(observation) is not ndarray or observation.shape != shape:
                observation = self._declared(observation, index)
            self.observations[index] = observation
            is_plain = isinstance(reward, plain)
            rewards.append(float(reward) if is_plain else self._number(reward, index))
            if terminated or truncated:
                step.terminated[index] = terminated
                step.truncated[index] = truncated and not terminated
                step.last_observations[index] = self.observations[index].copy()
        rows = slice(None) if active is None else list(active)
        step.rewards[rows] = rewards
        self._returns[rows] += rewards
        self._lengths[rows] += 1
        return [self._end(index, active is None) for index in step.last_observations]

    def _place(self, index: int | None) -> str:
        return "at reset" if index is None else f"in step {self._lengths[index] + 1} of an episode"

    def _failure(self, error: Exception, index: int | None = None) -> EnvironmentFailedError:
        return EnvironmentFailedError(
            f"{self.name} raised {in_one_line(error)} {self._place(index)}"
        )

    def _declared(self, observation: Any, index: int | None = None) -> NDArray[np.generic]:
        try:
            return observation_as_declared(observation, self._shape[0])
        except ValueError as error:
            raise EnvironmentFailedError(
                f"{self.name} gave {error} {self._place(index)}"
            ) from error

    def _number(self, reward: Any, index: int) -> float:
        try:
            return reward_as_number(reward)
        except ValueError as error:
            raise EnvironmentFailedError(
                f"{self.name} gave {error} {self._place(index)}"
            ) from error

    def _end(self, index: int, begin_anew: bool) -> Episode:
        episode = Episode(index, float(self._returns[index]), int(self._lengths[index]))
        if begin_anew:
            self._reset_one(index)
        return episode
