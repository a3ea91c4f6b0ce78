"""`problem=quadratic`: f(a) = (a - k)^2 in one dimension."""

from torch import Tensor

from gausspg.laboratory.problems.base import OneStep


class Quadratic(OneStep):
    """Mohamed et al. 2020 (arXiv:1906.10652), figure 2, left.

    dE/dmean = 2 (mean - k), dE/dstd = 2 std.

    Args:
        k: where f is least.
        mean: of u.
    """

    def __init__(self, k: float, mean: float) -> None:
        super().__init__(1, mean)
        self._k = k

    def value(self, actions: Tensor) -> Tensor:
        """See `OneStep`."""
        return (actions - self._k).square().squeeze(-1)
