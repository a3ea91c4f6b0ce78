"""`policy=gaussian`: a mean network, a variance mode and a squash."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gausspg.policies.actions import BoxActions
from gausspg.policies.base import ActionDistribution, Policy
from gausspg.policies.nets import Activation, linear, mlp, width
from gausspg.policies.normal import Normal
from gausspg.policies.normaliser import Normaliser
from gausspg.policies.squash.base import Squash
from gausspg.policies.variance.base import Shape, Variance
from gausspg.ranges import Count, Positive


class SquashedNormal(ActionDistribution):
    """The distribution of squash(u) with u from a Gaussian, `normal`."""

    def __init__(self, normal: Normal, squash: Squash, variance: Variance) -> None:
        self.normal = normal
        self.squash = squash
        self._variance = variance

    @property
    def independent(self) -> bool:
        """Whether the latent dimensions are independent given the state."""
        return self._variance.independent

    def sample(self, noise: Tensor) -> Tensor:
        """See `ActionDistribution`."""
        with torch.no_grad():
            return self.normal.transform(noise)

    def reparameterise(self, noise: Tensor) -> Tensor:
        """See `ActionDistribution`."""
        return self.normal.transform(noise)

    def mode(self) -> Tensor:
        """See `ActionDistribution`: the mean of u, which for `tanh` is not the mode of a."""
        return self.normal.mean

    def action(self, u: Tensor) -> Tensor:
        """See `ActionDistribution`."""
        return self.squash.action(u)

    def action_features(self, u: Tensor) -> Tensor:
        """See `ActionDistribution`: the action sent, in half-ranges from the centre."""
        return self.squash.scaled(u)

    def log_prob(self, u: Tensor) -> Tensor:
        """See `ActionDistribution`."""
        return self.squash.log_prob(self.normal, u)

    def entropy(self) -> Tensor:
        """See `ActionDistribution`."""
        return self.squash.entropy(self.normal)

    def entropy_estimate(self, noise: Tensor) -> Tensor:
        """See `ActionDistribution`."""
        return self.squash.entropy_estimate(self.normal, noise)

    def metrics(self, u: Tensor) -> dict[str, Tensor]:
        """See `ActionDistribution`."""
        std = self.normal.std
        measured = {
            "std_min": std.min(),
            "std_mean": std.mean(),
            "std_max": std.max(),
            "condition_number": self.normal.condition_number().mean(),
            "base_entropy": self.normal.base_entropy().mean(),
            "entropy": self.entropy().mean(),
            "saturation": self.squash.saturation(u),
            "clip_share": self.squash.clip_share(u),
        }
        hit_rate = self._variance.bound_hit_rate(self.normal)
        if hit_rate is not None:
            measured["std_bound_hit_rate"] = hit_rate
        return measured


class GaussianPolicy(Policy):
    """u ~ N(mean(s), covariance(s)), action = squash(u).

    Args:
        hidden: widths of the hidden layers; an empty list makes the mean linear in the
            observation.
        activation: of the hidden layers.
        mean_gain: scale of the last layer's initial weights; 0.01 starts near a mean of 0 in every
            state (Andrychowicz et al. 2020, arXiv:2006.05990, section 3.2).
        variance: builds the variance mode, given the network's `shape`.
        squash: the squash.
        normaliser: of the observations.
        actions: the environment's.
        generator: initialises the layers of the mean.

    Raises:
        ValueError: the variance mode and the squash, or the number of dimensions, do not fit.
    """

    actions_type = BoxActions
    differentiable_samples = True

    def __init__(
        self,
        hidden: Sequence[Count],
        activation: Activation,
        mean_gain: Positive,
        *,
        variance: Callable[..., Variance],
        squash: Squash,
        normaliser: Normaliser,
        actions: BoxActions,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        observation_dim, action_dim = len(normaliser.mean), len(actions.low)
        self.normaliser = normaliser
        self.trunk = mlp(observation_dim, hidden, activation, generator)
        self.mean = linear(width(observation_dim, hidden), action_dim, mean_gain, generator)
        self.variance = variance(
            shape=Shape(observation_dim, action_dim, tuple(hidden), activation, squash.latent_std)
        )
        self.squash = squash
        self.latent_dim = self.feature_dim = action_dim
        # Haarnoja et al. 2018, arXiv:1812.05905, table 1, where actions lie in [-1, 1].
        self.usual_target_entropy = -float(action_dim) + float(squash.log_half_range.sum())
        self.trains_std = any(p.requires_grad for p in self.variance.parameters())
        self.trains_entropy = self.trains_std or squash.entropy_depends_on_mean
        self._check_settings()

    def _check_settings(self) -> None:
        mode, squash = (_word(part) for part in (self.variance, self.squash))
        if self.squash.needs_independent and not self.variance.independent:
            raise ValueError(
                f"squash={squash} needs latent dimensions that are independent and those of "
                f"variance={mode} are not (its tail masses have no closed form): choose a diagonal "
                "variance or another squash"
            )
        if self.latent_dim < self.variance.minimum_action_dim:
            raise ValueError(
                f"variance={mode} needs at least {self.variance.minimum_action_dim} action "
                f"dimensions and there are {self.latent_dim}: it would equal a diagonal one"
            )

    def forward(self, observations: Tensor) -> SquashedNormal:
        """See `Policy`."""
        features = self.trunk(observations)
        normal = self.variance(self.mean(features), observations, features)
        return SquashedNormal(normal, self.squash, self.variance)

    def draw_noise(self, generator: torch.Generator, *batch: int) -> Tensor:
        """See `Policy`: standard normal, `[*batch, action_dim]`."""
        return torch.randn(*batch, self.latent_dim, generator=generator)


def _word(part: object) -> str:
    """Return the word of an axis: the name of the file its class lies in."""
    return type(part).__module__.rpartition(".")[2]
