"""What the laboratory asks of an estimator beyond what learners do."""

from collections.abc import Sequence

from gausspg.estimators.base import Estimator, LearningSignals


class LaboratoryEstimator(Estimator):
    """An estimator that no learner has; it works from values of freely chosen actions.

    `noises_per_action` is the number of standard-normal vectors that one action consumes;
    `weighs_scores` whether a constant taken off the values changes its variance alone; `parts` the
    estimators it is a mixture of, itself if it is none.

    Args:
        available: the learning signals there are.

    Raises:
        ValueError: values of freely chosen actions are not among them.
    """

    learning_signal = "action_values"
    noises_per_action: int = 1
    weighs_scores: bool = False

    def __init__(self, *, available: LearningSignals = frozenset({"action_values"})) -> None:
        if self.learning_signal not in available:
            word = type(self).__name__
            raise ValueError(
                f"{word} needs values of freely chosen actions and this problem has trajectories "
                "only: choose another estimator or another problem"
            )

    @property
    def parts(self) -> Sequence[Estimator]:
        """See the class."""
        return (self,)

    def evaluations(self, action_dim: int, trains_std: bool) -> int:
        """Values that one action costs."""
        del action_dim, trains_std
        return 1
