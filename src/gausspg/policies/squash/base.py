"""What every squash shares: how the latent u becomes the action, and the density that declares.

A squash is handed u and the Gaussian u came from. Densities are always computed from u; no squash
is ever inverted. A new squash is one file with one class and one YAML in `conf/squash/`.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from gausspg.policies.normal import Normal


class Squash(nn.Module, ABC):
    """A map u -> action with the density it declares.

    Class attributes say what it needs; refusals ask these and never a name:
    `needs_independent`: only defined for independent latent dimensions; `needs_bounds`: every
    action dimension must have finite bounds; `entropy_depends_on_mean`: so does the entropy of the
    density that is declared; `bounded_entropy`: it has an upper bound, whatever the Gaussian.

    Args:
        low: `[action_dim]`, lower bounds of the action, may be -inf.
        high: `[action_dim]`, upper bounds, may be inf.

    Raises:
        ValueError: bounds are needed and missing.
    """

    needs_independent: bool = False
    needs_bounds: bool = False
    entropy_depends_on_mean: bool = True
    bounded_entropy: bool = True
    low: Tensor
    high: Tensor

    def __init__(self, *, low: Tensor, high: Tensor) -> None:
        super().__init__()
        # The difference too: bounds of +-3e38 mean "unbounded" and overflow here.
        bounded = torch.isfinite(low) & torch.isfinite(high) & torch.isfinite(high - low)
        if self.needs_bounds and not bounded.all():
            word = type(self).__module__.rpartition(".")[2]
            raise ValueError(
                f"squash={word} needs finite action bounds and the "
                f"environment's are {low.tolist()} to {high.tolist()}: use squash=none"
            )
        self.register_buffer("low", low.float())
        self.register_buffer("high", high.float())
        # An unbounded dimension is never saturated.
        centre = torch.where(bounded, (low + high) / 2, torch.zeros_like(low))
        half_range = torch.where(bounded, (high - low) / 2, torch.full_like(low, torch.inf))
        self.register_buffer("centre", centre.float())
        self.register_buffer("half_range", half_range.float())
        unit = half_range.masked_fill(~bounded, 1.0).float()
        self.register_buffer("unit", unit, persistent=False)

    centre: Tensor
    half_range: Tensor
    unit: Tensor

    @abstractmethod
    def action(self, u: Tensor) -> Tensor:
        """Map u to the action sent to the environment, both `[batch, action_dim]`."""

    @abstractmethod
    def log_prob(self, normal: Normal, u: Tensor) -> Tensor:
        """Log of the declared density at the action that `u` becomes, `[batch]`, in nats.

        The value and its gradient in the parameters of `normal` both mean something.
        """

    @abstractmethod
    def entropy(self, normal: Normal) -> Tensor:
        """Entropy of the declared density, `[batch]`, in nats; differentiable in `normal`."""

    def entropy_estimate(self, normal: Normal, noise: Tensor) -> Tensor:
        """Unbiased differentiable estimate of `entropy`, `[batch]`, for squashes where it is dear.

        Args:
            normal: the Gaussian of u.
            noise: `[K, batch, action_dim]`, standard normal.
        """
        del noise
        return self.entropy(normal)

    @property
    def log_scale(self) -> float:
        """Sum over the bounded dimensions of the log of half their range."""
        return float(self.unit.log().sum())

    def scaled(self, u: Tensor) -> Tensor:
        """Map u to the action with bounded dimensions scaled to [-1, 1], `[..., action_dim]`."""
        return (self.action(u) - self.centre) / self.unit

    def clip_share(self, u: Tensor) -> Tensor:
        """Share of the entries of u that this map clips, a scalar; 0 for maps that do not."""
        return u.new_zeros(())

    def saturation(self, u: Tensor) -> Tensor:
        """Share of the action's entries beyond 0.99 of the way to a bound, a scalar."""
        distance = (self.action(u) - self.centre).abs() / self.half_range
        return (distance > 0.99).float().mean()


class LatentDensity(Squash):
    """A squash whose declared density is that of u itself."""

    entropy_depends_on_mean = False
    bounded_entropy = False

    def log_prob(self, normal: Normal, u: Tensor) -> Tensor:
        """See `Squash`: the Gaussian's density of u, before anything happens to u."""
        return normal.log_prob(u)

    def entropy(self, normal: Normal) -> Tensor:
        """See `Squash`: the entropy of u."""
        return normal.base_entropy()


class Clipping(Squash):
    """A squash that sends clip(u, low, high) to the environment."""

    needs_bounds = True

    def action(self, u: Tensor) -> Tensor:
        """See `Squash`."""
        return u.clamp(self.low, self.high)

    def clip_share(self, u: Tensor) -> Tensor:
        """See `Squash`."""
        return ((u < self.low) | (u > self.high)).float().mean()
