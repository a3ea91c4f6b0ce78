"""What every environment of `conf/env/` offers, whoever computes its dynamics."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import gymnasium as gym
import numpy as np

from gausspg.policies.actions import Actions

if TYPE_CHECKING:
    from gausspg.envs.batch import BatchedEnv


class BaseEnvironment(ABC):
    """A kind of environment, to be made alone or in a batch.

    Attributes:
        differentiable: its batch is a `gausspg.envs.differentiable.DifferentiableBatch`, whose
            steps can be differentiated.
        id: its name.
        num_envs: how many are stepped in a batch while training.
        normalise_observation: shift and scale observations by running statistics.
        normalise_reward: scale rewards by the running std of their discounted sum; training only.
        frame_skip: frames left out between two of the video.
        clips_actions: it clips actions to their bounds itself, so that on policy `squash=none` and
            `squash=clip` are one run.
        actions: what a policy has to know of the action space.
        observation_dim: length of an observation.
    """

    differentiable: ClassVar[bool]
    id: str
    num_envs: int
    normalise_observation: bool
    normalise_reward: bool
    frame_skip: int
    clips_actions: bool = False
    actions: Actions
    observation_dim: int

    @abstractmethod
    def make(self, render: bool = False) -> gym.Env[Any, Any]:
        """Make one environment; with `render` it gives RGB frames."""

    @abstractmethod
    def batch(self, generators: Sequence[np.random.Generator]) -> "BatchedEnv":
        """Make as many as there are generators, to be stepped together.

        Args:
            generators: one per environment; they give the episodes' seeds.
        """
