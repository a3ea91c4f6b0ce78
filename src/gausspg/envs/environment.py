"""`conf/env/`: which environment, and how to make one that can be trusted at reset."""

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import gymnasium as gym
import numpy as np

from gausspg.envs.base import BaseEnvironment
from gausspg.envs.batch import BatchedEnv
from gausspg.envs.envpool_batch import EnvpoolBatch, refuse_what_has_no_pool
from gausspg.envs.gymnasium_batch import GymnasiumBatch
from gausspg.envs.spaces import describe_actions, needs_flattening
from gausspg.ranges import Count, Natural


class Environment(BaseEnvironment):
    """A Gymnasium environment by its id.

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
        backend: what steps the environments of a training; `gymnasium` steps all others.
        pool_threads: of `envpool`; the bits do not depend on it.

    Raises:
        ValueError: the id is unknown, the spaces are such that no policy serves them, or the
            backend does not have this environment.
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
        backend: Literal["gymnasium", "envpool"],
        pool_threads: Count,
    ) -> None:
        self.id = id
        self.num_envs = num_envs
        self.normalise_observation = normalise_observation
        self.normalise_reward = normalise_reward
        self.rebuild_at_reset = rebuild_at_reset
        self.frame_skip = frame_skip
        self.clips_actions = clips_actions
        self.kwargs = dict(kwargs)
        self.backend, self.pool_threads = backend, pool_threads
        env = self.make()
        self.actions = describe_actions(env.action_space, id)
        shape = env.observation_space.shape
        assert shape is not None, "a flattened space has a shape"
        self.observation_dim = int(shape[0])
        self.max_episode_steps = None if env.spec is None else env.spec.max_episode_steps
        env.close()
        if backend == "envpool":
            refuse_what_has_no_pool(
                id, kwargs, self.actions, self.observation_dim, self.max_episode_steps
            )
        elif pool_threads != 1:
            raise ValueError(
                f"env.pool_threads={pool_threads} has no effect with env.backend={backend}: set it "
                "to 1 or env.backend=envpool"
            )

    def batch(self, generators: Sequence[np.random.Generator]) -> GymnasiumBatch:
        """See `BaseEnvironment`."""
        return GymnasiumBatch(
            self.id, self.observation_dim, generators, self.make, self.rebuild_at_reset
        )

    def training_batch(self, generators: Sequence[np.random.Generator]) -> BatchedEnv:
        """See `BaseEnvironment`: of the backend."""
        if self.backend == "gymnasium":
            return self.batch(generators)
        assert self.max_episode_steps is not None, "refuse_what_has_no_pool"
        return EnvpoolBatch(
            self.id, self.observation_dim, generators, self.max_episode_steps, self.pool_threads
        )

    def make(self, render: bool = False) -> gym.Env[Any, Any]:
        """See `BaseEnvironment`."""
        kwargs = {**self.kwargs, "render_mode": "rgb_array"} if render else self.kwargs
        try:
            # The passive checker only warns; describe_actions refuses what cannot be served.
            env = gym.make(self.id, disable_env_checker=True, **kwargs)
        except gym.error.DependencyNotInstalled as error:
            raise _missing_extra(self.id, error) from error
        except (gym.error.Error, ImportError) as error:
            raise ValueError(f"env.id={self.id} cannot be made: {_one_line(error)}") from error
        except (TypeError, ValueError, LookupError, AssertionError, OSError) as error:
            # How an environment reacts to a wrong keyword is not standardised.
            reason = f"{type(error).__name__}: {_one_line(error)}"
            raise ValueError(f"env.kwargs={self.kwargs} do not fit {self.id}: {reason}") from error
        if needs_flattening(env.observation_space):
            env = gym.wrappers.FlattenObservation(env)
        return env


def _missing_extra(env_id: str, error: Exception) -> ModuleNotFoundError:
    mujoco = importlib.util.find_spec("mujoco") is None and "mujoco" in str(error).lower()
    command = "pip install -e '.[mujoco]'" if mujoco else "pip install 'gymnasium[all]'"
    return ModuleNotFoundError(
        f"env.id={env_id} needs a package that is not installed ({_one_line(error)}): run {command}"
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
