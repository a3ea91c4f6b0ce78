"""What a policy is: observations -> a distribution over actions, with its normaliser inside.

Shapes: observations `[batch, observation_dim]`; the latent u `[batch, latent_dim]`, which is what a
rollout stores; actions as the environment takes them.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from gausspg.policies.actions import Actions
from gausspg.policies.normaliser import Normaliser


class ActionDistribution(ABC):
    """The distribution of actions in a batch of states; everything is computed from u."""

    @abstractmethod
    def sample(self, noise: Tensor) -> Tensor:
        """Return u `[batch, latent_dim]` from the policy's noise, without a gradient."""

    def reparameterise(self, noise: Tensor) -> Tensor:
        """Return the same u with the gradient of the parameters that made it of `noise`."""
        raise NotImplementedError(f"samples of {type(self).__name__} have no gradient")

    @abstractmethod
    def mode(self) -> Tensor:
        """Return the u of the deterministic policy, `[batch, latent_dim]`."""

    @abstractmethod
    def action(self, u: Tensor) -> Tensor:
        """Return the action sent to the environment for `u`."""

    @abstractmethod
    def action_features(self, u: Tensor) -> Tensor:
        """Return the action as a critic of states and actions sees it, `[..., feature_dim]`."""

    @abstractmethod
    def log_prob(self, u: Tensor) -> Tensor:
        """Log-density (or log-probability) of the action that u becomes, `[batch]`, in nats."""

    @abstractmethod
    def entropy(self) -> Tensor:
        """Entropy of the same density, `[batch]`, in nats; differentiable."""

    def entropy_estimate(self, noise: Tensor) -> Tensor:
        """Unbiased differentiable estimate of `entropy` from K samples, `[batch]`.

        Densities with a costly entropy override it; by default it is the entropy itself.

        Args:
            noise: `[K, batch, ...]`, as for `sample`.
        """
        del noise
        return self.entropy()

    @abstractmethod
    def metrics(self, u: Tensor) -> dict[str, Tensor]:
        """Scalars that describe the distribution and the actions `u`, by name."""


class Policy(nn.Module, ABC):
    """A stochastic policy.

    `actions_type` is the class of actions it supports; its constructor takes `actions` of that
    class, and `variance` and `squash` if it uses them. `differentiable_samples` tells whether its
    distributions can `reparameterise`; `latent_dim` is the size of u and `feature_dim` that of
    their `action_features`; `trains_std` whether training changes how far samples scatter, and
    `trains_entropy` whether it changes their entropy, be it through the mean alone;
    `usual_target_entropy` is the default target of a tuned temperature, in nats.
    """

    actions_type: ClassVar[type[Actions]]
    differentiable_samples: ClassVar[bool] = False
    normaliser: Normaliser
    latent_dim: int
    feature_dim: int
    usual_target_entropy: float
    trains_std: bool = True
    trains_entropy: bool = True

    @abstractmethod
    def forward(self, observations: Tensor) -> ActionDistribution:
        """Return the action distribution at *normalised* observations."""

    @abstractmethod
    def draw_noise(self, generator: torch.Generator, *batch: int) -> Tensor:
        """Return the noise that `ActionDistribution.sample` consumes, `[*batch, latent_dim]`.

        It does not depend on any setting of the policy: cells of a sweep share it.
        """
