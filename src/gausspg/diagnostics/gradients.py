"""`diagnostics=gradients`: both estimators of the policy's gradient, side by side on one batch."""

import math

import torch
from torch import Tensor

from gausspg.diagnostics.base import Diagnostics, Metrics
from gausspg.diagnostics.moments import Moments
from gausspg.diagnostics.rows import RowGradients, RowWise
from gausspg.estimators.base import ActionValue, Batch, Estimator, LearningSignal
from gausspg.estimators.reparameterised import Reparameterised
from gausspg.estimators.score_function import ScoreFunction
from gausspg.policies.base import Policy
from gausspg.ranges import Count

_SCORE_FUNCTION, _REPARAMETERISED = "score_function", "reparameterised"


class Gradients(Diagnostics):
    """Variance, signal-to-noise ratio and agreement of the estimators, whichever of them trains.

    The gradient of every row is computed, so one batch gives the variance of a single row. It is
    the gradient of the expected value alone: the entropy bonus, equal for all estimators, is left
    out, and norms are not clipped. With a critic of states and actions both work from its values at
    the same K actions in each state, the score function with the mean of the other values as its
    baseline. Without one, the score function alone is measured, as it trains, at the actions that
    were taken; so it is where samples have no gradient.

    Args:
        interval: iterations from one measurement to the next; the first is due in the first.
        rows: states to measure at, about; no more than a rollout has.
        action_samples: K, fresh actions in each state; null: 2.

    Raises:
        ValueError: fewer than 2 rows, which have no variance, or K = 1, which leaves no baseline.
    """

    def __init__(self, interval: Count, rows: Count, action_samples: Count | None) -> None:
        if rows < 2:
            raise ValueError(f"diagnostics.rows={rows} does not scatter: set at least 2")
        if action_samples == 1:
            raise ValueError(
                "diagnostics.action_samples=1 leaves no other action for the baseline of the "
                "score function: set at least 2"
            )
        self.rows = rows
        self._interval, self._action_samples_set = interval, action_samples is not None
        self._action_samples = action_samples or 2
        self._estimators: dict[str, Estimator] = {
            _SCORE_FUNCTION: ScoreFunction(
                "action_value", "leave_one_out", None, None, None,
                available=frozenset({"action_values"}), action_samples=self._action_samples,
            ),
            _REPARAMETERISED: Reparameterised("action_value", None),
        }  # fmt: skip

    def check_applies(self, learning_signal: LearningSignal) -> None:
        """See `Diagnostics`."""
        if learning_signal == "dynamics":
            raise ValueError(
                "diagnostics=gradients measures at a critic's actions or at those that were taken, "
                "and estimator.through=dynamics learns from neither: set diagnostics=none"
            )
        if learning_signal == "trajectories" and self._action_samples_set:
            raise ValueError(
                f"diagnostics.action_samples={self._action_samples} has no effect without a critic "
                "of states and actions: leave it null or set learner.critic=action_value"
            )

    def due(self, iteration: int) -> bool:
        """See `Diagnostics`."""
        return iteration % self._interval == 0

    def at_fresh_actions(
        self,
        policy: Policy,
        observations: Tensor,
        value: ActionValue,
        generator: torch.Generator,
    ) -> Metrics:
        """See `Diagnostics`: both estimators, and the cosine between their means."""
        noise = policy.draw_noise(generator, self._action_samples, len(observations))
        noise = noise.to(observations.device)
        found: dict[str, Moments] = {}
        row_wise = RowWise(policy, len(observations))
        with row_wise.recording():
            distribution = row_wise.forward(observations)
            for name, estimator in self._estimators.items():
                if policy.differentiable_samples or not estimator.differentiates_samples:
                    surrogate = estimator.at_fresh_actions(distribution, noise, value)
                    found[name] = _moments(row_wise.gradients(surrogate))
        metrics: Metrics = {}
        for name, moments in found.items():
            metrics |= _scatter(name, moments)
        if len(found) == 2:
            one, other = (moments.mean[0] for moments in found.values())
            cosine = torch.dot(one, other) / (one.norm() * other.norm())
            metrics["gradient/estimator_cosine"] = float(cosine)
        return _finite(metrics)

    def at_taken_actions(
        self, policy: Policy, observations: Tensor, batch: Batch, estimator: Estimator
    ) -> Metrics:
        """See `Diagnostics`: the score function, with the weights that it trains with."""
        row_wise = RowWise(policy, len(observations))
        with row_wise.recording():
            surrogate = estimator.at_taken_actions(row_wise.forward(observations), batch)
            moments = _moments(row_wise.gradients(surrogate))
        return _finite(_scatter(_SCORE_FUNCTION, moments))


def _moments(gradients: RowGradients) -> Moments:
    moments = Moments()
    moments.add([gradients])
    return moments


def _scatter(name: str, moments: Moments) -> Metrics:
    """Return trace V of the covariance of a row's gradient g, and |E g|^2 / V.

    The square of the mean over rows is larger than |E g|^2 by V / rows, which is taken off: the
    ratio can be below 0 where there is little signal.
    """
    # Below 0 by rounding alone, see `Moments`.
    variance = max(float(moments.covariance.sum()), 0.0)
    signal = float(moments.mean.square().sum()) - variance / moments.count
    ratio = signal / variance if variance > 0.0 else math.nan
    return {f"gradient/{name}_variance": variance, f"gradient/{name}_signal_to_noise": ratio}


def _finite(metrics: Metrics) -> Metrics:
    # Ratios and cosines with a zero denominator are left out, and so are values that are not
    # finite, which the training itself reports.
    return {name: value for name, value in metrics.items() if math.isfinite(value)}
