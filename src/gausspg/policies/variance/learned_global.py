"""`variance=learned_global`: a diagonal covariance; one log-std vector for all states (PPO)."""

from gausspg.policies.variance.base import StateIndependentScale
from gausspg.policies.variance.diagonal import Diagonal


class LearnedGlobal(Diagonal, StateIndependentScale):
    """See `Diagonal` for the covariance and `StateIndependentScale` for its numbers."""
