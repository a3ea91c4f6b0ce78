"""Full covariance from raw numbers: scales first, then the entries below the diagonal."""

from torch import Tensor

from gausspg.policies.normal import CholeskyNormal
from gausspg.policies.variance.base import BoundedScale


class Cholesky(BoundedScale):
    """Turns `n + n (n - 1) / 2` raw numbers into a `CholeskyNormal`, n being `action_dim`."""

    independent = False
    minimum_action_dim = 2

    @staticmethod
    def raw_count(action_dim: int) -> int:
        """See `BoundedScale`."""
        return action_dim * (action_dim + 1) // 2

    def normal(self, mean: Tensor, raw: Tensor) -> CholeskyNormal:
        """See `BoundedScale`."""
        scale, below = raw[..., : self._action_dim], raw[..., self._action_dim :]
        return CholeskyNormal(mean, self.log_scale(scale), below)
