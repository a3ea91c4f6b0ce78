"""`variance=full_global`: a full covariance; one Cholesky factor L for all states."""

from gausspg.policies.variance.base import StateIndependentScale
from gausspg.policies.variance.cholesky import Cholesky


class FullGlobal(Cholesky, StateIndependentScale):
    """See `Cholesky` for the covariance and `StateIndependentScale` for its numbers."""
