"""Diagonal covariance from raw numbers: one scale per action dimension."""

from torch import Tensor

from gausspg.policies.normal import DiagonalNormal
from gausspg.policies.variance.base import BoundedScale


class Diagonal(BoundedScale):
    """Turns `action_dim` raw numbers into a `DiagonalNormal`."""

    @staticmethod
    def raw_count(action_dim: int) -> int:
        """See `BoundedScale`."""
        return action_dim

    def normal(self, mean: Tensor, raw: Tensor) -> DiagonalNormal:
        """See `BoundedScale`."""
        return DiagonalNormal(mean, self.log_scale(raw))
