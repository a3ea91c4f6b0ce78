"""`variance=fixed`: a constant standard deviation that receives no gradient."""

from torch import Tensor

from gausspg.policies.normal import DiagonalNormal
from gausspg.policies.variance.base import PerDimension, Shape, Variance, per_dimension


class Fixed(Variance):
    """The same std in every state and for ever.

    Args:
        std: in units of u; one number for all dimensions or one for each.
        shape: sizes of the network.
    """

    scale_setting = "std"
    log_std: Tensor

    def __init__(self, std: PerDimension, *, shape: Shape) -> None:
        super().__init__()
        self.register_buffer("log_std", per_dimension(std, shape.action_dim, "std").log())

    def forward(self, mean: Tensor, observations: Tensor, features: Tensor) -> DiagonalNormal:
        """See `Variance`."""
        del observations, features
        return DiagonalNormal(mean, self.log_std)
