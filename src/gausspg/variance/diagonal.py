"""Diagonal covariance from raw numbers: one scale per action dimension."""

from torch import Tensor

from gausspg.variance.base import BoundedScale
from gausspg.variance.normal import DiagonalNormal


class Diagonal(BoundedScale):
    """Turns `action_dim` raw numbers into a `DiagonalNormal`."""

    @staticmethod
    def raw_count(action_dim: int) -> int:
        """See `BoundedScale`."""
        return action_dim

    def normal(self, mean: Tensor, raw: Tensor) -> DiagonalNormal:
        """See `BoundedScale`."""
        return DiagonalNormal(mean, self.log_scale(raw))
