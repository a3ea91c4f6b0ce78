"""The distribution of the latent u: a Gaussian, diagonal or with a Cholesky factor.

Both classes answer the same questions, so that nothing downstream asks which one it holds:

- `mean`, `std`: `[batch, action_dim]`, the marginal standard deviation of each latent dimension;
- `transform(noise)`: standard-normal noise -> u, differentiable in the parameters (the
  reparameterised sample; detach it wherever a score function is taken);
- `log_prob(u)`, `base_entropy()`: `[batch]`, in nats;
- `condition_number()`: `[batch]`, of the covariance matrix;
- `log_scale`: `[batch, action_dim]` or `[action_dim]`, what the bounds on the std act on.
"""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

_HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)


class Normal(ABC):
    """A Gaussian over the latent u (contract in the module's docstring)."""

    mean: Tensor
    log_scale: Tensor

    @property
    @abstractmethod
    def std(self) -> Tensor:
        """Marginal standard deviations, `[batch, action_dim]`."""

    @property
    @abstractmethod
    def scale_tril(self) -> Tensor:
        """Cholesky factor L of the covariance, `[batch, n, n]` or without the batch."""

    @abstractmethod
    def transform(self, noise: Tensor) -> Tensor:
        """Map standard-normal `noise` `[batch, action_dim]` to u, differentiably."""

    @abstractmethod
    def whiten(self, u: Tensor) -> Tensor:
        """Return the noise that `transform` maps to `u`, `[batch, action_dim]`."""

    @abstractmethod
    def condition_number(self) -> Tensor:
        """Ratio of the covariance's largest to its smallest eigenvalue, `[batch]`."""

    def log_prob(self, u: Tensor) -> Tensor:
        """Log-density of u, `[batch]`, in nats."""
        noise = self.whiten(u)
        return -(0.5 * noise.square() + self.log_scale).sum(-1) - u.shape[-1] * _HALF_LOG_TWO_PI

    def base_entropy(self) -> Tensor:
        """Entropy of the Gaussian itself, `[batch]`, in nats: no squash is considered."""
        per_dimension = (self.log_scale + (_HALF_LOG_TWO_PI + 0.5)).expand_as(self.mean)
        return per_dimension.sum(-1)


class DiagonalNormal(Normal):
    """Independent dimensions.

    Args:
        mean: `[batch, action_dim]`.
        log_std: `[batch, action_dim]`, or `[action_dim]` for one std in every state.
    """

    def __init__(self, mean: Tensor, log_std: Tensor) -> None:
        self.mean = mean
        self.log_scale = log_std

    @property
    def std(self) -> Tensor:
        """See `Normal`."""
        return self.log_scale.exp().expand_as(self.mean)

    @property
    def scale_tril(self) -> Tensor:
        """See `Normal`."""
        return torch.diag_embed(self.log_scale.exp())

    def transform(self, noise: Tensor) -> Tensor:
        """See `Normal`."""
        return self.mean + self.log_scale.exp() * noise

    def whiten(self, u: Tensor) -> Tensor:
        """See `Normal`."""
        return (u - self.mean) * torch.exp(-self.log_scale)

    def condition_number(self) -> Tensor:
        """See `Normal`."""
        spread = self.log_scale.amax(-1) - self.log_scale.amin(-1)
        return torch.exp(2.0 * spread).expand(self.mean.shape[:-1])

    def log_prob_per_dimension(self, u: Tensor) -> Tensor:
        """Log-density of each dimension of u, `[batch, action_dim]`."""
        return -0.5 * self.whiten(u).square() - self.log_scale - _HALF_LOG_TWO_PI


class CholeskyNormal(Normal):
    """Full covariance L L^T with L = diag(scale) (I + W), W strictly lower triangular.

    W holds the regression of each dimension on those before it, in units free of the scale; with
    W = 0 this is `DiagonalNormal`. The density needs one triangular solve and no inverse.

    Args:
        mean: `[batch, action_dim]`.
        log_scale: `[batch, action_dim]` or `[action_dim]`, log of the diagonal of L.
        below: `[batch, n (n - 1) / 2]` or `[n (n - 1) / 2]`, the entries of W, row by row.
    """

    def __init__(self, mean: Tensor, log_scale: Tensor, below: Tensor) -> None:
        self.mean = mean
        self.log_scale = log_scale
        size = log_scale.shape[-1]
        rows, columns = torch.tril_indices(size, size, offset=-1)
        # A constant matrix scatters the entries: differentiable, batched and without indexing.
        scatter = below.new_zeros(below.shape[-1], size * size)
        scatter[torch.arange(len(rows)), rows * size + columns] = 1.0
        strictly_lower = (below @ scatter).unflatten(-1, (size, size))
        self._unit = strictly_lower + torch.eye(size, dtype=below.dtype, device=below.device)

    @property
    def scale_tril(self) -> Tensor:
        """See `Normal`."""
        return self.log_scale.exp().unsqueeze(-1) * self._unit

    @property
    def std(self) -> Tensor:
        """See `Normal`."""
        return torch.linalg.vector_norm(self.scale_tril, dim=-1).expand_as(self.mean)

    def transform(self, noise: Tensor) -> Tensor:
        """See `Normal`."""
        correlated = (self._unit @ noise.unsqueeze(-1)).squeeze(-1)
        return self.mean + self.log_scale.exp() * correlated

    def whiten(self, u: Tensor) -> Tensor:
        """See `Normal`."""
        scaled = (u - self.mean) * torch.exp(-self.log_scale)
        if self._unit.dim() == 2:
            return torch.linalg.solve_triangular(self._unit.mT, scaled, upper=True, left=False)
        return torch.linalg.solve_triangular(
            self._unit, scaled.unsqueeze(-1), upper=False, unitriangular=True
        ).squeeze(-1)

    def condition_number(self) -> Tensor:
        """See `Normal`."""
        singular = torch.linalg.svdvals(self.scale_tril)
        ratio: Tensor = singular[..., 0] / singular[..., -1]
        return ratio.square().expand(self.mean.shape[:-1])
