"""`problem=logistic_map`: f(a) = x_T of x' = 4 x (1 - x) from x_0 = a: chaos."""

from torch import Tensor

from gausspg.laboratory.problems.base import OneStep
from gausspg.ranges import Natural


class LogisticMap(OneStep):
    """Backpropagation through chaotic dynamics (Metz et al. 2021, arXiv:2111.05803).

    The variance of the pathwise gradient grows as 4^T; that of the score function tends to
    3 / (8 std^2) in the mean, E x^2 = 3/8 being that of the arcsine law x_T forgets a towards.

    Args:
        steps: T.
        mean: of u; at least 10 standard deviations from 0 and 1, beyond which x runs off.
    """

    def __init__(self, steps: Natural, mean: float) -> None:
        super().__init__(1, mean)
        self._steps = steps
        # x_T makes 2^(T-1) turns between 0 and 1.
        self.panels = max(240, 2**steps)
        if steps > 20:
            raise ValueError(
                f"problem.steps={steps} makes 2^{steps} turns, too many to integrate, and float32 "
                "has lost the initial value by then: set at most 20"
            )

    def value(self, actions: Tensor) -> Tensor:
        """See `OneStep`."""
        x = actions.squeeze(-1)
        for _ in range(self._steps):
            x = 4.0 * x * (1.0 - x)
        return x
