"""Gradients of single samples: each sample is given parameters of its own."""

import math
from typing import Any

import torch
from torch import Tensor

from gausspg.estimators.base import ActionValue, Batch, Estimator, Trajectories
from gausspg.estimators.score_function import ScoreFunction
from gausspg.policies.gaussian import SquashedNormal
from gausspg.policies.normal import CholeskyNormal, DiagonalNormal

# The score function in its plainest form.
SCORE_FUNCTION: dict[str, Any] = {
    "weight": "reward_to_go",
    "baseline": "none",
    "standardise": False,
    "surrogate": "plain",
    "clip_ratio": None,
}


def score_function(**changed: Any) -> ScoreFunction:
    return ScoreFunction(**SCORE_FUNCTION | changed)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def leaves(mean: float, std: float, samples: int) -> DiagonalNormal:
    """Return a one-dimensional Gaussian with a mean and a log-std for each sample."""
    means = torch.full((samples, 1), mean, dtype=torch.float64, requires_grad=True)
    return DiagonalNormal(means, torch.full_like(means, math.log(std)).requires_grad_())


def with_factor(mean: Tensor, factor: Tensor) -> CholeskyNormal:
    """Return N(mean, L L^T), differentiable in the entries of `factor`, L, themselves."""
    std = torch.linalg.vector_norm(factor, dim=-1)
    return CholeskyNormal(mean, std.log(), factor / std.unsqueeze(-1))


def one_step(rewards: Tensor) -> Trajectories:
    """Return episodes of one step each."""
    rewards = rewards.view(1, -1)
    zeros, ones = torch.zeros_like(rewards), torch.ones_like(rewards, dtype=torch.bool)
    return Trajectories(rewards, zeros, zeros, ones, ones, 0.9, 1.0)


def batch_of(distribution: SquashedNormal, u: Tensor, weights: Tensor) -> Batch:
    return Batch(u, weights, distribution.log_prob(u).detach())


def own_gradients(surrogate: Tensor, normal: DiagonalNormal) -> Tensor:
    """Gradient of each sample's surrogate in its own mean and log-std, `[samples, 2]`."""
    assert surrogate.shape == normal.mean.shape[:1]
    return torch.cat(torch.autograd.grad(surrogate.sum(), [normal.mean, normal.log_std]), -1)


def at_fresh(
    estimator: Estimator, distribution: SquashedNormal, noise: Tensor, value: ActionValue
) -> Tensor:
    """`own_gradients` of `at_fresh_actions`."""
    surrogate = estimator.at_fresh_actions(distribution, noise, value)
    return own_gradients(surrogate, distribution.normal)
