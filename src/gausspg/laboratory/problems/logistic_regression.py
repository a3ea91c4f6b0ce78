"""`problem=logistic_regression`: the evidence lower bound of a Bayesian logistic regression."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from gausspg.estimators.base import Estimator
from gausspg.laboratory.problems.base import OneStep
from gausspg.policies.base import ActionDistribution, Policy
from gausspg.policies.gaussian import SquashedNormal

_NODES = 64


class LogisticRegression(OneStep):
    """J = E[log p(y | X, w)] - KL(q || N(0, I)) with w ~ q, the policy's Gaussian.

    Breast-cancer data of scikit-learn (569 rows; 30 standardised columns and one of ones). A logit
    x^T w is a one-dimensional Gaussian, so J and its gradient are exact by Gauss-Hermite quadrature
    with 64 nodes. The divergence is taken exactly and is the same for all estimators.

    Args:
        mean: of every weight.
    """

    def __init__(self, mean: float) -> None:
        self._rows, self._signs = _data()
        super().__init__(self._rows.shape[1], mean)

    def value(self, actions: Tensor) -> Tensor:
        """See `OneStep`: the log-likelihood of all data."""
        rows = (self._rows * self._signs[:, None]).to(actions.dtype)
        return nn.functional.logsigmoid(actions @ rows.T).sum(-1)

    def bonus(
        self, estimator: Estimator, distribution: ActionDistribution, noise: Tensor
    ) -> Tensor | None:
        """See `OneStep`: minus the divergence from the prior."""
        assert isinstance(distribution, SquashedNormal), "the latent u is Gaussian"
        return -_divergence(distribution)

    def exact(self, policy: Policy) -> Tensor | None:
        """See `Problem`."""
        distribution = policy(torch.zeros(1, 0, dtype=torch.float64))
        assert isinstance(distribution, SquashedNormal), "the latent u is Gaussian"
        normal = distribution.normal
        signed = self._rows.double() * self._signs[:, None]
        tril = normal.scale_tril.reshape(self.action_dim, self.action_dim)
        mean, std = signed @ normal.mean[0], torch.linalg.vector_norm(signed @ tril, dim=-1)
        x, w = (torch.from_numpy(a) for a in np.polynomial.hermite_e.hermegauss(_NODES))
        logits = mean[:, None] + std[:, None] * x
        likelihood = (nn.functional.logsigmoid(logits) @ (w / w.sum())).sum()
        return likelihood - _divergence(distribution)[0]


def _divergence(distribution: SquashedNormal) -> Tensor:
    """KL(N(mean, Sigma) || N(0, I)), `[rows]`, with tr(Sigma) the sum of marginal variances."""
    normal = distribution.normal
    size = normal.mean.shape[-1]
    squares = (normal.mean.square() + normal.std.square()).sum(-1)
    return 0.5 * (squares - size) - normal.log_det_factor


@lru_cache
def _data() -> tuple[Tensor, Tensor]:
    # Only here: importing scikit-learn takes a second.
    from sklearn.datasets import load_breast_cancer

    columns, labels = load_breast_cancer(return_X_y=True)
    standardised = (columns - columns.mean(0)) / columns.std(0)
    rows = np.hstack([standardised, np.ones((len(columns), 1))])
    return torch.from_numpy(rows).float(), torch.from_numpy(2.0 * labels - 1.0).float()
