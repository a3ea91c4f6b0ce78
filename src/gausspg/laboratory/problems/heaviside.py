"""`problem=heaviside`: f(a) = 1 for a >= 0, else 0: the pathwise gradient never sees the jump."""

from collections.abc import Sequence

from torch import Tensor

from gausspg.laboratory.problems.base import OneStep


class Heaviside(OneStep):
    """Suh et al. 2022 (arXiv:2202.00817), example of an empirical bias.

    dE/dmean = phi(mean / std) / std, and the pathwise estimate is 0, always.

    Args:
        mean: of u.
    """

    def __init__(self, mean: float) -> None:
        super().__init__(1, mean)

    def value(self, actions: Tensor) -> Tensor:
        """See `OneStep`; without a gradient, as there is none but at the jump."""
        return (actions.detach().squeeze(-1) >= 0.0).to(actions.dtype)

    def jumps(self) -> Sequence[float]:
        """See `OneStep`."""
        return (0.0,)
