"""Environments written in torch, stepped as one tensor: a return can be differentiated.

A subclass of `DifferentiableEnvironment` gives pure functions of tensors; what an episode is, when
it is reset and where its randomness comes from is the same for all of them and stands here.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gausspg.envs.base import BaseEnvironment
from gausspg.envs.batch import BatchedEnv, Episode, Step
from gausspg.envs.dynamics import Dynamics
from gausspg.envs.single import Canvas, Single
from gausspg.policies.actions import BoxActions


class DifferentiableEnvironment(Dynamics, BaseEnvironment):
    """Differentiable dynamics as an environment of `conf/env/`.

    Args:
        max_episode_steps: the horizon.
        actions: their number and bounds.
        observation_dim: length of an observation.
        num_envs, normalise_observation, normalise_reward, frame_skip: see `BaseEnvironment`.
    """

    differentiable = True
    actions: BoxActions

    def __init__(
        self,
        max_episode_steps: int,
        actions: BoxActions,
        observation_dim: int,
        num_envs: int,
        normalise_observation: bool,
        normalise_reward: bool,
        frame_skip: int,
    ) -> None:
        self.max_episode_steps = max_episode_steps
        self.actions = actions
        self.observation_dim = observation_dim
        self.num_envs = num_envs
        self.normalise_observation = normalise_observation
        self.normalise_reward = normalise_reward
        self.frame_skip = frame_skip

    def canvas(self) -> Canvas:
        """Return what draws a state.

        Raises:
            NotImplementedError: there is no picture of this environment.
        """
        raise NotImplementedError(
            f"there is no picture of env={self.id}, so no animation can be made: set video.frames=0"
        )

    def make(self, render: bool = False) -> gym.Env[Any, Any]:
        """See `BaseEnvironment`; `reset(seed=k)` begins the episode that `begin(k)` describes.

        Raises:
            NotImplementedError: a picture is asked for and there is none.
        """
        return Single(self, self.canvas() if render else None)

    def batch(self, generators: Sequence[np.random.Generator]) -> "DifferentiableBatch":
        """See `BaseEnvironment`."""
        return DifferentiableBatch(self, generators)


@dataclass(frozen=True)
class Transition:
    """What one differentiable step gave; row i belongs to environment i.

    Attributes:
        rewards: `[N]`, with the graph.
        terminated: `[N]`, bool.
        truncated: `[N]`, bool; never true where `terminated` is.
        next_observations: `[N, observation_dim]`, with the graph: of the states that followed,
            before any reset.
        episodes: those that ended.
    """

    rewards: Tensor
    terminated: Tensor
    truncated: Tensor
    next_observations: Tensor
    episodes: list[Episode]


class DifferentiableBatch(BatchedEnv):
    """A batch of one differentiable environment; see `BatchedEnv`.

    `advance` is the differentiable step; `step` does the same without a graph.
    """

    def __init__(self, dynamics: Dynamics, generators: Sequence[np.random.Generator]) -> None:
        super().__init__(dynamics.id, dynamics.observation_dim, generators)
        self.dynamics = dynamics
        initial, disturbances = dynamics.begin(0)  # for their shapes
        self._rows = torch.arange(len(self))
        self._disturbances = torch.zeros(len(self), *disturbances.shape)
        self.state = torch.zeros(len(self), *initial.shape)

    @property
    def state(self) -> Tensor:
        """States `[N, state_dim]`, float32, with the graph of the steps since `detach`."""
        return self._state

    @state.setter
    def state(self, state: Tensor) -> None:
        self._state = state
        self._current = self.dynamics.observe(state)
        self.observations[:] = self._current.detach().numpy()

    @property
    def current(self) -> Tensor:
        """What the environments show now, `[N, observation_dim]`, with the graph of `state`."""
        return self._current

    def detach(self) -> None:
        """Cut the graph: no gradient flows from later steps to earlier ones."""
        self.state = self._state.detach()

    def close(self) -> None:
        """See `BatchedEnv`."""
        self.detach()

    def advance(self, actions: Tensor) -> Transition:
        """Take one differentiable step in every environment and reset those that ended.

        A reset replaces a row of `state` by a fresh one without a graph; the others keep theirs.

        Args:
            actions: `[N, action_dim]`, float32, on the CPU.

        Raises:
            NonFiniteError: an observation or a reward is NaN or infinite.
        """
        begin = time.perf_counter()
        transition = self._move(actions, None)
        self.seconds_in_step += time.perf_counter() - begin
        self._check(transition.rewards.detach().numpy(), "rewards")
        self._check(transition.next_observations.detach().numpy(), "observations")
        return transition

    def _reset(self) -> None:
        # The caller may be in inference mode, whose tensors can never take part in a gradient.
        with torch.inference_mode(False):
            self.state = self._restart(list(self._everyone), self._state.detach())

    def _step(
        self, actions: NDArray[np.generic], active: Sequence[int] | None, step: Step
    ) -> list[Episode]:
        with torch.inference_mode(False), torch.no_grad():
            transition = self._move(torch.from_numpy(np.array(actions, np.float32)), active)
        step.rewards[:] = transition.rewards.numpy()
        step.terminated[:] = transition.terminated.numpy()
        step.truncated[:] = transition.truncated.numpy()
        for episode in transition.episodes:
            step.last_observations[episode.env] = transition.next_observations[episode.env].numpy()
        return transition.episodes

    def _move(self, actions: Tensor, active: Sequence[int] | None) -> Transition:
        dynamics, horizon = self.dynamics, self.dynamics.max_episode_steps
        # One who steps on after the end, as `active` allows, is given the last disturbance again.
        now = torch.from_numpy(np.minimum(self._lengths, horizon - 1))
        disturbance = self._disturbances[self._rows, now]
        following, rewards = dynamics.step(self._state, actions, disturbance)
        moved = np.full(len(self), active is None)
        if active is not None:
            moved[list(active)] = True
        self._lengths += moved
        over = moved & (self._lengths >= horizon)
        ended = torch.from_numpy(over)
        if dynamics.terminates and over.any():
            paid = rewards + dynamics.terminal_reward(following)
            rewards = torch.where(ended, paid, rewards)
        if active is not None:
            chosen = torch.from_numpy(moved)
            following = torch.where(chosen[:, None], following, self._state)
            rewards = torch.where(chosen, rewards, 0.0)
        self._returns += rewards.detach().numpy()
        self.state = following
        shown = self._current
        indices = np.flatnonzero(over).tolist()
        episodes = [
            Episode(index, float(self._returns[index]), int(self._lengths[index]))
            for index in indices
        ]
        if indices and active is None:
            self.state = torch.where(ended[:, None], self._restart(indices, following), following)
        never = torch.zeros_like(ended)
        terminated, truncated = (ended, never) if dynamics.terminates else (never, ended)
        return Transition(rewards, terminated, truncated, shown, episodes)

    def _restart(self, indices: Sequence[int], state: Tensor) -> Tensor:
        """Begin new episodes and return a copy of `state`, without a graph, with their rows."""
        fresh = state.detach().clone()
        for index in indices:
            fresh[index], self._disturbances[index] = self.dynamics.begin(self._draw_seed(index))
            self._returns[index] = 0.0
            self._lengths[index] = 0
        return fresh
