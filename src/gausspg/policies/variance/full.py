"""`variance=full`: a full covariance; its Cholesky factor L(s) depends on the state."""

from gausspg.policies.variance.base import StateDependentScale
from gausspg.policies.variance.cholesky import Cholesky


class Full(Cholesky, StateDependentScale):
    """See `Cholesky` for the covariance and `StateDependentScale` for its numbers."""
