"""`diagnostics=none`: no measurements during training."""

import torch
from torch import Tensor

from gausspg.diagnostics.base import Diagnostics, Metrics
from gausspg.estimators.base import ActionValue, Batch, Estimator, LearningSignal
from gausspg.policies.base import Policy


class NoDiagnostics(Diagnostics):
    """Diagnostics that are never due."""

    rows = 0

    def check_applies(self, learning_signal: LearningSignal) -> None:
        """See `Diagnostics`."""

    def due(self, iteration: int) -> bool:
        """See `Diagnostics`."""
        del iteration
        return False

    def at_fresh_actions(
        self,
        policy: Policy,
        observations: Tensor,
        value: ActionValue,
        generator: torch.Generator,
    ) -> Metrics:
        """See `Diagnostics`."""
        del policy, observations, value, generator
        return {}

    def at_taken_actions(
        self, policy: Policy, observations: Tensor, batch: Batch, estimator: Estimator
    ) -> Metrics:
        """See `Diagnostics`."""
        del policy, observations, batch, estimator
        return {}
