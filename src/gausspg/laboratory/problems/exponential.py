"""`problem=exponential`: f(a) = exp(-k a^2) in one dimension."""

import torch
from torch import Tensor

from gausspg.laboratory.problems.base import OneStep
from gausspg.ranges import Positive


class Exponential(OneStep):
    """Mohamed et al. 2020 (arXiv:1906.10652), figure 2, middle: a bump that narrows with k.

    Args:
        k: inverse of the squared width.
        mean: of u.
    """

    def __init__(self, k: Positive, mean: float) -> None:
        super().__init__(1, mean)
        self._k = k

    def value(self, actions: Tensor) -> Tensor:
        """See `OneStep`."""
        return torch.exp(-self._k * actions.squeeze(-1).square())
