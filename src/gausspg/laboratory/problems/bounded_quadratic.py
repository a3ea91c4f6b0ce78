"""`problem=bounded_quadratic`: f(a) = -|a - k|^2 with a in [-1, 1]: what a squash does."""

from collections.abc import Sequence

from torch import Tensor

from gausspg.laboratory.problems.base import OneStep
from gausspg.ranges import NonNegative


class BoundedQuadratic(OneStep):
    """J = E[-(a - k)^2] + temperature * H with every squash.

    Args:
        k: where f is largest; beyond the bounds it pushes the policy against one.
        mean: of u.
        temperature: of the entropy of the density that the squash declares.
    """

    def __init__(self, k: float, mean: float, temperature: NonNegative) -> None:
        super().__init__(1, mean, temperature=temperature, bound=1.0)
        self._k = k

    def value(self, actions: Tensor) -> Tensor:
        """See `OneStep`."""
        return -(actions - self._k).square().squeeze(-1)

    def jumps(self) -> Sequence[float]:
        """See `OneStep`: clipping bends f at the bounds."""
        return (-1.0, 1.0)
