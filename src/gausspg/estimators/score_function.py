"""`estimator=score_function`: E[ grad log pi(a | s) x weight ], REINFORCE and its descendants."""

from typing import Literal

import torch
from torch import Tensor

from gausspg.estimators.base import ActionValue, Batch, Estimator, LearningSignals, Trajectories
from gausspg.estimators.returns import generalised_advantage, reward_to_go, total_return
from gausspg.policies.base import ActionDistribution
from gausspg.ranges import Positive

Weight = Literal["total_return", "reward_to_go", "gae", "action_value"]
Baseline = Literal["none", "mean", "value", "leave_one_out"]
Surrogate = Literal["plain", "ppo_clip"]


class ScoreFunction(Estimator):
    """The likelihood-ratio estimator (Williams 1992).

    The sample is data: its u carries no gradient. With `surrogate=plain` the surrogate is
    log pi(a | s) x weight; its gradient means something where pi is the policy that acted, that is
    for one epoch over the whole batch; its value does not. With `ppo_clip` it is
    min(r w, clip(r, 1 - c, 1 + c) w) with r = pi / pi_old (Schulman et al. 2017, arXiv:1707.06347,
    equation 7); at pi = pi_old its gradient is that of `plain`, and its value is the weight.

    With `weight=action_value` the actions are not those that were taken but K fresh ones in each
    state, and the weight of each is Q(s, a) minus the mean over the K - 1 others, which does not
    depend on it (Kool et al. 2019, "Buy 4 REINFORCE samples, get a baseline for free").

    The discount enters the weight alone: like common practice it leaves out the outer gamma^t, so
    for gamma < 1 it is not the gradient of the discounted return from the start.

    Args:
        weight: the return of the whole episode, the reward-to-go, the generalised advantage, or
            Q(s, a) of fresh actions; null: the generalised advantage where there are trajectories,
            or the reward-to-go if `baseline` is another than its value function; else Q.
        baseline: subtracted from the weight: nothing, the batch's mean, the value function, or the
            mean of the other actions' Q. null: `leave_one_out` with Q, else `value`.
        standardise: shift and scale the weights of a batch to mean 0 and std 1; null: yes, except
            with Q.
        surrogate: plain or clipped; null: clipped, except with Q.
        clip_ratio: c of `ppo_clip`; null there means 0.2.
        available: the learning signals that the learner has.
        action_samples: K.

    Raises:
        ValueError: a setting that would have no effect, or that needs what is not available.
    """

    def __init__(
        self,
        weight: Weight | None,
        baseline: Baseline | None,
        standardise: bool | None,
        surrogate: Surrogate | None,
        clip_ratio: Positive | None,
        *,
        available: LearningSignals = frozenset({"trajectories"}),
        action_samples: int = 1,
    ) -> None:
        if weight is None:
            of_trajectories: Weight = "gae" if baseline in (None, "value") else "reward_to_go"
            weight = of_trajectories if "trajectories" in available else "action_value"
        self.learning_signal = "action_values" if weight == "action_value" else "trajectories"
        if self.learning_signal not in available:
            needed = self.learning_signal.replace("_", " ")
            raise ValueError(
                f"estimator.weight={weight} needs {needed} and this learner has none: leave "
                "estimator.weight null, or choose another learner or learner.critic"
            )
        with_q = weight == "action_value"
        self._weight = weight
        self._baseline = baseline or ("leave_one_out" if with_q else "value")
        self._standardise = standardise if standardise is not None else not with_q
        self._clipped = (surrogate or ("plain" if with_q else "ppo_clip")) == "ppo_clip"
        self._check_settings(action_samples)
        self._check_has_effect(clip_ratio)
        self.uses_value = self._baseline == "value"
        # Without a value nothing stands in for the rewards that a cut episode had yet to bring.
        self.whole_episodes = not with_q and (weight == "total_return" or not self.uses_value)
        self._clip_ratio = 0.2 if clip_ratio is None else clip_ratio

    def _check_settings(self, action_samples: int) -> None:
        if self._weight == "gae" and self._baseline != "value":
            raise ValueError(
                f"estimator.baseline={self._baseline} does not go with estimator.weight=gae, which "
                "contains the value function: set estimator.baseline=value or another weight"
            )
        if self._weight == "action_value":
            if self._baseline not in ("none", "leave_one_out"):
                raise ValueError(
                    f"estimator.baseline={self._baseline} does not go with estimator.weight="
                    "action_value: set estimator.baseline=leave_one_out or none"
                )
            if self._baseline == "leave_one_out" and action_samples < 2:
                raise ValueError(
                    f"learner.action_samples={action_samples} leaves no other action for "
                    "estimator.baseline=leave_one_out: set at least 2, or estimator.baseline=none"
                )
        elif self._baseline == "leave_one_out":
            raise ValueError(
                f"estimator.baseline=leave_one_out does not go with estimator.weight={self._weight}"
                ", which has one action in each state: set estimator.weight=action_value"
            )

    def _check_has_effect(self, clip_ratio: Positive | None) -> None:
        if not self._clipped and clip_ratio is not None:
            raise ValueError(
                f"estimator.clip_ratio={clip_ratio} has no effect with estimator.surrogate=plain: "
                "leave it null or set estimator.surrogate=ppo_clip"
            )
        if self._standardise and self._baseline == "mean":
            raise ValueError(
                "estimator.baseline=mean has no effect with estimator.standardise=true, which "
                "subtracts the mean as well: set one of them off"
            )
        if self._weight == "action_value" and (self._standardise or self._clipped):
            raise ValueError(
                "estimator.standardise=true and estimator.surrogate=ppo_clip have no effect with "
                "estimator.weight=action_value, whose actions are fresh: leave both null"
            )

    def weights(self, trajectories: Trajectories) -> tuple[Tensor, Tensor]:
        """See `Estimator`; the targets of the values are the uncentred weights."""
        weights, targets = self._raw_weights(trajectories)
        sample = weights[trajectories.valid]
        if self._standardise:
            # 1e-8: a batch of equal weights has nothing to tell and must not divide by 0.
            weights = (weights - sample.mean()) / (sample.std(correction=0) + 1e-8)
        elif self._baseline == "mean":
            weights = weights - sample.mean()
        return weights, targets

    def _raw_weights(self, trajectories: Trajectories) -> tuple[Tensor, Tensor]:
        rewards, values, gamma = trajectories.rewards, trajectories.values, trajectories.gamma
        following, ends = trajectories.next_values, trajectories.ends
        if self._weight == "gae":
            advantages = generalised_advantage(
                rewards, values, following, ends, gamma, trajectories.gae_lambda
            )
            return advantages, advantages + values
        to_go = reward_to_go(rewards, following, ends, gamma)
        if self._weight == "total_return":
            # The value of the first state: a baseline may depend on what came before the action.
            return total_return(to_go) - values[:1], to_go
        return to_go - values, to_go

    def at_taken_actions(self, distribution: ActionDistribution, batch: Batch) -> Tensor:
        """See `Estimator`."""
        log_probs = distribution.log_prob(batch.latents)
        if not self._clipped:
            return log_probs * batch.weights
        ratio = torch.exp(log_probs - batch.log_probs)
        clipped = ratio.clamp(1.0 - self._clip_ratio, 1.0 + self._clip_ratio)
        return torch.minimum(ratio * batch.weights, clipped * batch.weights)

    def at_fresh_actions(
        self, distribution: ActionDistribution, noise: Tensor, value: ActionValue
    ) -> Tensor:
        """See `Estimator`: the gradient means something, the value does not."""
        u = distribution.sample(noise)
        with torch.no_grad():
            weights = value(distribution.action_features(u))
            if self._baseline == "leave_one_out":
                number = len(noise)
                weights = (weights - weights.mean(0)) * (number / (number - 1))
        return (distribution.log_prob(u) * weights).mean(0)
