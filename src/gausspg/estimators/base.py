"""What an estimator is: evidence about actions -> a surrogate per sample.

The gradient of the surrogate's mean in the policy's parameters is the estimate of the gradient of
the expected return. There are three learning signals, and a configured estimator works from one:

- `trajectories`: actions that were taken, with weights made from the rewards that followed;
- `action_values`: a critic Q(s, a) of the learner's, at fresh actions of the current policy;
- `dynamics`: rewards along trajectories through which one can differentiate.

A learner offers learning signals and asks its estimator, by `learning_signal`, which it takes.
Estimators know neither learners nor environments. A new one is one file with one class and one YAML
in `conf/estimator/`.
"""

from abc import ABC
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from gausspg.policies.base import ActionDistribution

LearningSignal = Literal["trajectories", "action_values", "dynamics"]
LearningSignals = frozenset[LearningSignal]

ActionValue = Callable[[Tensor], Tensor]
"""Features of actions `[K, batch, feature_dim]` -> their values `[K, batch]`, differentiable."""


@dataclass(frozen=True)
class Batch:
    """Actions that were taken.

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
        next_values: `[T, N]`, see `gausspg.estimators.returns`.
        ends: `[T, N]`, bool, the last step of an episode.
        valid: `[T, N]`, bool; other entries are to be ignored.
        gamma: discount per step.
        gae_lambda: trace of generalised advantages.
    """

    rewards: Tensor
    values: Tensor
    next_values: Tensor
    ends: Tensor
    valid: Tensor
    gamma: float
    gae_lambda: float


class Estimator(ABC):
    """A gradient estimator; it implements the method that goes with its `learning_signal`.

    `uses_value` tells whether it wants a state-value function; `whole_episodes` whether its
    weights are only right on episodes that begin and end in the batch; `differentiates_samples`
    whether the policy's samples must carry a gradient; `horizon` after how many steps a value
    function takes over from the dynamics.
    """

    learning_signal: LearningSignal
    uses_value: bool = False
    whole_episodes: bool = False
    differentiates_samples: bool = False
    horizon: int | None = None

    def weights(self, trajectories: Trajectories) -> tuple[Tensor, Tensor]:
        """Return the weights and the regression targets of the values, both `[T, N]`."""
        raise NotImplementedError(f"{type(self).__name__} takes {self.learning_signal}")

    def at_taken_actions(self, distribution: ActionDistribution, batch: Batch) -> Tensor:
        """Return the surrogate of each sample, `[batch]`, to be maximised."""
        raise NotImplementedError(f"{type(self).__name__} takes {self.learning_signal}")

    def at_fresh_actions(
        self, distribution: ActionDistribution, noise: Tensor, value: ActionValue
    ) -> Tensor:
        """Return the surrogate of each state, `[batch]`, to be maximised.

        Args:
            distribution: of the actions in a batch of states.
            noise: `[K, batch, ...]`, of the policy; makes K actions in each state.
            value: of actions in those same states; its own parameters are nobody's concern here.
        """
        raise NotImplementedError(f"{type(self).__name__} takes {self.learning_signal}")

    def along_trajectories(
        self, rewards: Tensor, next_values: Tensor, ends: Tensor, gamma: float
    ) -> Tensor:
        """Return the surrogate of what happened in each environment, `[N]`, to be maximised.

        Args:
            rewards: `[T, N]`, with the gradient of everything that led to them.
            next_values: `[T, N]`, with a gradient: the value of the state after a step where the
                trajectory is cut there, else 0.
            ends: `[T, N]`, bool, the last step of an episode; the next one begins a new one.
            gamma: discount per step.
        """
        raise NotImplementedError(f"{type(self).__name__} takes {self.learning_signal}")
