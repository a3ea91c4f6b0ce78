"""What an estimator is: (distribution at a batch of states, batch) -> a surrogate per sample.

The gradient of the surrogate's mean in the policy's parameters is the estimate of the gradient of
the expected return. Estimators know neither learners nor environments. A new one is one file with
one class and one YAML in `conf/estimator/`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor

from gausspg.policies.base import ActionDistribution


@dataclass(frozen=True)
class Batch:
    """Samples an estimator works on.

    Attributes:
        latents: `[batch, latent_dim]`, the u that were taken, without a gradient.
        weights: `[batch]`, how good each was, without a gradient.
        log_probs: `[batch]`, log-densities of `latents` under the policy that took them.
    """

    latents: Tensor
    weights: Tensor
    log_probs: Tensor


@dataclass(frozen=True)
class Trajectories:
    """Fresh experience, from which an estimator makes its weights.

    Attributes:
        rewards: `[T, N]`, as the learner scales them.
        values: `[T, N]`, of the observation before each step; zeros without a critic.
        next_values: `[T, N]`, see `gausspg.returns`.
        ends: `[T, N]`, bool, the last step of an episode.
        valid: `[T, N]`, bool; other entries are to be ignored.
        gamma: discount per step.
    """

    rewards: Tensor
    values: Tensor
    next_values: Tensor
    ends: Tensor
    valid: Tensor
    gamma: float


class Estimator(ABC):
    """A gradient estimator.

    `uses_value` tells whether it wants a state-value function; `whole_episodes` whether its
    weights are only right on episodes that begin and end in the batch.
    """

    uses_value: bool
    whole_episodes: bool

    @abstractmethod
    def weights(self, trajectories: Trajectories) -> tuple[Tensor, Tensor]:
        """Return the weights and the regression targets of the values, both `[T, N]`."""

    @abstractmethod
    def __call__(self, distribution: ActionDistribution, batch: Batch) -> Tensor:
        """Return the surrogate of each sample, `[batch]`, to be maximised."""
