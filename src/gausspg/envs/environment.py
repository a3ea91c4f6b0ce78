"""`conf/env/`: which environment, and how to make one that can be trusted at reset."""

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from gausspg.envs import quick_numbers, quick_walker
from gausspg.envs.base import BaseEnvironment
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

    Raises:
        ValueError: the id is unknown, or the spaces are such that no policy serves them.
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
    ) -> None:
        self.id = id
        self.num_envs = num_envs
        self.normalise_observation = normalise_observation
        self.normalise_reward = normalise_reward
        self.rebuild_at_reset = rebuild_at_reset
        self.frame_skip = frame_skip
        self.clips_actions = clips_actions
        self.kwargs = dict(kwargs)
        env = self.make()
        self.actions = describe_actions(env.action_space, id)
        shape = env.observation_space.shape
        assert shape is not None, "a flattened space has a shape"
        self.observation_dim = int(shape[0])
        env.close()

    def batch(self, generators: Sequence[np.random.Generator]) -> GymnasiumBatch:
        """See `BaseEnvironment`."""
        return GymnasiumBatch(self, generators)

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
            # What an environment makes of a wrong keyword is its own affair.
            reason = f"{type(error).__name__}: {_one_line(error)}"
            raise ValueError(f"env.kwargs={self.kwargs} do not fit {self.id}: {reason}") from error
        quick_numbers.quicken(env)
        quick_walker.quicken(env)
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
