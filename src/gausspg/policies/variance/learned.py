"""`variance=learned`: a diagonal covariance; a second head gives the log-std from the state."""

from gausspg.policies.variance.base import StateDependentScale
from gausspg.policies.variance.diagonal import Diagonal


class Learned(Diagonal, StateDependentScale):
    """See `Diagonal` for the covariance and `StateDependentScale` for its numbers."""
