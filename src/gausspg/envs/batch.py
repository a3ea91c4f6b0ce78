"""Environments stepped in a batch, in this process: what all kinds of them share."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

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


class BatchedEnv(ABC):
    """A batch of one environment, reset as soon as an episode ends.

    Every episode is reset with a seed of its own, drawn from the stream of its environment: what
    happens in one environment has no influence on the others.

    Args:
        name: of the environment, for messages.
        observation_dim: length of an observation.
        generators: one per environment; they give the episodes' seeds.

    Attributes:
        name: of the environment.
        observations: `[num_envs, observation_dim]`, what the environments show now.
        seconds_in_step: wall time spent in resets and steps so far.
    """

    def __init__(
        self, name: str, observation_dim: int, generators: Sequence[np.random.Generator]
    ) -> None:
        self.name = name
        size = len(generators)
        self.observations: Array = np.zeros((size, observation_dim), np.float32)
        self.seconds_in_step = 0.0
        self._generators = generators
        self._returns = np.zeros(size)
        self._lengths = np.zeros(size, np.int64)
        self._everyone = range(size)

    def __len__(self) -> int:
        return len(self._everyone)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Let go of what the environments hold."""

    def reset(self) -> None:
        """Begin a new episode in every environment; `observations` holds what they show.

        Raises:
            NonFiniteError: an observation is NaN or infinite.
        """
        begin = time.perf_counter()
        self._reset()
        self.seconds_in_step += time.perf_counter() - begin
        self._check(self.observations, "observations at reset")

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
        begin = time.perf_counter()
        episodes = self._step(actions, active, step)
        self.seconds_in_step += time.perf_counter() - begin
        self._check(self.observations, "observations")
        self._check(step.rewards, "rewards")
        for index, observation in step.last_observations.items():
            self._check(observation, f"last observation of environment {index}")
        return step, episodes

    @abstractmethod
    def _reset(self) -> None:
        """Begin a new episode everywhere and write `observations`."""

    @abstractmethod
    def _step(
        self, actions: NDArray[np.generic], active: Sequence[int] | None, step: Step
    ) -> list[Episode]:
        """Do what `step` says: fill `step` in, write `observations`, return what ended."""

    def _draw_seed(self, index: int) -> int:
        return int(self._generators[index].integers(2**31))

    def _check(self, array: Array, name: str) -> None:
        # One sum instead of an array of flags: this runs at every step.
        if not math.isfinite(array.sum(dtype=np.float64)):
            rows = np.argwhere(~np.isfinite(array))
            place = f" at index {rows[0].tolist()}" if len(rows) else ""
            raise NonFiniteError(f"{name} of {self.name} are not finite{place}")
