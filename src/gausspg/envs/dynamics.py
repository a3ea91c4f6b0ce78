"""What moves in an environment written in torch: pure functions of tensors."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from gausspg.policies.actions import BoxActions


class Dynamics(ABC):
    """Dynamics and reward as differentiable functions; one row of a tensor is one environment.

    The functions take float32 or float64 and answer in kind. No row may influence another, down to
    the last bit and whatever the number of rows: a matrix product of the whole batch does not do.

    Attributes:
        terminates: the end of the horizon is the end by the task's own rules, after which nothing
            is earned; otherwise it cuts the episode off, and the episode is truncated.
        id: its name.
        max_episode_steps: the horizon.
        actions: their number and bounds.
        observation_dim: length of an observation.
    """

    terminates: ClassVar[bool]
    id: str
    max_episode_steps: int
    actions: BoxActions
    observation_dim: int

    @abstractmethod
    def initial_state(self, generator: torch.Generator) -> Tensor:
        """Draw the state an episode begins in, `[state_dim]`."""

    @abstractmethod
    def observe(self, state: Tensor) -> Tensor:
        """Map states `[N, state_dim]` to observations `[N, observation_dim]`."""

    @abstractmethod
    def step(self, state: Tensor, action: Tensor, disturbance: Tensor) -> tuple[Tensor, Tensor]:
        """Take one step.

        Args:
            state: `[N, state_dim]`.
            action: `[N, action_dim]`.
            disturbance: `[N, disturbance_dim]`, the rows of `disturbances` for this step.

        Returns:
            The states that follow, `[N, state_dim]`, and the rewards, `[N]`.
        """

    def disturbances(self, generator: torch.Generator) -> Tensor:
        """Draw the disturbances of one episode, `[max_episode_steps, disturbance_dim]`."""
        return torch.zeros(self.max_episode_steps, 0)

    def terminal_reward(self, state: Tensor) -> Tensor:
        """Reward for ending in `state` at the horizon, `[N]`, paid with the last step's."""
        return state.new_zeros(len(state))

    def begin(self, seed: int) -> tuple[Tensor, Tensor]:
        """Return the initial state and the disturbances of the episode with this seed."""
        generator = torch.Generator().manual_seed(seed)
        return self.initial_state(generator), self.disturbances(generator)
