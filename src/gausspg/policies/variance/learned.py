"""`variance=learned`: a diagonal covariance; a second head gives the log-std from the state."""

from gausspg.policies.variance.base import StateDependentStd
from gausspg.policies.variance.diagonal import Diagonal


class Learned(Diagonal, StateDependentStd):
    """See `Diagonal` for the covariance and `StateDependentStd` for its numbers."""
