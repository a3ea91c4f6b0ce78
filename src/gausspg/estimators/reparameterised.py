"""`estimator=reparameterised`: the gradient through the sample, a = f(s, eps; theta)."""

from typing import Literal

import torch
from torch import Tensor

from gausspg.estimators.base import ActionValue, Estimator, LearningSignals
from gausspg.policies.base import ActionDistribution
from gausspg.ranges import Count

Through = Literal["action_value", "dynamics"]

_REFUSALS: dict[Through, str] = {
    "dynamics": (
        "estimator.through=dynamics needs an environment that can be differentiated, and a learner "
        "that follows its trajectories without a critic of states and actions: change one of these "
        "or set estimator.through=action_value"
    ),
    "action_value": (
        "estimator.through=action_value needs a critic of states and actions and this learner has "
        "none: set learner.critic=action_value, or leave it null"
    ),
}


class Reparameterised(Estimator):
    """The pathwise estimator.

    `through=action_value`: E over eps of grad Q(s, f(s, eps; theta)); with a state-dependent
    Gaussian this is SVG(0) (Heess et al. 2015, arXiv:1510.09142) and, with the entropy that the
    learner adds, soft actor-critic (Haarnoja et al. 2018, arXiv:1801.01290, equation 13).
    `through=dynamics`: backpropagation through the whole trajectory, SVG(infinity) of the same
    paper with the true model, until a value function takes over where the trajectory is cut.

    The log-density plays no part, so nothing is lost if a squash has none; but where a squash or
    an environment clips, the gradient is zero, and whatever changes by jumps is not seen at all.

    Args:
        through: what is differentiated beyond the action; null: the value of actions where there
            is one, else the dynamics.
        horizon: of `through=dynamics`, steps after which a value function takes over; null: the
            whole episode.
        available: the learning signals that the learner has.

    Raises:
        ValueError: that signal is not available, or a setting would have no effect.
    """

    differentiates_samples = True

    def __init__(
        self,
        through: Through | None,
        horizon: Count | None,
        *,
        available: LearningSignals = frozenset({"action_values", "dynamics"}),
    ) -> None:
        if through is None:
            through = "action_value" if "action_values" in available else "dynamics"
        if through == "action_value" and horizon is not None:
            raise ValueError(
                f"estimator.horizon={horizon} has no effect with estimator.through=action_value: "
                "leave it null or set estimator.through=dynamics"
            )
        self.learning_signal = "dynamics" if through == "dynamics" else "action_values"
        self.horizon = horizon
        self.uses_value = horizon is not None
        # Without a value nothing stands in for what a cut episode had yet to bring.
        self.whole_episodes = through == "dynamics" and horizon is None
        if self.learning_signal not in available:
            raise ValueError(_REFUSALS[through])

    def at_fresh_actions(
        self, distribution: ActionDistribution, noise: Tensor, value: ActionValue
    ) -> Tensor:
        """See `Estimator`: value and gradient both mean something."""
        u = distribution.reparameterise(noise)
        return value(distribution.action_features(u)).mean(0)

    def along_trajectories(
        self, rewards: Tensor, next_values: Tensor, ends: Tensor, gamma: float
    ) -> Tensor:
        """See `Estimator`: the discounted return; value and gradient both mean something."""
        discount = torch.ones_like(rewards[0])
        total = torch.zeros_like(rewards[0])
        for reward, value, end in zip(rewards, next_values, ends, strict=True):
            total = total + discount * (reward + gamma * value)
            # Each episode is discounted from its own beginning.
            discount = torch.where(end, torch.ones_like(discount), gamma * discount)
        return total
