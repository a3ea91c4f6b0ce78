"""Diagnostics: measurements during training that do not influence it.

In every iteration a learner asks whether a measurement is due, and passes its policy and a batch.
Diagnostics draw from their own random stream and leave no gradient behind, so a run gives the same
bits with and without them.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from gausspg.estimators.base import ActionValue, Batch, Estimator, LearningSignal
from gausspg.policies.base import Policy

Metrics = dict[str, float]


class Diagnostics(ABC):
    """A measurement on a learner's batch; `rows` is the approximate number of rows it needs."""

    rows: int

    @abstractmethod
    def check_applies(self, learning_signal: LearningSignal) -> None:
        """Refuse settings without effect for the learning signal of the learner's estimator.

        Raises:
            ValueError: names the setting, in one sentence.
        """

    @abstractmethod
    def due(self, iteration: int) -> bool:
        """Tell whether to measure in an iteration, counted from 0 over the whole run."""

    @abstractmethod
    def at_fresh_actions(
        self,
        policy: Policy,
        observations: Tensor,
        value: ActionValue,
        generator: torch.Generator,
    ) -> Metrics:
        """Measure at freshly sampled actions.

        Args:
            policy: not changed.
            observations: `[rows, observation_dim]`, normalised.
            value: of actions in these states.
            generator: of the noise of the actions.
        """

    @abstractmethod
    def at_taken_actions(
        self, policy: Policy, observations: Tensor, batch: Batch, estimator: Estimator
    ) -> Metrics:
        """Measure at actions that the policy has taken, before it is updated.

        Args:
            policy: not changed.
            observations: `[rows, observation_dim]`, normalised, at which they were taken.
            batch: their latents, log-densities and weights.
            estimator: the one used in training.
        """
