"""Experience kept for replay: rows in preallocated memory, the oldest overwritten first."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gausspg.envs.rollout import Rollout


@dataclass(frozen=True)
class Transitions:
    """A batch of steps.

    Attributes:
        observations: `[batch, observation_dim]`, as the environment gave them.
        latents: `[batch, latent_dim]`, the u that was taken.
        rewards: `[batch]`, as the environment gave them.
        next_observations: `[batch, observation_dim]`, the true last one where an episode was
            truncated; after a termination, where nobody looks, that of the next episode.
        terminated: `[batch]`, 1 where the episode ended by its own rules, else 0. A truncated
            episode goes on for all that a critic has to know.
    """

    observations: Tensor
    latents: Tensor
    rewards: Tensor
    next_observations: Tensor
    terminated: Tensor


def transitions(rollout: Rollout) -> Transitions:
    """Turn one step in every environment into rows of the buffer."""
    following = rollout.last_observations
    if len(rollout.truncated_observations):
        following = following.clone()
        following[rollout.truncated[0]] = rollout.truncated_observations
    return Transitions(
        rollout.observations[0],
        rollout.latents[0],
        rollout.rewards[0],
        following,
        rollout.terminated[0].float(),
    )


class ReplayBuffer:
    """The last `capacity` steps.

    One row holds everything of a step, so that a batch is one gather.

    Args:
        capacity: in steps.
        observation_dim: of the environment.
        latent_dim: of u.
        device: where the rows are kept.

    Raises:
        ValueError: there is not so much memory.
    """

    def __init__(
        self, capacity: int, observation_dim: int, latent_dim: int, device: torch.device
    ) -> None:
        self._sizes = [observation_dim, latent_dim, 1, observation_dim, 1]
        try:
            self._rows = torch.empty(capacity, sum(self._sizes), device=device)
        except RuntimeError as error:
            raise ValueError(
                f"learner.buffer_steps={capacity} of {4 * sum(self._sizes)} bytes each do not fit "
                "into memory: set fewer"
            ) from error
        self._added = 0

    def __len__(self) -> int:
        """Number of steps held."""
        return min(self._added, len(self._rows))

    def add(self, transitions: Transitions) -> None:
        """Take in a batch of at most `capacity` steps."""
        t = transitions
        columns = [t.observations, t.latents, t.rewards, t.next_observations, t.terminated]
        rows = torch.cat([column.reshape(len(t.rewards), -1) for column in columns], 1)
        index = torch.arange(self._added, self._added + len(rows)) % len(self._rows)
        self._rows[index.to(self._rows.device)] = rows.to(self._rows)
        self._added += len(rows)

    def sample(self, number: int, generator: torch.Generator) -> Transitions:
        """Draw `number` steps with replacement."""
        index = torch.randint(len(self), (number,), generator=generator)
        return self._transitions(self._rows[index.to(self._rows.device)])

    def _transitions(self, rows: Tensor) -> Transitions:
        observations, latents, rewards, following, terminated = rows.split(self._sizes, 1)
        return Transitions(
            observations, latents, rewards.squeeze(1), following, terminated.squeeze(1)
        )

    def state_dict(self) -> dict[str, Any]:
        """Return the steps held and how many there ever were."""
        return {"rows": self._rows[: len(self)].clone(), "added": self._added}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` gave, in a buffer of the same capacity."""
        self._rows[: len(state["rows"])] = state["rows"].to(self._rows)
        self._added = state["added"]
