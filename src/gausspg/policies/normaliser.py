"""Running mean and variance of observations; saved with the policy that was trained on them."""

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor, nn


class Normaliser(nn.Module):
    """Shifts and scales observations to mean 0 and variance 1, clipped to +-`limit`.

    The statistics change only in `update`, which the learner calls between a rollout and the next:
    within a rollout, in the update that follows it and at evaluation they stand still.

    Args:
        size: observation_dim.
        enabled: if False, observations pass through unchanged and nothing is counted.
        limit: largest magnitude of a normalised entry.
    """

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, size: int, enabled: bool, limit: float = 10.0) -> None:
        super().__init__()
        self.enabled = enabled
        self.limit = limit
        # float64: a float32 sum of squares loses the variance after some million samples.
        self.register_buffer("mean", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("variance", torch.ones(size, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self._frozen: tuple[Tensor, Tensor] | None = None

    def update(self, observations: Tensor) -> None:
        """Take in a batch `[batch, observation_dim]` (Chan, Golub & LeVeque 1979)."""
        if not self.enabled:
            return
        batch = observations.double()
        number = float(len(batch))
        total = self.count + number
        delta = batch.mean(0) - self.mean
        squares = self.variance * self.count + batch.var(0, correction=0) * number
        self.variance.copy_((squares + delta.square() * self.count * number / total) / total)
        self.mean.add_(delta * number / total)
        self.count.copy_(total)
        self._frozen = None

    def _shift_and_scale(self) -> tuple[Tensor, Tensor]:
        # A rollout asks for these at every step.
        if self._frozen is None:
            # Not as inference tensors, though a rollout may be the first to ask.
            with torch.inference_mode(False):
                # 1e-8 keeps an entry that never moves at 0 instead of dividing by 0.
                scale = (self.variance + 1e-8).rsqrt().float()
                self._frozen = -self.mean.float() * scale, scale
        return self._frozen

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        self._frozen = None
        return super()._apply(fn, recurse)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self._frozen = None
        super()._load_from_state_dict(*args, **kwargs)

    def forward(self, observations: Tensor) -> Tensor:
        """Normalise `[batch, observation_dim]`, float32 in and out."""
        if not self.enabled:
            return observations
        shift, scale = self._shift_and_scale()
        return torch.addcmul(shift, observations, scale).clamp_(-self.limit, self.limit)
