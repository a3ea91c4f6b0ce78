"""`variance=full`: a full covariance; its Cholesky factor L(s) depends on the state."""

from gausspg.policies.variance.base import StateDependentStd
from gausspg.policies.variance.cholesky import Cholesky


class Full(Cholesky, StateDependentStd):
    """See `Cholesky` for the covariance and `StateDependentStd` for its numbers."""
