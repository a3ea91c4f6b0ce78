"""The distribution of the latent u: a Gaussian, diagonal or with a Cholesky factor.

Both classes answer the same questions, so that nothing downstream asks which one it holds:

- `mean`, `std`: `[batch, action_dim]`, the marginal standard deviation of each latent dimension;
- `transform(noise)`: standard-normal noise -> u, differentiable in the parameters (the
  reparameterised sample; detach it wherever a score function is taken);
- `log_prob(u)`, `base_entropy()`: `[batch]`, in nats;
- `condition_number()`: `[batch]`, of the covariance matrix;
- `log_std`: `[batch, action_dim]` or `[action_dim]`, log of the marginal standard deviations, which
  is what the bounds on the std act on, in every mode.
"""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

_HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)


class Normal(ABC):
    """A Gaussian over the latent u (contract in the module's docstring)."""

    mean: Tensor
    log_std: Tensor

    @property
    def std(self) -> Tensor:
        """Marginal standard deviations, `[batch, action_dim]`."""
        return self.log_std.exp().expand_as(self.mean)

    @property
    @abstractmethod
    def log_det_factor(self) -> Tensor:
        """Log of the determinant of L, half that of the covariance's; `[batch]` or a scalar."""

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
        squares = self.whiten(u).square().sum(-1)
        return -0.5 * squares - self.log_det_factor - u.shape[-1] * _HALF_LOG_TWO_PI

    def base_entropy(self) -> Tensor:
        """Entropy of the Gaussian itself, `[batch]`, in nats: no squash is considered."""
        entropy = self.log_det_factor + self.mean.shape[-1] * (_HALF_LOG_TWO_PI + 0.5)
        return entropy.expand(self.mean.shape[:-1])


class DiagonalNormal(Normal):
    """Independent dimensions.

    Args:
        mean: `[batch, action_dim]`.
        log_std: `[batch, action_dim]`, or `[action_dim]` for one std in every state.
    """

    def __init__(self, mean: Tensor, log_std: Tensor) -> None:
        self.mean = mean
        self.log_std = log_std

    @property
    def log_det_factor(self) -> Tensor:
        """See `Normal`."""
        return self.log_std.sum(-1)

    @property
    def scale_tril(self) -> Tensor:
        """See `Normal`."""
        return torch.diag_embed(self.log_std.exp())

    def transform(self, noise: Tensor) -> Tensor:
        """See `Normal`."""
        return self.mean + self.log_std.exp() * noise

    def whiten(self, u: Tensor) -> Tensor:
        """See `Normal`."""
        return (u - self.mean) * torch.exp(-self.log_std)

    def condition_number(self) -> Tensor:
        """See `Normal`."""
        spread = self.log_std.amax(-1) - self.log_std.amin(-1)
        return torch.exp(2.0 * spread).expand(self.mean.shape[:-1])

    def log_prob_per_dimension(self, u: Tensor) -> Tensor:
        """Log-density of each dimension of u, `[batch, action_dim]`."""
        return -0.5 * self.whiten(u).square() - self.log_std - _HALF_LOG_TWO_PI


class CholeskyNormal(Normal):
    """Full covariance L L^T with L = diag(std) R; the rows of R have unit length.

    R is the Cholesky factor of the correlation matrix, so `log_std` is the log of the marginal
    stds whatever the correlations; with R = I this is `DiagonalNormal`. The density needs one
    triangular solve and no inverse.

    Args:
        mean: `[batch, action_dim]`.
        log_std: `[batch, action_dim]` or `[action_dim]`.
        factor: R, `[batch, n, n]` or `[n, n]`, lower triangular with a positive diagonal.
    """

    def __init__(self, mean: Tensor, log_std: Tensor, factor: Tensor) -> None:
        self.mean = mean
        self.log_std = log_std
        self.factor = factor

    @property
    def log_det_factor(self) -> Tensor:
        """See `Normal`."""
        return self.log_std.sum(-1) + self.factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    @property
    def scale_tril(self) -> Tensor:
        """See `Normal`."""
        return self.log_std.exp().unsqueeze(-1) * self.factor

    def transform(self, noise: Tensor) -> Tensor:
        """See `Normal`."""
        correlated = (self.factor @ noise.unsqueeze(-1)).squeeze(-1)
        return self.mean + self.log_std.exp() * correlated

    def whiten(self, u: Tensor) -> Tensor:
        """See `Normal`."""
        standardised = (u - self.mean) * torch.exp(-self.log_std)
        if self.factor.dim() == 2:
            transposed = self.factor.mT
            return torch.linalg.solve_triangular(transposed, standardised, upper=True, left=False)
        columns = standardised.unsqueeze(-1)
        return torch.linalg.solve_triangular(self.factor, columns, upper=False).squeeze(-1)

    def condition_number(self) -> Tensor:
        """See `Normal`."""
        singular = torch.linalg.svdvals(self.scale_tril)
        ratio: Tensor = singular[..., 0] / singular[..., -1]
        return ratio.square().expand(self.mean.shape[:-1])


def unit_rows(below: Tensor, size: int) -> Tensor:
    """Return the Cholesky factor of a correlation matrix from unbounded numbers.

    R = D (I + W) with W strictly lower triangular and D the diagonal matrix that gives every row
    unit length: every W is a correlation matrix of full rank, and W = 0 the identity.

    Args:
        below: `[..., n (n - 1) / 2]`, the entries of W, row by row.
        size: n.

    Returns:
        R, `[..., n, n]`.
    """
    rows, columns = torch.tril_indices(size, size, offset=-1)
    # A constant matrix scatters the entries: differentiable, batched and without indexing.
    scatter = below.new_zeros(below.shape[-1], size * size)
    scatter[torch.arange(len(rows)), rows * size + columns] = 1.0
    strictly_lower = (below @ scatter).unflatten(-1, (size, size))
    lower = strictly_lower + torch.eye(size, dtype=below.dtype, device=below.device)
    return lower / torch.linalg.vector_norm(lower, dim=-1, keepdim=True)
