"""Scales rewards by the running std of their discounted sum, so that values are of order one."""

from typing import Any

import torch
from torch import Tensor

from gausspg.policies.normaliser import Normaliser


class RewardScaler:
    """Divides rewards by the std of the discounted sum of rewards so far in the episode.

    The sum runs forward through each episode (Engstrom et al. 2020, arXiv:2005.12729, section 3.1);
    rewards are scaled and not shifted, which would change the task. Scaled rewards are clipped to
    +-10.

    Args:
        num_envs: N.
        gamma: discount per step.
        enabled: if False, rewards pass through unchanged.
    """

    def __init__(self, num_envs: int, gamma: float, enabled: bool) -> None:
        self._gamma = gamma
        self._statistics = Normaliser(1, enabled)
        self._sums = torch.zeros(num_envs)

    def forget_episodes(self) -> None:
        """Start every environment's discounted sum from 0; the statistics stay."""
        self._sums.zero_()

    def update(self, rewards: Tensor, ends: Tensor, valid: Tensor) -> None:
        """Take `[T, N]` rewards into the statistics."""
        if not self._statistics.enabled:
            return
        sums = torch.empty_like(rewards)
        for t in range(len(rewards)):
            sums[t] = self._sums = self._gamma * self._sums + rewards[t]
            self._sums = self._sums.masked_fill(ends[t], 0.0)
        self._statistics.update(sums[valid].unsqueeze(-1))

    def scale(self, rewards: Tensor) -> Tensor:
        """Return rewards of any shape in units of the std."""
        if not self._statistics.enabled:
            return rewards
        std = (self._statistics.variance + 1e-8).sqrt().float()
        return (rewards / std.to(rewards.device)).clamp(-10.0, 10.0)

    def state_dict(self) -> dict[str, Any]:
        """Return the statistics."""
        return self._statistics.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up the statistics; the sums start anew, as at every segment."""
        self._statistics.load_state_dict(state)
        self.forget_episodes()
