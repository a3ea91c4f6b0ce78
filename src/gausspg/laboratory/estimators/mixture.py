"""`estimator=mixture`: score function and pathwise together, weighted by their precision."""

from collections.abc import Sequence

from gausspg.estimators.base import Estimator, LearningSignals
from gausspg.estimators.reparameterised import Reparameterised
from gausspg.estimators.score_function import ScoreFunction
from gausspg.laboratory.estimators.base import LaboratoryEstimator


class Mixture(LaboratoryEstimator):
    """The inverse-variance mixture of two unbiased gradients (Parmas et al. 2018, 1902.01240).

    Both are taken on the same noise and measured together; the weights, one pair per parameter,
    come from the variances of a pilot. With several actions per row the score function has the
    leave-one-out baseline, with one none.
    """

    differentiates_samples = True

    def __init__(
        self,
        *,
        available: LearningSignals = frozenset({"action_values"}),
        action_samples: int = 1,
    ) -> None:
        super().__init__(available=available)
        self._score_function = ScoreFunction(
            "action_value", "none" if action_samples < 2 else "leave_one_out",
            None, None, None, available=available, action_samples=action_samples,
        )  # fmt: skip
        self._reparameterised = Reparameterised("action_value", None, available=available)

    @property
    def parts(self) -> Sequence[Estimator]:
        """See `LaboratoryEstimator`."""
        return (self._score_function, self._reparameterised)
