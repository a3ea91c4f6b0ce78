"""What the laboratory asks of an estimator beyond what learners do."""

from collections.abc import Sequence

from gausspg.estimators.base import Estimator, Offer


class LaboratoryEstimator(Estimator):
    """An estimator that no learner has; it works from values of freely chosen actions.

    `noises_per_action` is the number of standard-normal vectors that one action consumes;
    `weighs_scores` whether a constant taken off the values changes its variance alone; `parts` the
    estimators it is a mixture of, itself if it is none.

    Args:
        offered: the kinds of evidence there are.

    Raises:
        ValueError: values of freely chosen actions are not among them.
    """

    evidence = "action_values"
    noises_per_action: int = 1
    weighs_scores: bool = False

    def __init__(self, *, offered: Offer = frozenset({"action_values"})) -> None:
        if self.evidence not in offered:
            word = type(self).__name__
            raise ValueError(
                f"{word} needs values of freely chosen actions and this problem has trajectories "
                "only: choose another estimator or another problem"
            )

    @property
    def parts(self) -> Sequence[Estimator]:
        """See the class."""
        return (self,)

    def evaluations(self, action_dim: int, trains_spread: bool) -> int:
        """Values that one action costs."""
        del action_dim, trains_spread
        return 1
