"""What a learner is: it gathers data, fits its critic, and gives the estimator its batches.

A learner is asked for one iteration after the other and keeps everything that must survive between
them in `state_dict()`. It returns metrics and knows no logger.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from gausspg.envs.batch import BatchedEnv, Episode, NonFiniteError


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


class Learner(ABC):
    """A learner."""

    @abstractmethod
    def iterate(self, env: BatchedEnv, iteration: int, done: float, left: int) -> Iteration:
        """Gather data in `env` and improve the policy.

        Args:
            env: goes on where it stands.
            iteration: counts from 0 over the whole run; names the random streams.
            done: share of the step budget used so far, for schedules.
            left: steps left of the budget; a learner that can stops there.
        """

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
    grads = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    # What torch.nn.utils.clip_grad_norm_ computes, without its bookkeeping for many devices.
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads)))
    value = float(norm)
    if not math.isfinite(value):
        named = [(key, p.grad) for key, p in module.named_parameters() if p.grad is not None]
        culprit = next((key for key, grad in named if not grad.isfinite().all()), "their norm")
        raise NonFiniteError(f"gradient of {name} is not finite ({culprit})")
    if max_norm is not None and value > max_norm:
        torch._foreach_mul_(grads, max_norm / (value + 1e-6))
    return value
