"""Collects experience: steps a batch of environments with a policy and keeps the latent u."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gausspg.envs.batch import BatchedEnv, Episode
from gausspg.policies.base import Policy


@dataclass(frozen=True)
class Rollout:
    """Experience of T steps in N environments.

    Attributes:
        observations: `[T, N, observation_dim]`, as the environment gave them.
        latents: `[T, N, latent_dim]`, the u that was sampled.
        rewards: `[T, N]`.
        terminated: `[T, N]`, bool.
        truncated: `[T, N]`, bool; never true where `terminated` is.
        last_observations: `[N, observation_dim]`, after the last step of each environment.
        truncated_observations: `[K, observation_dim]`, the true last observations of the K
            truncated episodes, in the order of `truncated.nonzero()`.
        valid: `[T, N]`, bool; False where an environment had already finished.
        episodes: those that ended.
    """

    observations: Tensor
    latents: Tensor
    rewards: Tensor
    terminated: Tensor
    truncated: Tensor
    last_observations: Tensor
    truncated_observations: Tensor
    valid: Tensor
    episodes: list[Episode]

    @property
    def steps(self) -> int:
        """Number of environment steps taken."""
        return int(self.valid.sum())


NoiseAt = Callable[[int], Tensor]


def collect_steps(env: BatchedEnv, policy: Policy, noise: Tensor) -> Rollout:
    """Take `len(noise)` steps in every environment, through the ends of episodes.

    Args:
        env: already reset; it goes on where it stands.
        policy: decides; its normaliser stands still.
        noise: `[T, N, ...]`, from `policy.draw_noise`.
    """
    recorder = _Recorder(env, policy)
    with torch.inference_mode():
        for noise_t in noise:
            recorder.step(noise_t, None)
    return recorder.rollout()


def collect_episodes(
    env: BatchedEnv, policy: Policy, noise_at: NoiseAt, rows: int | None = None
) -> Rollout:
    """Run one whole episode in every environment; those that finish early wait.

    Args:
        env: reset here, whatever it was in the middle of.
        policy: decides; its normaliser stands still.
        noise_at: time index -> noise `[N, ...]`, or an empty tensor for the policy's mode.
        rows: N is filled up to this many for the policy, whose rounding depends on their number;
            None: N.
    """
    env.reset()
    recorder = _Recorder(env, policy, rows)
    active = list(range(len(env)))
    with torch.inference_mode():
        while active:
            ended = recorder.step(noise_at(len(recorder)), active)
            active = [index for index in active if index not in ended]
    return recorder.rollout()


class _Recorder:
    """Appends one batched step after the other."""

    def __init__(self, env: BatchedEnv, policy: Policy, rows: int | None = None) -> None:
        self._env, self._policy = env, policy
        self._device = policy.normaliser.mean.device
        self._padding = (0, 0, 0, rows - len(env)) if rows else None
        self._observations: list[np.ndarray] = []
        self._latents: list[Tensor] = []
        self._steps: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._valid: list[np.ndarray] = []
        self._everyone = np.ones(len(env), bool)
        self._truncated_observations: list[np.ndarray] = []
        self._episodes: list[Episode] = []

    def __len__(self) -> int:
        return len(self._latents)

    def step(self, noise: Tensor, active: list[int] | None) -> set[int]:
        """Take one step and return the environments whose episode ended.

        The environments leave nothing of ours in the processor's caches, so that every operation
        between two of their steps takes several times what it takes in a loop of its own.
        """
        env, policy = self._env, self._policy
        self._observations.append(env.observations.copy())
        observations = torch.from_numpy(self._observations[-1]).to(self._device)
        if self._padding:
            observations = torch.nn.functional.pad(observations, self._padding)
            noise = torch.nn.functional.pad(noise, self._padding) if noise.numel() else noise
        distribution = policy(policy.normaliser(observations))
        u = distribution.sample(noise.to(self._device)) if noise.numel() else distribution.mode()
        actions = distribution.action(u).cpu().numpy()[: len(env)]
        self._latents.append(u[: len(env)])
        step, episodes = env.step(actions, active)
        self._steps.append((step.rewards, step.terminated, step.truncated))
        valid = self._everyone
        if active is not None:
            valid = np.zeros(len(env), bool)
            valid[active] = True
        self._valid.append(valid)
        for index in sorted(step.last_observations):
            if step.truncated[index]:
                self._truncated_observations.append(step.last_observations[index])
        self._episodes += episodes
        return set(step.last_observations)

    def rollout(self) -> Rollout:
        """Return everything recorded so far."""
        rewards, terminated, truncated = (
            torch.from_numpy(np.stack(column)) for column in zip(*self._steps, strict=True)
        )
        ends = self._truncated_observations
        empty = np.zeros((0, self._env.observations.shape[1]), np.float32)
        return Rollout(
            observations=torch.from_numpy(np.stack(self._observations)),
            # Cloned: a tensor made in inference mode may not take part in a gradient.
            latents=torch.stack(self._latents).cpu().clone(),
            rewards=rewards,
            terminated=terminated,
            truncated=truncated,
            last_observations=torch.from_numpy(self._env.observations.copy()),
            truncated_observations=torch.from_numpy(np.stack(ends) if ends else empty),
            valid=torch.from_numpy(np.stack(self._valid)),
            episodes=self._episodes,
        )
