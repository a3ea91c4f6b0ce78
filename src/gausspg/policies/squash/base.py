"""The base of all squashes: the map from the latent u to the action, and its declared density.

u is in half-ranges of the action, for every squash: on a dimension with two finite bounds the
action is a = centre + half_range g(u), on one without bounds a = u. A squash is the elementwise map
g and the density it declares, which is that of the action in the environment's own units. It is
handed u and the Gaussian u came from; no squash is ever inverted. A new squash is one file with one
class and one YAML in `conf/squash/`.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from gausspg.policies.box import ActionBox
from gausspg.policies.normal import Normal

# Nodes of the trapezoidal rule for the std of the action; g may have a kink, which costs the rule
# an error of the square of their distance. None lies at 0, which a wide Gaussian almost never is.
_NODES, _REACH = 16_000, 8.0


class Squash(ActionBox, ABC):
    """A map u -> action with the density it declares.

    Class attributes say what it needs; refusals ask these and never a name:
    `needs_independent`: only defined for independent latent dimensions; `bounds_actions`: |g| <= 1,
    so that there must be something to bound; `entropy_depends_on_mean`: so does the entropy of the
    density that is declared.

    Args:
        low: `[action_dim]`, float64, lower bounds of the action, may be -inf.
        high: `[action_dim]`, float64, upper bounds, may be inf.

    Raises:
        ValueError: see `ActionBox`; or a squash that bounds, and no dimension with two finite
            bounds, or one with a single finite bound.
    """

    needs_independent: bool = False
    bounds_actions: bool = True
    entropy_depends_on_mean: bool = True

    def __init__(self, *, low: Tensor, high: Tensor) -> None:
        super().__init__(low, high)
        if self.bounds_actions:
            self._refuse_missing_bounds(low, high)

    @abstractmethod
    def bounded_part(self, u: Tensor) -> Tensor:
        """Return g(u) as if every dimension were bounded, `[..., action_dim]`, elementwise."""

    @abstractmethod
    def log_prob(self, normal: Normal, u: Tensor) -> Tensor:
        """Log of the declared density at the action that `u` becomes, `[batch]`, in nats.

        The value and its gradient in the parameters of `normal` both mean something.
        """

    @abstractmethod
    def entropy(self, normal: Normal) -> Tensor:
        """Entropy of the declared density, `[batch]`, in nats; differentiable in `normal`."""

    def entropy_estimate(self, normal: Normal, noise: Tensor) -> Tensor:
        """Unbiased differentiable estimate of `entropy`, `[batch]`, where `entropy` is costly.

        Args:
            normal: the Gaussian of u.
            noise: `[K, batch, action_dim]`, standard normal.
        """
        del noise
        return self.entropy(normal)

    def scaled(self, u: Tensor) -> Tensor:
        """Map u to the action in half-ranges from the centre, `[..., action_dim]`."""
        return self.where_bounded(self.bounded_part(u), u)

    def action(self, u: Tensor) -> Tensor:
        """Map u to the action sent to the environment, both `[batch, action_dim]`.

        With a squash that bounds, no action leaves its Box, in the Box's own precision.
        """
        action = self.from_half_ranges(self.scaled(u))
        return self.inside(action) if self.bounds_actions else action

    def latent_std(self, action_std: Tensor) -> Tensor:
        """Return the std of u at which the action has this one, where the mean of u is 0.

        Args:
            action_std: `[action_dim]`, in half-ranges.

        Raises:
            ValueError: no std of u gives it; an action within its bounds has a std below 1.
        """
        # Where the action is u itself, the stds are one.
        lowest, highest = action_std.double(), torch.full_like(action_std.double(), 1e6)
        asked = lowest.clone()
        if (self._action_std(highest) < asked).any():
            raise ValueError(
                f"variance.initial_action_std={action_std.max().item():.3g} cannot be reached: an "
                "action within its bounds scatters by less than one half-range; give a number "
                "below 1"
            )
        for _ in range(80):
            middle = (lowest * highest).sqrt()
            too_low = self._action_std(middle) < asked
            lowest = torch.where(too_low, middle, lowest)
            highest = torch.where(too_low, highest, middle)
        return torch.where(self.bounded, highest, asked).float()

    def _action_std(self, std: Tensor) -> Tensor:
        """Return the std of g(u) for u ~ N(0, std^2), `[action_dim]`, float64."""
        nodes = torch.linspace(-_REACH, _REACH, _NODES, dtype=torch.float64).unsqueeze(-1)
        weights = torch.softmax(-0.5 * nodes.square(), dim=0)
        squares = self.where_bounded(self.bounded_part(std * nodes), std * nodes).square()
        return (weights * squares).sum(0).sqrt()

    def clip_share(self, u: Tensor) -> Tensor:
        """Share of the entries of u that this map clips, a scalar; 0 for maps that do not."""
        return u.new_zeros(())

    def saturation(self, u: Tensor) -> Tensor:
        """Share of the action's entries beyond 0.99 of the way to a bound, a scalar."""
        return ((self.scaled(u).abs() > 0.99) & self.bounded).float().mean()

    def _refuse_missing_bounds(self, low: Tensor, high: Tensor) -> None:
        word = type(self).__module__.rpartition(".")[2]
        one_sided = torch.isfinite(low) != torch.isfinite(high)
        if one_sided.any():
            place = int(one_sided.nonzero()[0])
            raise ValueError(
                f"squash={word} needs both bounds of an action or none, and dimension {place} lies "
                f"between {low[place].item():g} and {high[place].item():g}: use squash=none"
            )
        if not self.bounded.any():
            raise ValueError(
                f"squash={word} needs finite action bounds and the "
                f"environment's are {low.tolist()} to {high.tolist()}: use squash=none"
            )


class LatentDensity(Squash):
    """A squash that declares the density of centre + half_range u, before anything bounds it."""

    entropy_depends_on_mean = False

    def log_prob(self, normal: Normal, u: Tensor) -> Tensor:
        """See `Squash`: the Gaussian's density of u, in units of the action."""
        return normal.log_prob(u) - self.log_half_range.sum()

    def entropy(self, normal: Normal) -> Tensor:
        """See `Squash`: the entropy of u, in units of the action."""
        return normal.base_entropy() + self.log_half_range.sum()


class Clipping(Squash):
    """A squash with g(u) = clip(u, -1, 1)."""

    def bounded_part(self, u: Tensor) -> Tensor:
        """See `Squash`."""
        return u.clamp(-1.0, 1.0)

    def clip_share(self, u: Tensor) -> Tensor:
        """See `Squash`."""
        return ((u.abs() > 1.0) & self.bounded).float().mean()
