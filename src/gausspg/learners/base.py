"""What a learner is: it gathers data, fits its critic, and gives the estimator its batches.

A learner is asked for one iteration after the other and keeps everything that must survive between
them in `state_dict()`. It returns metrics and knows no logger.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gausspg.diagnostics.base import Diagnostics
from gausspg.envs.batch import BatchedEnv, Episode, NonFiniteError
from gausspg.estimators.base import ActionValue, Estimator
from gausspg.policies.base import ActionDistribution, Policy
from gausspg.streams import Streams

Schedule = Literal["constant", "linear"]


@dataclass(frozen=True)
class Iteration:
    """What one iteration did.

    Attributes:
        steps: environment steps taken.
        episodes: those that ended.
        metrics: scalars by full name, see the glossary in the README.
    """

    steps: int
    episodes: list[Episode]
    metrics: dict[str, float]


@dataclass(frozen=True)
class Context:
    """What a learner is built around; its own settings stand in its YAML.

    Attributes:
        policy: trained in place.
        estimator: builds the estimator of the policy's gradient, given the available signals.
        diagnostics: measured beside the training.
        differentiable: whether the environments are.
        gamma: discount per step.
        num_envs: N.
        scale_rewards: see `gausspg.learners.reward_scaler.RewardScaler`.
        budget: environment steps of the run.
        streams: the run's randomness.
        device: of policy, critic and buffer.
    """

    policy: Policy
    estimator: Callable[..., Estimator]
    diagnostics: Diagnostics
    differentiable: bool
    gamma: float
    num_envs: int
    scale_rewards: bool
    budget: int
    streams: Streams
    device: torch.device


class Learner(ABC):
    """A learner: a dataclass of its settings, with a `Context` beside them."""

    context: Context

    @abstractmethod
    def iterate(self, env: BatchedEnv, iteration: int, done: float, left: int) -> Iteration:
        """Gather data in `env` and improve the policy.

        Args:
            env: goes on where it stands.
            iteration: counts from 0 over the whole run; names the random streams.
            done: share of the step budget used so far, for schedules.
            left: steps left of the budget; a learner that can stops there.
        """

    def action_value(self, observations: Tensor) -> ActionValue | None:
        """Return the learned Q at normalised observations; None where there is none.

        Args:
            observations: `[batch, observation_dim]`.
        """
        del observations
        return None

    @abstractmethod
    def begin_segment(self) -> None:
        """Forget what belonged to environments that are no more."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on, the policy left out; tensors and plain numbers only."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` gave."""


def clip_gradient(module: nn.Module, max_norm: float | None, name: str) -> float:
    """Scale the gradient of a module to at most `max_norm` and return its norm before.

    Raises:
        NonFiniteError: the gradient is not finite; the message names the first such parameter.
    """
    named = [(key, p) for key, p in module.named_parameters() if p.grad is not None]
    grads = [parameter.grad for _, parameter in named if parameter.grad is not None]
    norm = torch.nn.utils.get_total_norm(grads)
    value = float(norm)
    if not math.isfinite(value):
        culprits = [key for (key, _), grad in zip(named, grads, strict=True)
                    if not grad.isfinite().all()]  # fmt: skip
        raise NonFiniteError(
            f"gradient of {name} is not finite ({(culprits or ['their norm'])[0]})"
        )
    if max_norm is not None:
        torch.nn.utils.clip_grads_with_norm_([p for _, p in named], max_norm, norm)
    return value


def set_gradients(parameters: Sequence[Tensor], loss: Tensor) -> None:
    """Let parameters have the gradient of `loss`, and nothing else on the way to it."""
    # Not backward(): that would also fill the gradients of the critic through which a policy's
    # loss passes.
    for parameter, grad in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = grad


def lr_factor(schedule: Schedule, done: float) -> float:
    """Return the learning rate's share of its initial value when `done` of the budget is used."""
    return 1.0 - done if schedule == "linear" else 1.0


def set_lr(optimiser: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of all of an optimiser's parameters."""
    for group in optimiser.param_groups:
        group["lr"] = lr


def policy_metrics(distribution: ActionDistribution, latents: Tensor) -> dict[str, float]:
    """Return what a distribution tells of itself and of actions `[batch, latent_dim]`, by name."""
    return {f"policy/{name}": float(one) for name, one in distribution.metrics(latents).items()}


def approximate_kl(log_ratio: Tensor) -> float:
    """Estimate KL(old || new) from log(new / old) at samples of old, in nats.

    The estimator E[(r - 1) - log r] is unbiased and never negative (Schulman 2020, "Approximating
    KL divergence", called k3 there).
    """
    return float((torch.expm1(log_ratio) - log_ratio).mean())


def require_differentiable_samples(estimator: Estimator, policy: Policy) -> None:
    """Refuse an estimator that differentiates what the policy cannot.

    Raises:
        ValueError: in one sentence.
    """
    if estimator.differentiates_samples and not policy.differentiable_samples:
        word, name = (type(part).__module__.rpartition(".")[2] for part in (policy, estimator))
        raise ValueError(
            f"estimator={name} differentiates the policy's samples and those of policy={word} "
            "cannot be: set estimator=score_function"
        )


def require_whole_episodes(estimator: Estimator, rollout_steps: int | None) -> None:
    """Refuse rollouts that cut what the estimator needs whole.

    Args:
        estimator: of the learner.
        rollout_steps: in each environment; None for whole episodes.

    Raises:
        ValueError: in one sentence.
    """
    if estimator.horizon and rollout_steps and estimator.horizon > rollout_steps:
        raise ValueError(
            f"estimator.horizon={estimator.horizon} is longer than learner.rollout_steps="
            f"{rollout_steps}, where every trajectory is cut: set at most that"
        )
    if estimator.whole_episodes and rollout_steps is not None:
        raise ValueError(
            f"learner.rollout_steps={rollout_steps} cuts episodes and the estimator needs whole "
            "ones, or a value function to stand in for the rest: set learner.rollout_steps=null, "
            "or estimator.baseline=value (score_function) or estimator.horizon (reparameterised)"
        )


def refuse_unused_settings(settings: Mapping[str, tuple[object, bool]]) -> None:
    """Refuse settings of the learner that would change nothing.

    Args:
        settings: name -> its value, None being "not set", and whether it would have an effect.

    Raises:
        ValueError: naming the first.
    """
    for name, (value, has_effect) in settings.items():
        if value is not None and not has_effect:
            raise ValueError(
                f"learner.{name}={value} has no effect with these settings: leave it null"
            )


def mean_metrics(measured: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Average each metric over those mappings that have it."""
    names = dict.fromkeys(name for one in measured for name in one)
    values = {name: [one[name] for one in measured if name in one] for name in names}
    return {name: sum(those) / len(those) for name, those in values.items()}
