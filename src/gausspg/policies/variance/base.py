"""What every variance mode shares: the contract, the map from a raw number to a std, its bounds.

A mode answers one question: given the mean and the state, which Gaussian over the latent u? A new
mode is one file with one class and one YAML in `conf/variance/`.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from gausspg.policies.nets import Activation, linear, mlp, width
from gausspg.policies.normal import Normal
from gausspg.ranges import Positive

StdMap = Literal["exp", "softplus"]
Trunk = Literal["shared", "separate"]
PerDimension = Positive | Sequence[Positive]


@dataclass(frozen=True)
class Shape:
    """Sizes of the policy network a variance mode is built into."""

    observation_dim: int
    action_dim: int
    hidden: tuple[int, ...]
    activation: Activation


class Variance(nn.Module, ABC):
    """A variance mode.

    Class attributes say what the mode can do; refusals ask these and never a name:
    `independent`: the dimensions of u are independent given the state; `minimum_action_dim`: below
    it the mode would equal a simpler one; `scale_setting`: the setting that says how widely u
    scatters before any training.
    """

    independent: bool = True
    minimum_action_dim: int = 1
    scale_setting: ClassVar[str] = "initial_std"

    @abstractmethod
    def forward(self, mean: Tensor, observations: Tensor, features: Tensor) -> Normal:
        """Return the latent Gaussian in each state.

        Args:
            mean: `[batch, action_dim]`.
            observations: `[batch, observation_dim]`, normalised; for a trunk of one's own.
            features: `[batch, width]`, what the mean's trunk gives out; for a shared trunk.
        """

    def bound_hit_rate(self, normal: Normal) -> Tensor | None:
        """Share of the scales of `normal` at a bound, a scalar; None if there are no bounds."""
        del normal
        return None


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


class BoundedScale(Variance):
    """A mode whose scales are learned: `scale = clamp(map(raw), min_std, max_std)`.

    For diagonal modes the scale is the std; for full ones it is the diagonal of the Cholesky
    factor, a lower bound of the marginal std. The gradient is that of the clamp, except that beyond
    a bound the part of a descent step that leads back inside is kept (projected gradient).

    Args:
        initial_std: scale at initialisation, in units of u; one number or one per dimension.
        min_std: lower bound of the scale.
        max_std: upper bound of the scale.
        std_map: `exp` or `softplus`, from the unbounded raw number to the scale.
        shape: sizes of the network.
    """

    def __init__(
        self,
        initial_std: PerDimension,
        min_std: Positive,
        max_std: Positive,
        std_map: StdMap,
        *,
        shape: Shape,
    ) -> None:
        super().__init__()
        initial = per_dimension(initial_std, shape.action_dim, "initial_std")
        if not (min_std < max_std and (initial >= min_std).all() and (initial <= max_std).all()):
            raise ValueError(
                f"variance.initial_std={initial_std} must lie between variance.min_std={min_std} "
                f"and variance.max_std={max_std}: change one of the three"
            )
        self._log_min, self._log_max = math.log(min_std), math.log(max_std)
        self._std_map = std_map
        self._action_dim = shape.action_dim
        # The inverse of softplus is log(exp(x) - 1), written so that a large x does not overflow.
        inverse = initial.log() if std_map == "exp" else initial + (-torch.expm1(-initial)).log()
        off_diagonal = torch.zeros(self.raw_count(shape.action_dim) - shape.action_dim)
        self._initial_raw = torch.cat([inverse, off_diagonal])

    @staticmethod
    @abstractmethod
    def raw_count(action_dim: int) -> int:
        """How many raw numbers describe one covariance."""

    @abstractmethod
    def normal(self, mean: Tensor, raw: Tensor) -> Normal:
        """Return the Gaussian that the raw numbers `[..., raw_count]` describe."""

    def log_scale(self, raw: Tensor) -> Tensor:
        """Map raw numbers `[..., action_dim]` to bounded log-scales of the same shape."""
        unbounded = raw if self._std_map == "exp" else _log_softplus(raw)
        if not torch.is_grad_enabled():
            return unbounded.clamp(self._log_min, self._log_max)
        bounded: Tensor = _Bound.apply(unbounded, self._log_min, self._log_max)
        return bounded

    def bound_hit_rate(self, normal: Normal) -> Tensor:
        """See `Variance`."""
        log_scale = normal.log_scale
        return ((log_scale <= self._log_min) | (log_scale >= self._log_max)).float().mean()


class StateDependentScale(BoundedScale):
    """A mode whose raw numbers come from a second head on the state.

    Args:
        trunk: `shared` puts the head on the mean's hidden layers, `separate` on hidden layers of
            its own.
        generator: initialises the layers; the weights of the head start 100 times smaller than
            usual, so that the std starts at `initial_std` in every state.

    The other arguments are those of `BoundedScale`.
    """

    def __init__(
        self,
        initial_std: PerDimension,
        min_std: Positive,
        max_std: Positive,
        std_map: StdMap,
        trunk: Trunk,
        *,
        shape: Shape,
        generator: torch.Generator,
    ) -> None:
        super().__init__(initial_std, min_std, max_std, std_map, shape=shape)
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


class StateIndependentScale(BoundedScale):
    """A mode whose raw numbers are parameters, the same in every state."""

    def __init__(
        self,
        initial_std: PerDimension,
        min_std: Positive,
        max_std: Positive,
        std_map: StdMap,
        *,
        shape: Shape,
    ) -> None:
        super().__init__(initial_std, min_std, max_std, std_map, shape=shape)
        self.raw = nn.Parameter(self._initial_raw.clone())

    def forward(self, mean: Tensor, observations: Tensor, features: Tensor) -> Normal:
        """See `Variance`."""
        del observations, features
        return self.normal(mean, self.raw)
