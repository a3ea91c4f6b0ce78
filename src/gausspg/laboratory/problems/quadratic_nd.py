"""`problem=quadratic_nd`: f(a) = (a - k)^T A (a - k) in n dimensions, for a full covariance too."""

import torch
from torch import Tensor

from gausspg.estimators.reparameterised import Reparameterised
from gausspg.estimators.score_function import ScoreFunction
from gausspg.laboratory.problems.base import OneStep
from gausspg.laboratory.recipe import Recipe
from gausspg.policies.base import Policy
from gausspg.policies.gaussian import SquashedNormal
from gausspg.ranges import Count, NonNegative


class QuadraticND(OneStep):
    """J = delta^T A delta + tr(A Sigma) with delta = mean - k.

    grad_mean = 2 A delta, grad_L = tril(2 A L): the inverse and the determinant in the density of a
    full covariance enter the score function's variance, not the gradient.

    Args:
        action_dim: n.
        k: where f is least, in every dimension.
        mean: of u.
        coupling: entries of A beside its diagonal of 1; between -1 / (n - 1) and 1.
        scatter: std of what is added to the parameters of the variance mode.
    """

    def __init__(
        self, action_dim: Count, k: float, mean: float, coupling: float, scatter: NonNegative
    ) -> None:
        super().__init__(action_dim, mean, scatter)
        if not -1.0 / max(action_dim - 1, 1) < coupling < 1.0:
            raise ValueError(
                f"problem.coupling={coupling} makes a quadratic without a least value: set it "
                f"between {-1.0 / max(action_dim - 1, 1):.3g} and 1"
            )
        self._k, self._coupling = k, coupling

    def value(self, actions: Tensor) -> Tensor:
        """See `OneStep`."""
        delta = actions - self._k
        # A = (1 - c) I + c 1 1^T, without a matrix product per row.
        own, shared = delta.square().sum(-1), delta.sum(-1).square()
        return (1.0 - self._coupling) * own + self._coupling * shared

    def expected(self, distribution: SquashedNormal) -> Tensor | None:
        """See `OneStep`."""
        normal = distribution.normal
        columns = normal.scale_tril.reshape(self.action_dim, self.action_dim).T
        # tr(A L L^T) is the sum of f over the columns of L, for k = 0.
        spread = self.value(columns + self._k).sum()
        return self.value(normal.mean[0]) + spread

    def exact_variance(self, policy: Policy, recipe: Recipe) -> Tensor | None:
        """See `Problem`: beyond three dimensions of the mean alone, and without a baseline.

        Cov(score) = L^-T E[f^2 z z^T] L^-1 - 4 A delta delta^T A and Cov(pathwise) = 4 A Sigma A,
        with E[f^2 z z^T] = (c^2 + |b|^2 + 2 c t + t^2 + 2 tr M^2) I + 2 b b^T + 4 c M + 4 t M
        + 8 M^2, c = delta^T A delta, b = 2 L^T A delta, M = L^T A L, t = tr M.
        """
        found = super().exact_variance(policy, recipe)
        plain = len(recipe.components) == 1 and recipe.shift == 0.0
        if found is not None or not plain or recipe.shift_by_mean or recipe.leave_one_out:
            return found
        if recipe.antithetic:
            return None
        estimator = recipe.components[0].estimator
        if not isinstance(estimator, Reparameterised | ScoreFunction):
            return None
        distribution = policy(torch.zeros(1, 0, dtype=torch.float64))
        variances = self._of_mean(distribution, isinstance(estimator, Reparameterised))
        count = sum(p.numel() for p in policy.parameters() if p.requires_grad)
        unknown = torch.full((count - self.action_dim,), torch.nan, dtype=torch.float64)
        return torch.cat([variances / recipe.action_samples, unknown])

    @torch.no_grad()
    def _of_mean(self, distribution: SquashedNormal, pathwise: bool) -> Tensor:
        normal, size = distribution.normal, self.action_dim
        unit = torch.eye(size, dtype=torch.float64)
        L = normal.scale_tril.reshape(size, size)  # noqa: N806
        A = (1.0 - self._coupling) * unit + self._coupling  # noqa: N806
        if pathwise:
            return torch.diagonal(4.0 * A @ L @ L.T @ A)
        delta = normal.mean[0] - self._k
        c, b, M = delta @ A @ delta, 2.0 * L.T @ A @ delta, L.T @ A @ L  # noqa: N806
        t = M.trace()
        scale = c**2 + b @ b + 2.0 * c * t + t**2 + 2.0 * (M @ M).trace()
        second = scale * unit + 2.0 * torch.outer(b, b) + 4.0 * (c + t) * M + 8.0 * M @ M
        inverse = torch.linalg.inv(L)
        gradient = 2.0 * A @ delta
        return torch.diagonal(inverse.T @ second @ inverse) - gradient.square()
