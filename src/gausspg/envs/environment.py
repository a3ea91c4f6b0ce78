"""`conf/env/`: which environment, and how to make one that can be trusted at reset."""

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import gymnasium as gym
import numpy as np

from gausspg.envs.answers import in_one_line, try_out
from gausspg.envs.base import BaseEnvironment
from gausspg.envs.batch import BatchedEnv
from gausspg.envs.envpool_batch import EnvpoolBatch, refuse_what_has_no_pool
from gausspg.envs.gymnasium_batch import GymnasiumBatch
from gausspg.envs.mujoco_messages import without_deprecations
from gausspg.envs.spaces import (
    describe_actions,
    needs_flattening,
    refuse_observations,
    takes_integers,
)
from gausspg.ranges import Count, Natural

LONGEST_EPISODE = 10_000
"""Steps after which an episode is cut off where neither environment nor settings say when."""


class Environment(BaseEnvironment):
    """A Gymnasium environment by its id, tried out for a reset and two steps.

    Args:
        id: as Gymnasium knows it, `module:Name-v0` included.
        num_envs: how many are stepped in a batch while training.
        normalise_observation: shift and scale observations by running statistics.
        normalise_reward: scale rewards by the running std of their discounted sum; training only.
        rebuild_at_reset: make the environment anew for every episode, so that `reset(seed=k)` does
            not depend on what it was used for before. BipedalWalker needs it: it keeps one Box2D
            world, with all its contact caches, for life.
        frame_skip: frames left out between two of the video.
        clips_actions: it clips actions to their bounds itself; see `BaseEnvironment`.
        kwargs: passed to `gymnasium.make`.
        max_episode_steps: where an episode is cut off; None: where the environment's registration
            says, else at `LONGEST_EPISODE`.
        backend: what steps the environments of a training; `gymnasium` steps all others.
        pool_threads: of `envpool`; the bits do not depend on it.

    Raises:
        ValueError: the id is unknown, the spaces are such that no policy serves them, the
            environment raises or does not answer what it declares, or the backend does not have it.
        ModuleNotFoundError: a package the environment needs is missing; the message names the
            command that installs it.
    """

    differentiable = False

    def __init__(
        self,
        id: str,
        num_envs: Count,
        normalise_observation: bool,
        normalise_reward: bool,
        rebuild_at_reset: bool,
        frame_skip: Natural,
        clips_actions: bool,
        kwargs: Mapping[str, Any],
        max_episode_steps: Count | None,
        backend: Literal["gymnasium", "envpool"],
        pool_threads: Count,
    ) -> None:
        self.id, self.kwargs = id, _with_limit(kwargs, max_episode_steps)
        self.num_envs = num_envs
        self.normalise_observation = normalise_observation
        self.normalise_reward = normalise_reward
        self.rebuild_at_reset = rebuild_at_reset
        self.frame_skip = frame_skip
        self.clips_actions = clips_actions
        self.backend, self.pool_threads = backend, pool_threads
        self._inspect()
        if backend == "envpool":
            refuse_what_has_no_pool(id, self.kwargs, self.actions, self.observation_dim)
        elif pool_threads != 1:
            raise ValueError(
                f"env.pool_threads={pool_threads} has no effect with env.backend={backend}: set it "
                "to 1 or env.backend=envpool"
            )

    def _inspect(self) -> None:
        """Read the spaces of an environment, try it out, and note what a person has to know."""
        env = self._made(render=False)
        try:
            self.actions = describe_actions(env.action_space, self.id)
            self.observation_dim = gym.spaces.flatdim(env.observation_space)
            self.max_episode_steps = _limit(env) or LONGEST_EPISODE
            try_out(env, self.id, self.observation_dim)
            if takes_integers(env.action_space):
                self.remarks += (
                    f"env.id={self.id} takes integers: actions are rounded to the nearest",
                )
            if _limit(env) is None:
                self.remarks += (
                    f"env.id={self.id} has no time limit, so an episode is cut off after "
                    f"{LONGEST_EPISODE:,} steps: env.max_episode_steps sets another",
                )
        finally:
            env.close()

    def batch(self, generators: Sequence[np.random.Generator]) -> GymnasiumBatch:
        """See `BaseEnvironment`."""
        return GymnasiumBatch(
            self.id, self.observation_dim, generators, self.make, self.rebuild_at_reset
        )

    def training_batch(self, generators: Sequence[np.random.Generator]) -> BatchedEnv:
        """See `BaseEnvironment`: of the backend."""
        if self.backend == "gymnasium":
            return self.batch(generators)
        return EnvpoolBatch(
            self.id, self.observation_dim, generators, self.max_episode_steps, self.pool_threads
        )

    def make(self, render: bool = False) -> gym.Env[Any, Any]:
        """See `BaseEnvironment`."""
        env = self._made(render)
        return env if _limit(env) else gym.wrappers.TimeLimit(env, LONGEST_EPISODE)

    def _made(self, render: bool) -> gym.Env[Any, Any]:
        """Make one that shows vectors, with no limit but its own."""
        kwargs = {**self.kwargs, "render_mode": "rgb_array"} if render else self.kwargs
        without_deprecations(self.id)
        try:
            # The passive checker only warns; what cannot be served is refused here.
            env = gym.make(self.id, disable_env_checker=True, **kwargs)
        except gym.error.DependencyNotInstalled as error:
            raise _missing_extra(self.id, error) from error
        except (gym.error.Error, ImportError) as error:
            raise ValueError(f"env.id={self.id} cannot be made: {_one_line(error)}") from error
        except Exception as error:
            # How an environment reacts to a wrong keyword is not standardised.
            reason, given = in_one_line(error), self.kwargs
            message = f"env.kwargs={given} do not fit {self.id}: {reason}"
            if not given:
                message = f"env.id={self.id} cannot be made: {reason}"
            raise ValueError(message) from error
        refuse_observations(env.observation_space, self.id)
        if needs_flattening(env.observation_space):
            return gym.wrappers.FlattenObservation(env)
        return env


def _limit(env: gym.Env[Any, Any]) -> int | None:
    return None if env.spec is None else env.spec.max_episode_steps


def _with_limit(kwargs: Mapping[str, Any], max_episode_steps: int | None) -> dict[str, Any]:
    if max_episode_steps is None:
        return dict(kwargs)
    if "max_episode_steps" in kwargs:
        raise ValueError(
            f"env.max_episode_steps={max_episode_steps} and env.kwargs.max_episode_steps="
            f"{kwargs['max_episode_steps']} say the same twice: leave the second out"
        )
    return {**kwargs, "max_episode_steps": max_episode_steps}


def _missing_extra(env_id: str, error: Exception) -> ModuleNotFoundError:
    mujoco = importlib.util.find_spec("mujoco") is None and "mujoco" in str(error).lower()
    command = "pip install -e '.[mujoco]'" if mujoco else "pip install 'gymnasium[all]'"
    return ModuleNotFoundError(
        f"env.id={env_id} needs a package that is not installed ({_one_line(error)}): run {command}"
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
