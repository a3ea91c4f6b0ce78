"""Diagonal covariance from raw numbers: one std per action dimension."""

import torch
from torch import Tensor

from gausspg.policies.normal import DiagonalNormal
from gausspg.policies.variance.base import BoundedStd


class Diagonal(BoundedStd):
    """Turns `action_dim` raw numbers into a `DiagonalNormal`."""

    def initial_correlation(self, action_dim: int) -> Tensor:
        """See `BoundedStd`: there is none."""
        del action_dim
        return torch.zeros(0)

    def normal(self, mean: Tensor, raw: Tensor) -> DiagonalNormal:
        """See `BoundedStd`."""
        return DiagonalNormal(mean, self.log_std(raw))
