"""`variance=low_rank`: a diagonal plus a part of low rank; both depend on the state."""

import torch
from torch import Tensor

from gausspg.policies.normal import CholeskyNormal
from gausspg.policies.variance.base import PerDimension, Shape, StateDependentStd, StdMap, Trunk
from gausspg.ranges import Count, Positive

_START = 0.1


class LowRank(StateDependentStd):
    """Covariance diag(std) C diag(std) with C = D (I + V V^T) D, V of `rank` columns.

    D is the diagonal matrix that makes C a correlation matrix, so `std` is the marginal one, as in
    every other mode. It is the covariance of factor analysis, a diagonal plus low rank, with
    n rank numbers where `full` takes n (n - 1) / 2.

    Args:
        rank: columns of V; below the number of action dimensions.

    The other arguments are those of `StateDependentStd`.

    Raises:
        ValueError: the rank is no less than the number of action dimensions.
    """

    independent = False
    minimum_action_dim = 2

    def __init__(
        self,
        initial_std: PerDimension | None,
        initial_action_std: PerDimension | None,
        min_std: Positive,
        max_std: Positive,
        std_map: StdMap,
        trunk: Trunk,
        rank: Count,
        *,
        shape: Shape,
        generator: torch.Generator,
    ) -> None:
        if self.minimum_action_dim <= shape.action_dim <= rank:
            raise ValueError(
                f"variance.rank={rank} is no low rank among {shape.action_dim} action dimensions: "
                f"give at most {shape.action_dim - 1}, or use variance=full"
            )
        self._rank = rank
        super().__init__(
            initial_std, initial_action_std, min_std, max_std, std_map, trunk,
            shape=shape, generator=generator,
        )  # fmt: skip

    def initial_correlation(self, action_dim: int) -> Tensor:
        """See `BoundedStd`: V starts near 0, and not at 0, where its gradient vanishes."""
        dimensions, columns = torch.arange(action_dim), torch.arange(self._rank)
        loads = dimensions.unsqueeze(1) % self._rank == columns
        return (_START * loads.float()).flatten()

    def normal(self, mean: Tensor, raw: Tensor) -> CholeskyNormal:
        """See `BoundedStd`."""
        size = mean.shape[-1]
        loadings = raw[..., size:].unflatten(-1, (size, self._rank))
        identity = torch.eye(size, dtype=raw.dtype, device=raw.device)
        lower = torch.linalg.cholesky(identity + loadings @ loadings.mT)
        # Rows of unit length: those of the factor of a correlation matrix.
        factor = lower / torch.linalg.vector_norm(lower, dim=-1, keepdim=True)
        return CholeskyNormal(mean, self.log_std(raw[..., :size]), factor)
