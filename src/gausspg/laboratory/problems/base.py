"""What a problem of the laboratory is: something to be climbed by changing a policy.

A new one is one file with one class and one YAML in `conf/problem/`.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gausspg.diagnostics.rows import Forward, grads_or_zeros
from gausspg.estimators.base import Estimator, LearningSignals
from gausspg.laboratory import quadrature
from gausspg.laboratory.estimators.base import LaboratoryEstimator
from gausspg.laboratory.estimators.wrong import WrongEntropyWithoutSquash
from gausspg.laboratory.recipe import Recipe
from gausspg.policies.actions import BoxActions
from gausspg.policies.base import ActionDistribution, Policy
from gausspg.policies.gaussian import SquashedNormal

Draws = tuple[Tensor, ...]


@dataclass(frozen=True)
class Reference:
    """A gradient that estimates are compared with.

    Attributes:
        gradient: `[P]`, float64.
        variance: of `gradient`, `[P]`; zeros where it is exact.
        up_to_scale: only its direction can be compared.
    """

    gradient: Tensor
    variance: Tensor
    up_to_scale: bool = False


class Problem(ABC):
    """J(theta), the gradient of which is estimated.

    `available` are the learning signals it has for an estimator; `observation_dim` is 0 where
    there is no state: the policy then is a mean and a scale.
    """

    available: ClassVar[LearningSignals]
    observation_dim: int = 0
    actions: BoxActions

    def own_policy(self) -> Policy | None:
        """Return the policy that the problem brings, None if one is to be built for it."""
        return None

    def place(self, policy: Policy, generator: torch.Generator) -> None:
        """Put the parameters where the gradient is to be measured; left alone they stay."""
        del policy, generator

    @abstractmethod
    def draw(self, recipe: Recipe, latent_dim: int, generator: torch.Generator, rows: int) -> Draws:
        """Return all the chance that a chunk of rows consumes."""

    @abstractmethod
    def surrogate(
        self, estimator: Estimator, forward: Forward, draws: Draws, shift: float, of_one: bool
    ) -> Tensor:
        """Return the surrogate of each row, `[rows]`: the gradient of one is one estimate.

        Args:
            estimator: as configured for what is `available`.
            forward: the policy, at observations `[rows, observation_dim]`, as often as need be.
            draws: from `draw`.
            shift: subtracted from every value.
            of_one: the number 1 takes the place of the values.
        """

    @abstractmethod
    def values(self, forward: Forward, draws: Draws) -> Tensor:
        """Return the values that weigh the scores of a chunk of rows, of any shape."""

    def evaluations(self, recipe: Recipe, policy: Policy) -> int:
        """Return how often f is evaluated for one row's estimate."""
        first = recipe.components[0].estimator
        each = 1
        if isinstance(first, LaboratoryEstimator):
            each = first.evaluations(policy.latent_dim, policy.trains_std)
        return each * recipe.action_samples

    def exact(self, policy: Policy) -> Tensor | None:
        """Return J(theta) without sampling, float64 and differentiable; None if it is not known.

        Args:
            policy: in float64.
        """
        del policy
        return None

    def reference(self, policy: Policy) -> Reference | None:
        """Return what estimates are compared with; the gradient of `exact` unless overridden.

        Args:
            policy: at the point of the measurement, float32.
        """
        precise = copy.deepcopy(policy).double()
        climbed = self.exact(precise)
        if climbed is None:
            return None
        trained = [p for p in precise.parameters() if p.requires_grad and p.numel()]
        gradient = torch.cat([grad.flatten() for grad in grads_or_zeros(climbed, trained)])
        return Reference(gradient, torch.zeros_like(gradient))

    def exact_variance(self, policy: Policy, recipe: Recipe) -> Tensor | None:
        """Return the variance of one row's estimate in each parameter, `[P]`, NaN where unknown.

        Args:
            policy: in float64.
            recipe: how the estimate is made.
        """
        del policy, recipe
        return None


class OneStep(Problem):
    """J = E[f(a)] + temperature * H, a single action without a state.

    Args:
        action_dim: n.
        mean: of u; one number for all dimensions or one each.
        scatter: std of what is added to each parameter of the variance mode, so that scales differ
            and dimensions correlate; 0: all scales alike, no correlation.
        temperature: weight of the entropy of the density that the squash declares.
    """

    available = frozenset({"action_values"})
    panels: int = 240
    """Of the quadrature in one dimension: more for an f that varies fast."""

    def __init__(
        self,
        action_dim: int,
        mean: float | Sequence[float],
        scatter: float = 0.0,
        temperature: float = 0.0,
        bound: float = float("inf"),
    ) -> None:
        self.actions = BoxActions((-bound,) * action_dim, (bound,) * action_dim)
        entries = [mean] * action_dim if isinstance(mean, float | int) else list(mean)
        if len(entries) != action_dim:
            raise ValueError(
                f"problem.mean has {len(entries)} entries and there are {action_dim} dimensions: "
                "give one number for all or one each"
            )
        self._mean, self._scatter, self.temperature = torch.tensor(entries), scatter, temperature

    @property
    def action_dim(self) -> int:
        """n."""
        return len(self.actions.low)

    @abstractmethod
    def value(self, actions: Tensor) -> Tensor:
        """Return f of actions `[..., n]`, bounded ones scaled to [-1, 1]; shape `[...]`."""

    def jumps(self) -> Sequence[float]:
        """Return where f of a single action is not smooth."""
        return ()

    def place(self, policy: Policy, generator: torch.Generator) -> None:
        """See `Problem`."""
        parameters = dict(policy.named_parameters())
        with torch.no_grad():
            parameters["mean.bias"].copy_(self._mean)
            for name, parameter in parameters.items():
                if name.startswith("variance.") and parameter.numel():
                    noise = torch.randn(parameter.shape, generator=generator)
                    parameter.add_(self._scatter * noise)

    def draw(self, recipe: Recipe, latent_dim: int, generator: torch.Generator, rows: int) -> Draws:
        """See `Problem`: the noise of the actions."""

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, latent_dim, generator=generator)

        return (recipe.noise(normal, rows),)

    def surrogate(
        self, estimator: Estimator, forward: Forward, draws: Draws, shift: float, of_one: bool
    ) -> Tensor:
        """See `Problem`."""
        (noise,) = draws
        distribution = forward(noise.new_zeros(noise.shape[1], 0))

        def value(features: Tensor) -> Tensor:
            return (
                features.new_ones(features.shape[:-1]) if of_one else self.value(features) - shift
            )

        climbed = estimator.at_fresh_actions(distribution, noise, value)
        # What makes the action alone: an estimator may consume more, for other ends.
        noises = estimator.noises_per_action if isinstance(estimator, LaboratoryEstimator) else 1
        of_actions = noise[: len(noise) // noises]
        bonus = None if of_one else self.bonus(estimator, distribution, of_actions)
        return climbed if bonus is None else climbed + bonus

    def bonus(
        self, estimator: Estimator, distribution: ActionDistribution, noise: Tensor
    ) -> Tensor | None:
        """Return what is climbed beside E f, `[rows]`, the same for all estimators."""
        if self.temperature == 0.0:
            return None
        if isinstance(estimator, WrongEntropyWithoutSquash):
            return self.temperature * estimator.entropy(distribution)
        return self.temperature * distribution.entropy_estimate(noise)

    def values(self, forward: Forward, draws: Draws) -> Tensor:
        """See `Problem`."""
        (noise,) = draws
        distribution = forward(noise.new_zeros(noise.shape[1], 0))
        return self.value(distribution.action_features(distribution.sample(noise)))

    def exact(self, policy: Policy) -> Tensor | None:
        """See `Problem`."""
        distribution = policy(torch.zeros(1, 0, dtype=torch.float64))
        assert isinstance(distribution, SquashedNormal), "the latent u is Gaussian"
        expected = self.expected(distribution)
        if expected is None or self.temperature == 0.0:
            return expected
        return expected + self.temperature * distribution.entropy()[0]

    def expected(self, distribution: SquashedNormal) -> Tensor | None:
        """Return E f, float64, differentiable; by quadrature in one dimension, else unknown."""
        return quadrature.expected(self, distribution) if self.action_dim == 1 else None

    def exact_variance(self, policy: Policy, recipe: Recipe) -> Tensor | None:
        """See `Problem`: by quadrature in up to three dimensions."""
        return quadrature.row_variance(self, policy, recipe)
