"""`env.backend=envpool`: environments stepped in C++ by the package envpool, to train in."""

import importlib
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gausspg.envs.batch import BatchedEnv, Episode, Step
from gausspg.envs.spaces import describe_actions
from gausspg.policies.actions import Actions

_REMEDY = "set env.backend=gymnasium"


class EnvpoolBatch(BatchedEnv):
    """A batch of one of envpool's environments; the bits do not depend on the number of threads.

    An environment of the pool is seeded once, when it is made, from its generator: its episodes
    follow from that seed and from the actions it is sent. Left alone, the pool would reset an
    environment in place of the next step; here it is told to as soon as an episode ends.

    Args:
        name, observation_dim, generators: see `BatchedEnv`.
        max_episode_steps: where an episode is cut off.
        threads: that step the environments.
    """

    def __init__(
        self,
        name: str,
        observation_dim: int,
        generators: Sequence[np.random.Generator],
        max_episode_steps: int,
        threads: int,
    ) -> None:
        super().__init__(name, observation_dim, generators)
        self._max_episode_steps = max_episode_steps
        # Cut off here and not by the pool, which calls an episode that ends by its own rules in its
        # last step truncated. A list of seeds: of one number, environment i gets the i-th next.
        self._pool: Any = _package().make_gymnasium(
            name,
            num_envs=len(self),
            seed=[self._draw_seed(index) for index in self._everyone],
            num_threads=threads,
            max_episode_steps=max_episode_steps + 1,
        )
        with warnings.catch_warnings():
            # That bounds in float64 become float32 is said once, when the space is first asked for.
            warnings.simplefilter("ignore")
            _ = self._pool.observation_space
        self._all = np.arange(len(self), dtype=np.int32)

    def close(self) -> None:
        """See `BatchedEnv`: the pool's threads end with it."""
        self._pool = None

    def _reset(self) -> None:
        self._begin(self._all)

    def _begin(self, rows: NDArray[np.int32]) -> None:
        self.observations[rows], _ = self._pool.reset(rows)
        self._returns[rows] = 0.0
        self._lengths[rows] = 0

    def _step(
        self, actions: NDArray[np.generic], active: Sequence[int] | None, step: Step
    ) -> list[Episode]:
        rows: Any = slice(None)
        moved = self._all
        if active is not None:
            moved = rows = np.array(active, np.int32)
        # What comes back is in the order of what is sent, whichever thread is done first.
        observations, rewards, terminated, _, _ = self._pool.step(actions[rows], moved)
        self.observations[rows] = observations
        step.rewards[rows] = rewards
        self._returns[rows] += rewards
        self._lengths[rows] += 1
        step.terminated[rows] = terminated
        step.truncated[rows] = ~terminated & (self._lengths[rows] >= self._max_episode_steps)
        ended = np.flatnonzero(step.terminated | step.truncated).astype(np.int32)
        if not len(ended):
            return []
        step.last_observations |= {int(row): self.observations[row].copy() for row in ended}
        episodes = [
            Episode(row, float(self._returns[row]), int(self._lengths[row]))
            for row in step.last_observations
        ]
        if active is None:
            self._begin(ended)
        return episodes


def refuse_what_has_no_pool(
    env_id: str, kwargs: Mapping[str, Any], actions: Actions, observation_dim: int
) -> None:
    """Refuse to step in envpool what it does not have, or has otherwise.

    Args:
        env_id: as Gymnasium knows it.
        kwargs: of `gymnasium.make`.
        actions: of Gymnasium's environment.
        observation_dim: of Gymnasium's environment.

    Raises:
        ModuleNotFoundError: the package cannot be imported.
        ValueError: it has no such environment, or kwargs and spaces are not those of its own.
    """
    package = _package()
    if env_id not in package.list_all_envs():
        raise ValueError(f"env.backend=envpool has no environment {env_id}: {_REMEDY}")
    lost = [key for key in kwargs if key != "max_episode_steps"]
    if lost:
        raise ValueError(
            f"env.kwargs.{lost[0]}={kwargs[lost[0]]} has no effect with env.backend=envpool: "
            f"leave it out or {_REMEDY}"
        )
    spec = package.make_spec(env_id)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shown, taken = spec.gymnasium_observation_space, spec.gymnasium_action_space
    same = getattr(shown, "shape", None) == (observation_dim,)
    if not same or describe_actions(taken, env_id) != actions:
        raise ValueError(
            f"env.backend=envpool has {env_id} with other observations or actions than Gymnasium: "
            f"{_REMEDY}"
        )


def _package() -> Any:
    try:
        return importlib.import_module("envpool")
    except ImportError as error:
        raise ModuleNotFoundError(
            f"env.backend=envpool needs the package envpool ({error}): run pip install -e "
            f"'.[envpool]', on Linux, or {_REMEDY}"
        ) from error
