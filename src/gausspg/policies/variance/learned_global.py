"""`variance=learned_global`: a diagonal covariance; one log-std vector for all states (PPO)."""

from gausspg.policies.variance.base import StateIndependentStd
from gausspg.policies.variance.diagonal import Diagonal


class LearnedGlobal(Diagonal, StateIndependentStd):
    """See `Diagonal` for the covariance and `StateIndependentStd` for its numbers."""
