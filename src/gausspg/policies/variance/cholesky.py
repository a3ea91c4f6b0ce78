"""Full covariance from raw numbers: log-stds first, then what correlates the dimensions."""

import torch
from torch import Tensor

from gausspg.policies.normal import CholeskyNormal, unit_rows
from gausspg.policies.variance.base import BoundedStd


class Cholesky(BoundedStd):
    """Turns `n + n (n - 1) / 2` raw numbers into a `CholeskyNormal`, n being `action_dim`."""

    independent = False
    minimum_action_dim = 2

    def initial_correlation(self, action_dim: int) -> Tensor:
        """See `BoundedStd`: no correlation."""
        return torch.zeros(action_dim * (action_dim - 1) // 2)

    def normal(self, mean: Tensor, raw: Tensor) -> CholeskyNormal:
        """See `BoundedStd`."""
        size = mean.shape[-1]
        return CholeskyNormal(mean, self.log_std(raw[..., :size]), unit_rows(raw[..., size:], size))
