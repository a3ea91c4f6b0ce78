"""`variance=learned_global`: a diagonal covariance; one log-std vector for all states (PPO)."""

from gausspg.variance.base import StateIndependentScale
from gausspg.variance.diagonal import Diagonal


class LearnedGlobal(Diagonal, StateIndependentScale):
    """See `Diagonal` for the covariance and `StateIndependentScale` for its numbers."""
