"""`estimator=score_function`: E[ grad log pi(a | s) x weight ], REINFORCE and its descendants."""

from typing import Literal

import torch
from torch import Tensor

from gausspg.estimators.base import Batch, Estimator, Trajectories
from gausspg.policies.base import ActionDistribution
from gausspg.ranges import Fraction, Positive
from gausspg.returns import generalised_advantage, reward_to_go, total_return

Weight = Literal["total_return", "reward_to_go", "gae"]
Baseline = Literal["none", "mean", "value"]
Surrogate = Literal["plain", "ppo_clip"]


class ScoreFunction(Estimator):
    """The likelihood-ratio estimator (Williams 1992).

    The sample is data: its u carries no gradient. With `surrogate=plain` the surrogate is
    log pi(a | s) x weight; its gradient means something where pi is the policy that acted, that is
    for one epoch over the whole batch; its value does not. With `ppo_clip` it is
    min(r w, clip(r, 1 - c, 1 + c) w) with r = pi / pi_old (Schulman et al. 2017, arXiv:1707.06347,
    equation 7); at pi = pi_old its gradient is that of `plain`, and its value is the weight.

    The discount enters the weight alone: like common practice it leaves out the outer gamma^t, so
    for gamma < 1 it is not the gradient of the discounted return from the start.

    Args:
        weight: the return of the whole episode, the reward-to-go, or the generalised advantage.
        baseline: subtracted from the weight: nothing, the batch's mean, or the value function.
        gae_lambda: of `weight=gae`; null there means 0.95.
        standardise: shift and scale the weights of a batch to mean 0 and std 1.
        surrogate: plain or clipped.
        clip_ratio: c of `ppo_clip`; null there means 0.2.

    Raises:
        ValueError: a setting that would have no effect.
    """

    def __init__(
        self,
        weight: Weight,
        baseline: Baseline,
        gae_lambda: Fraction | None,
        standardise: bool,
        surrogate: Surrogate,
        clip_ratio: Positive | None,
    ) -> None:
        if weight == "gae" and baseline != "value":
            raise ValueError(
                f"estimator.baseline={baseline} does not go with estimator.weight=gae, which "
                "contains the value function: set estimator.baseline=value or another weight"
            )
        if weight != "gae" and gae_lambda is not None:
            raise ValueError(
                f"estimator.gae_lambda={gae_lambda} has no effect with estimator.weight={weight}: "
                "leave it null or set estimator.weight=gae"
            )
        if surrogate != "ppo_clip" and clip_ratio is not None:
            raise ValueError(
                f"estimator.clip_ratio={clip_ratio} has no effect with estimator.surrogate="
                f"{surrogate}: leave it null or set estimator.surrogate=ppo_clip"
            )
        if standardise and baseline == "mean":
            raise ValueError(
                "estimator.baseline=mean has no effect with estimator.standardise=true, which "
                "subtracts the mean as well: set one of them off"
            )
        self.uses_value = baseline == "value"
        # Without a value nothing stands in for the rewards that a cut episode had yet to bring.
        self.whole_episodes = weight == "total_return" or not self.uses_value
        self._weight = weight
        self._baseline = baseline
        self._lambda = 0.95 if gae_lambda is None else gae_lambda
        self._standardise = standardise
        self._clip_ratio = 0.2 if clip_ratio is None else clip_ratio
        self._clipped = surrogate == "ppo_clip"

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
                rewards, values, following, ends, gamma, self._lambda
            )
            return advantages, advantages + values
        to_go = reward_to_go(rewards, following, ends, gamma)
        if self._weight == "total_return":
            # The value of the first state: a baseline may depend on what came before the action.
            return total_return(to_go) - values[:1], to_go
        return to_go - values, to_go

    def __call__(self, distribution: ActionDistribution, batch: Batch) -> Tensor:
        """See `Estimator`."""
        log_probs = distribution.log_prob(batch.latents)
        if not self._clipped:
            return log_probs * batch.weights
        ratio = torch.exp(log_probs - batch.log_probs)
        clipped = ratio.clamp(1.0 - self._clip_ratio, 1.0 + self._clip_ratio)
        return torch.minimum(ratio * batch.weights, clipped * batch.weights)
