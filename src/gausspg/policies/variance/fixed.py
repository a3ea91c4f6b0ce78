"""`variance=fixed`: a constant standard deviation that receives no gradient."""

from torch import Tensor

from gausspg.policies.normal import DiagonalNormal
from gausspg.policies.variance.base import PerDimension, Shape, Variance, starting_std


class Fixed(Variance):
    """The same std in every state and for ever.

    Args:
        initial_std: std of u, at the start and for ever; see `starting_std`.
        initial_action_std: the same as the std of the action; see `starting_std`.
        shape: sizes of the network and how stds of u and of the action go together.
    """

    fixed_log_std: Tensor

    def __init__(
        self,
        initial_std: PerDimension | None,
        initial_action_std: PerDimension | None,
        *,
        shape: Shape,
    ) -> None:
        super().__init__()
        std = starting_std(initial_std, initial_action_std, shape)
        self.register_buffer("fixed_log_std", std.log())

    def forward(self, mean: Tensor, observations: Tensor, features: Tensor) -> DiagonalNormal:
        """See `Variance`."""
        del observations, features
        return DiagonalNormal(mean, self.fixed_log_std)
