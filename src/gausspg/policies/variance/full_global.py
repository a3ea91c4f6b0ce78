"""`variance=full_global`: a full covariance; one Cholesky factor L for all states."""

from gausspg.policies.variance.base import StateIndependentStd
from gausspg.policies.variance.cholesky import Cholesky


class FullGlobal(Cholesky, StateIndependentStd):
    """See `Cholesky` for the covariance and `StateIndependentStd` for its numbers."""
