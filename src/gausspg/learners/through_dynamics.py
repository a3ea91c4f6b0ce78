"""Steps in a differentiable environment, with all that leads to a reward kept in the graph."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gausspg.envs.batch import Episode
from gausspg.envs.differentiable import DifferentiableBatch, Transition
from gausspg.envs.rollout import Rollout
from gausspg.policies.base import ActionDistribution, Policy


@dataclass(frozen=True)
class Window:
    """T steps in N environments.

    Attributes:
        observations: `[T, N, observation_dim]`, without the graph.
        latents: `[T, N, latent_dim]`, without the graph.
        distributions: T of them, of the policy where it acted, with the graph.
        rewards: `[T, N]`, with the graph.
        terminated: `[T, N]`, bool.
        truncated: `[T, N]`, bool.
        next_observations: `[T, N, observation_dim]`, with the graph, before any reset.
        last_observations: `[N, observation_dim]`, without the graph, after any reset.
        episodes: those that ended.
    """

    observations: Tensor
    latents: Tensor
    distributions: tuple[ActionDistribution, ...]
    rewards: Tensor
    terminated: Tensor
    truncated: Tensor
    next_observations: Tensor
    last_observations: Tensor
    episodes: list[Episode]

    @property
    def entropies(self) -> Tensor:
        """`[T, N]`, with the graph; computed when asked for, since some entropies are costly."""
        return torch.stack([distribution.entropy() for distribution in self.distributions])

    @property
    def ends(self) -> Tensor:
        """`[T, N]`, bool, the last step of an episode."""
        return self.terminated | self.truncated

    @property
    def cut(self) -> Tensor:
        """`[T, N]`, bool, where rewards go on that this window does not see."""
        cut = self.truncated.clone()
        cut[-1] |= ~self.ends[-1]
        return cut


def unroll(env: DifferentiableBatch, policy: Policy, noise: Tensor) -> Window:
    """Take `len(noise)` steps in every environment, through the ends of episodes.

    Args:
        env: goes on where it stands; no gradient flows to what was before.
        policy: its samples can be differentiated; its normaliser stands still.
        noise: `[T, N, ...]`, from `policy.draw_noise`.
    """
    env.detach()
    device = policy.normaliser.mean.device
    seen: list[tuple[Tensor, ActionDistribution, Tensor, Transition]] = []
    for noise_t in noise.to(device):
        observations = env.current
        distribution = policy(policy.normaliser(observations.to(device)))
        u = distribution.reparameterise(noise_t)
        seen.append((observations, distribution, u, env.advance(distribution.action(u).cpu())))
    observed, distributions, latents, steps = zip(*seen, strict=True)
    return Window(
        observations=torch.stack(observed).detach(),
        latents=torch.stack(latents).detach().cpu(),
        distributions=distributions,
        rewards=torch.stack([step.rewards for step in steps]),
        terminated=torch.stack([step.terminated for step in steps]),
        truncated=torch.stack([step.truncated for step in steps]),
        next_observations=torch.stack([step.next_observations for step in steps]),
        last_observations=env.current.detach(),
        episodes=[episode for step in steps for episode in step.episodes],
    )


def as_rollout(windows: list[Window]) -> Rollout:
    """Join consecutive windows to what a critic is fitted to, without the graph."""

    def join(name: str) -> Tensor:
        return torch.cat([getattr(window, name) for window in windows]).detach()

    truncated = join("truncated")
    return Rollout(
        observations=join("observations"),
        latents=join("latents"),
        rewards=join("rewards"),
        terminated=join("terminated"),
        truncated=truncated,
        last_observations=windows[-1].last_observations,
        truncated_observations=join("next_observations")[truncated],
        valid=torch.ones_like(truncated),
        episodes=[episode for window in windows for episode in window.episodes],
    )
