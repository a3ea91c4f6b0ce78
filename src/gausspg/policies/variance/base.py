"""What every variance mode shares: the contract, the map from a raw number to a std, its bounds.

A mode answers one question: given the mean and the state, which Gaussian over the latent u? A new
mode is one file with one class and one YAML in `conf/variance/`.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gausspg.policies.nets import Activation, linear, mlp, width
from gausspg.policies.normal import Normal
from gausspg.ranges import Positive

StdMap = Literal["exp", "softplus"]
Trunk = Literal["shared", "separate"]
PerDimension = Positive | Sequence[Positive]

DEFAULT_STD = 0.5
"""Std of u before any training where nothing else is said (Andrychowicz et al. 2020, 3.2)."""


@dataclass(frozen=True)
class Shape:
    """What a variance mode has to know of the policy it is built into.

    Attributes:
        observation_dim, action_dim, hidden, activation: sizes of the policy network.
        latent_std: from the std of the action, in half-ranges, to that of u; see `Squash`.
    """

    observation_dim: int
    action_dim: int
    hidden: tuple[int, ...]
    activation: Activation
    latent_std: Callable[[Tensor], Tensor] = lambda action_std: action_std


class Variance(nn.Module, ABC):
    """A variance mode.

    Class attributes say what the mode can do; refusals ask these and never a name:
    `independent`: the dimensions of u are independent given the state; `minimum_action_dim`: below
    it the mode would equal a simpler one.
    """

    independent: bool = True
    minimum_action_dim: int = 1

    @abstractmethod
    def forward(self, mean: Tensor, observations: Tensor, features: Tensor) -> Normal:
        """Return the latent Gaussian in each state.

        Args:
            mean: `[batch, action_dim]`.
            observations: `[batch, observation_dim]`, normalised; for a trunk of one's own.
            features: `[batch, width]`, what the mean's trunk gives out; for a shared trunk.
        """

    def bound_hit_rate(self, normal: Normal) -> Tensor | None:
        """Share of the stds of `normal` at a bound, a scalar; None if there are no bounds."""
        del normal
        return None


def starting_std(
    initial_std: PerDimension | None, initial_action_std: PerDimension | None, shape: Shape
) -> Tensor:
    """Return the std of u before any training, `[action_dim]`.

    Args:
        initial_std: of u, in half-ranges of the action; one number or one per dimension.
        initial_action_std: of the action where the mean of u is 0, in half-ranges; the squash says
            which std of u that takes. With neither, the std of u is 0.5.
        shape: of the policy.

    Raises:
        ValueError: both are given, or a list of the wrong length, or an action's std that the
            squash cannot reach.
    """
    if initial_std is not None and initial_action_std is not None:
        raise ValueError(
            f"variance.initial_std={initial_std} and variance.initial_action_std="
            f"{initial_action_std} both say how far actions scatter at the start: give one of them"
        )
    if initial_action_std is not None:
        asked = per_dimension(initial_action_std, shape.action_dim, "initial_action_std")
        return shape.latent_std(asked)
    start = DEFAULT_STD if initial_std is None else initial_std
    return per_dimension(start, shape.action_dim, "initial_std")


def _named(
    initial_std: PerDimension | None, initial_action_std: PerDimension | None, std: Tensor
) -> str:
    """Name the setting that the std of u at the start comes from."""
    if initial_action_std is None:
        return f"variance.initial_std={DEFAULT_STD if initial_std is None else initial_std}"
    of_u = ", ".join(f"{value:.3g}" for value in std.unique().tolist())
    return f"the std of u, {of_u}, which variance.initial_action_std={initial_action_std} asks for,"


def per_dimension(value: PerDimension, action_dim: int, name: str) -> Tensor:
    """Spread a scalar, or check a list, to shape `[action_dim]`.

    Raises:
        ValueError: a list whose length is not the number of action dimensions.
    """
    if not isinstance(value, Sequence):
        return torch.full((action_dim,), float(value))
    if len(value) != action_dim:
        raise ValueError(
            f"variance.{name} has {len(value)} entries and the action has {action_dim} dimensions: "
            f"give one number for all or {action_dim} of them"
        )
    return torch.tensor([float(entry) for entry in value])


class _Bound(torch.autograd.Function):
    """Clamp that keeps the part of a descent gradient that points back inside.

    A plain clamp has zero gradient beyond its bounds, so that a parameter which a large step put
    there would never return.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(raw: Tensor, low: float, high: float) -> Tensor:
        return raw.clamp(low, high)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float, float], output: Tensor) -> None:
        # Beyond the upper bound this is positive, beyond the lower one negative.
        ctx.save_for_backward(inputs[0] - output)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (excess,) = ctx.saved_tensors
        (grad,) = grads
        # Descent goes against the gradient: where the two disagree it leads further out.
        return grad.masked_fill(excess * grad < 0.0, 0.0), None, None


def _log_softplus(raw: Tensor) -> Tensor:
    # Far below zero softplus(x) is exp(x): its logarithm there is x itself, where softplus
    # underflows to 0 and the derivative of its logarithm to NaN.
    return torch.where(raw < -15.0, raw, nn.functional.softplus(raw.clamp(min=-15.0)).log())


class BoundedStd(Variance):
    """A mode whose stds are learned: `std = clamp(map(raw), min_std, max_std)`.

    The std is the marginal one of each dimension of u, in diagonal and in full modes. The gradient
    is that of the clamp, except that beyond a bound the part of a descent step that leads back
    inside is kept (projected gradient).

    Args:
        initial_std: std of u at initialisation; see `starting_std`.
        initial_action_std: std of the action at initialisation; see `starting_std`.
        min_std: lower bound of the std of u.
        max_std: upper bound of the std of u.
        std_map: `exp` or `softplus`, from the unbounded raw number to the std.
        shape: sizes of the network and how stds of u and of the action go together.
    """

    def __init__(
        self,
        initial_std: PerDimension | None,
        initial_action_std: PerDimension | None,
        min_std: Positive,
        max_std: Positive,
        std_map: StdMap,
        *,
        shape: Shape,
    ) -> None:
        super().__init__()
        initial = starting_std(initial_std, initial_action_std, shape)
        if not (min_std < max_std and (initial >= min_std).all() and (initial <= max_std).all()):
            raise ValueError(
                f"{_named(initial_std, initial_action_std, initial)} must lie between "
                f"variance.min_std={min_std} and variance.max_std={max_std}: change one of "
                "the three"
            )
        self._log_min, self._log_max = math.log(min_std), math.log(max_std)
        self._std_map = std_map
        # The inverse of softplus is log(exp(x) - 1), written so that a large x does not overflow.
        inverse = initial.log() if std_map == "exp" else initial + (-torch.expm1(-initial)).log()
        self._initial_raw = torch.cat([inverse, self.initial_correlation(shape.action_dim)])

    @abstractmethod
    def initial_correlation(self, action_dim: int) -> Tensor:
        """Return the raw numbers beside those of the stds, as they start; none: empty."""

    @abstractmethod
    def normal(self, mean: Tensor, raw: Tensor) -> Normal:
        """Return the Gaussian that raw numbers describe: those of the stds come first."""

    def log_std(self, raw: Tensor) -> Tensor:
        """Map raw numbers `[..., action_dim]` to bounded log-stds of the same shape."""
        unbounded = raw if self._std_map == "exp" else _log_softplus(raw)
        if not torch.is_grad_enabled():
            return unbounded.clamp(self._log_min, self._log_max)
        bounded: Tensor = _Bound.apply(unbounded, self._log_min, self._log_max)
        return bounded

    def bound_hit_rate(self, normal: Normal) -> Tensor:
        """See `Variance`."""
        log_std = normal.log_std
        return ((log_std <= self._log_min) | (log_std >= self._log_max)).float().mean()


class StateDependentStd(BoundedStd):
    """A mode whose raw numbers come from a second head on the state.

    Args:
        trunk: `shared` puts the head on the mean's hidden layers, `separate` on hidden layers of
            its own.
        generator: initialises the layers; the weights of the head start 100 times smaller than
            usual, so that the std starts alike in every state.

    The other arguments are those of `BoundedStd`.
    """

    def __init__(
        self,
        initial_std: PerDimension | None,
        initial_action_std: PerDimension | None,
        min_std: Positive,
        max_std: Positive,
        std_map: StdMap,
        trunk: Trunk,
        *,
        shape: Shape,
        generator: torch.Generator,
    ) -> None:
        super().__init__(initial_std, initial_action_std, min_std, max_std, std_map, shape=shape)
        if trunk == "separate" and not shape.hidden:
            raise ValueError(
                "variance.trunk=separate has no effect on a linear policy (policy.hidden=[]): "
                "leave it at shared"
            )
        self.trunk: nn.Module | None = None
        if trunk == "separate":
            self.trunk = mlp(shape.observation_dim, shape.hidden, shape.activation, generator)
        features = width(shape.observation_dim, shape.hidden)
        self.head = linear(features, len(self._initial_raw), 0.01, generator)
        with torch.no_grad():
            self.head.bias.copy_(self._initial_raw)

    def forward(self, mean: Tensor, observations: Tensor, features: Tensor) -> Normal:
        """See `Variance`."""
        own = features if self.trunk is None else self.trunk(observations)
        return self.normal(mean, self.head(own))


class StateIndependentStd(BoundedStd):
    """A mode whose raw numbers are parameters, the same in every state."""

    def __init__(
        self,
        initial_std: PerDimension | None,
        initial_action_std: PerDimension | None,
        min_std: Positive,
        max_std: Positive,
        std_map: StdMap,
        *,
        shape: Shape,
    ) -> None:
        super().__init__(initial_std, initial_action_std, min_std, max_std, std_map, shape=shape)
        self.raw = nn.Parameter(self._initial_raw.clone())

    def forward(self, mean: Tensor, observations: Tensor, features: Tensor) -> Normal:
        """See `Variance`."""
        del observations, features
        return self.normal(mean, self.raw)
