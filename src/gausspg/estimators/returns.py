"""Returns and advantages: pure functions of arrays.

Shapes are `[T, N]`, time first. `ends` marks the last step of an episode, terminated or truncated;
what distinguishes the two is `next_values`: the value of the state that follows the step, 0 after a
termination, and after a truncation the value of the true last observation.
"""

import torch
from torch import Tensor


def next_values(
    values: Tensor,
    last_values: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    truncated_values: Tensor,
) -> Tensor:
    """Return the value of the state after each step, `[T, N]`.

    Args:
        values: `[T, N]`, of the observation before each step.
        last_values: `[N]`, of the observation after the last step.
        terminated: `[T, N]`, bool.
        truncated: `[T, N]`, bool.
        truncated_values: `[K]`, of the last observations of truncated episodes, in the order of
            `truncated.nonzero()`.
    """
    following = torch.cat([values[1:], last_values.unsqueeze(0)])
    following = following.masked_fill(terminated, 0.0)
    return following.masked_scatter(truncated, truncated_values)


def generalised_advantage(
    rewards: Tensor, values: Tensor, next_values: Tensor, ends: Tensor, gamma: float, lam: float
) -> Tensor:
    """Generalised advantage estimate (Schulman et al. 2016, arXiv:1506.02438, equation 16).

    A_t = delta_t + gamma lam A_{t+1}, delta_t = r_t + gamma V(s_{t+1}) - V(s_t), the sum stopping
    at the end of an episode. With lam = 1 it is the reward-to-go minus V(s_t).
    """
    deltas = rewards + gamma * next_values - values
    decay = gamma * lam * (~ends).to(deltas.dtype)
    advantages = torch.empty_like(deltas)
    following = torch.zeros_like(deltas[0])
    for t in range(len(deltas) - 1, -1, -1):
        following = torch.addcmul(deltas[t], decay[t], following)
        advantages[t] = following
    return advantages


def reward_to_go(rewards: Tensor, next_values: Tensor, ends: Tensor, gamma: float) -> Tensor:
    """Discounted sum of the rewards from each step on, `[T, N]`.

    It is cut at the end of an episode, and at T, where `next_values` takes over; without a critic
    that is zeros, and the sum is then of the rewards seen.
    """
    # Within an episode the next value must not count: only where the sum is cut does it.
    cut = ends.clone()
    cut[-1] = True
    bootstrap = next_values.masked_fill(~cut, 0.0)
    zeros = torch.zeros_like(rewards)
    return generalised_advantage(rewards, zeros, bootstrap, ends, gamma, 1.0)


def total_return(to_go: Tensor) -> Tensor:
    """Return of the whole episode at each of its steps, `[T, N]`.

    Args:
        to_go: `[T, N]`, the reward-to-go of one episode per column, from its first step on.
    """
    return to_go[:1].expand_as(to_go)
