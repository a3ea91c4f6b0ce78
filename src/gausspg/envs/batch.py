"""Environments stepped in a batch, in this process."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from gausspg.envs.environment import Environment
from gausspg.envs.spaces import native_actions

Array = NDArray[np.float32]


class NonFiniteError(ArithmeticError):
    """NaN or infinity where a run cannot go on; the message names the tensor and the place."""


@dataclass
class Step:
    """What one batched step gave; row i belongs to environment i, rows not stepped are stale.

    Attributes:
        rewards: `[num_envs]`.
        terminated: `[num_envs]`, the episode ended by its own rules.
        truncated: `[num_envs]`, and not terminated: the episode was cut off.
        last_observations: the true last observation of each episode that ended in this step.
    """

    rewards: Array
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    last_observations: dict[int, Array]


@dataclass(frozen=True)
class Episode:
    """A finished episode, in the environment's own reward."""

    env: int
    total_return: float
    length: int


class BatchedEnv:
    """A batch of one environment, reset as soon as an episode ends.

    Every episode is reset with a seed of its own, drawn from the stream of its environment: what
    happens in one environment has no influence on the others.

    Args:
        environment: what to make.
        generators: one per environment; they give the episodes' seeds.
    """

    def __init__(self, environment: Environment, generators: Sequence[np.random.Generator]) -> None:
        self.environment = environment
        self._generators = generators
        self._envs: list[gym.Env[Any, Any]] = [environment.make() for _ in generators]
        size = len(generators)
        self.observations: Array = np.zeros((size, environment.observation_dim), np.float32)
        self.seconds_in_step = 0.0
        self._returns = np.zeros(size)
        self._lengths = np.zeros(size, np.int64)
        self._fresh = [True] * size
        self._everyone = range(size)

    def __len__(self) -> int:
        return len(self._envs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for env in self._envs:
            env.close()

    def reset(self) -> None:
        """Begin a new episode in every environment; `observations` holds what they show."""
        begin = time.perf_counter()
        for index in self._everyone:
            self._reset(index)
        self.seconds_in_step += time.perf_counter() - begin
        self._check(self.observations, "observations at reset")

    def _reset(self, index: int) -> None:
        if self.environment.rebuild_at_reset and not self._fresh[index]:
            self._envs[index].close()
            self._envs[index] = self.environment.make()
        self._fresh[index] = False
        seed = int(self._generators[index].integers(2**31))
        self.observations[index], _ = self._envs[index].reset(seed=seed)
        self._returns[index] = 0.0
        self._lengths[index] = 0

    def step(
        self, actions: NDArray[np.generic], active: Sequence[int] | None = None
    ) -> tuple[Step, list[Episode]]:
        """Step every environment and reset those that ended, or step those in `active` only.

        Args:
            actions: `[num_envs, ...]`, as the policy gives them.
            active: indices of the environments to step; those that end stay as they are, for the
                caller to leave out from then on.

        Returns:
            The step, and the episodes that ended in it. `observations` is overwritten.

        Raises:
            NonFiniteError: an observation or a reward is NaN or infinite.
        """
        size = len(self)
        step = Step(np.zeros(size, np.float32), np.zeros(size, bool), np.zeros(size, bool), {})
        episodes: list[Episode] = []
        native = native_actions(actions, self._envs[0].action_space)
        begin = time.perf_counter()
        for index in self._everyone if active is None else active:
            observation, reward, terminated, truncated, _ = self._envs[index].step(native[index])
            self.observations[index] = observation
            step.rewards[index] = reward
            self._returns[index] += float(reward)
            self._lengths[index] += 1
            if terminated or truncated:
                step.terminated[index] = terminated
                step.truncated[index] = truncated and not terminated
                step.last_observations[index] = self.observations[index].copy()
                episode = Episode(index, float(self._returns[index]), int(self._lengths[index]))
                episodes.append(episode)
                if active is None:
                    self._reset(index)
        self.seconds_in_step += time.perf_counter() - begin
        self._check(self.observations, "observations")
        self._check(step.rewards, "rewards")
        for index, observation in step.last_observations.items():
            self._check(observation, f"last observation of environment {index}")
        return step, episodes

    def _check(self, array: Array, name: str) -> None:
        # One sum instead of an array of flags: this runs at every step.
        if not np.isfinite(array.sum(dtype=np.float64)):
            rows = np.argwhere(~np.isfinite(array))
            place = f" at index {rows[0].tolist()}" if len(rows) else ""
            raise NonFiniteError(f"{name} of {self.environment.id} are not finite{place}")
