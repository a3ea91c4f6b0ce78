"""`problem=cosine`: f(a) = cos(k a) in one dimension."""

import torch
from torch import Tensor

from gausspg.laboratory.problems.base import OneStep
from gausspg.ranges import Positive


class Cosine(OneStep):
    """Mohamed et al. 2020 (arXiv:1906.10652), figure 2, right: f may vary faster than the measure.

    Args:
        k: angular frequency.
        mean: of u.
    """

    def __init__(self, k: Positive, mean: float) -> None:
        super().__init__(1, mean)
        self._k = k

    def value(self, actions: Tensor) -> Tensor:
        """See `OneStep`."""
        return torch.cos(self._k * actions.squeeze(-1))
