"""What is measured in training beside it: it takes from it, and gives nothing back but metrics.

A learner asks at every iteration whether something is due and hands over its policy with a batch.
Whatever is drawn comes from a stream of its own and no gradient is left behind, so a run trains to
the same bits with and without.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from gausspg.estimators.base import ActionValue, Batch, Estimator, Evidence
from gausspg.policies.base import Policy

Metrics = dict[str, float]


class Diagnostics(ABC):
    """Something that can be measured on a learner's batch; `rows` is about how many it asks for."""

    rows: int

    @abstractmethod
    def refuse_what_has_no_effect(self, evidence: Evidence) -> None:
        """Refuse what the evidence that the learner's estimator works from gives no use for.

        Raises:
            ValueError: in one sentence.
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
        """Measure at actions that are drawn anew.

        Args:
            policy: left as it is.
            observations: `[rows, observation_dim]`, normalised.
            value: of actions in those states.
            generator: of the noise that makes the actions.
        """

    @abstractmethod
    def at_taken_actions(
        self, policy: Policy, observations: Tensor, batch: Batch, estimator: Estimator
    ) -> Metrics:
        """Measure at actions that the policy, as it is now, has taken.

        Args:
            policy: left as it is.
            observations: `[rows, observation_dim]`, normalised, in which they were taken.
            batch: what became of them.
            estimator: the one that trains.
        """
