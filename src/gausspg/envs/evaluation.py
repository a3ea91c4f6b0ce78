"""Evaluation: a pure function of (policy, environment, seed)."""

from dataclasses import dataclass

import numpy as np
import torch

from gausspg.envs.base import BaseEnvironment
from gausspg.envs.rollout import collect_episodes
from gausspg.policies.base import Policy
from gausspg.streams import Streams

# Environments stepped at once: enough to share the cost of the network, few enough for memory.
_BATCH = 25


@dataclass(frozen=True)
class Evaluation:
    """Returns and lengths of the evaluated episodes, in the environment's own reward."""

    returns: np.ndarray
    lengths: np.ndarray

    def metrics(self, prefix: str, solved: float | None = None) -> dict[str, float]:
        """Name the usual summaries `<prefix>_return_mean` and so on.

        With `solved`, a return, the share of episodes that reach it is among them.
        """
        share = (
            {}
            if solved is None
            else {f"{prefix}_solved_share": float((self.returns >= solved).mean())}
        )
        return share | {
            f"{prefix}_return_mean": float(self.returns.mean()),
            f"{prefix}_return_std": float(self.returns.std()),
            f"{prefix}_return_min": float(self.returns.min()),
            f"{prefix}_return_max": float(self.returns.max()),
            f"{prefix}_length_mean": float(self.lengths.mean()),
        }


def evaluate(
    policy: Policy, environment: BaseEnvironment, seed: int, episodes: int, deterministic: bool
) -> Evaluation:
    """Run whole episodes in fresh environments with the policy as it is.

    Episode k sees the same environment and the same noise whatever the number of episodes and
    whether the policy is deterministic. The policy's normaliser stands still.

    Args:
        policy: left unchanged.
        environment: made anew for this call.
        seed: of the evaluation; nothing is shared with training.
        episodes: how many.
        deterministic: take the policy's mode instead of a sample.
    """
    streams = Streams(seed)
    returns, lengths = np.zeros(episodes), np.zeros(episodes, np.int64)
    for first in range(0, episodes, _BATCH):
        numbers = range(first, min(first + _BATCH, episodes))
        seeds = [streams.numpy("evaluation_environment", number) for number in numbers]
        noise = [streams.torch("evaluation_noise", number) for number in numbers]
        with environment.batch(seeds) as env:

            def noise_at(_: int, noise: list[torch.Generator] = noise) -> torch.Tensor:
                if deterministic:
                    return torch.empty(0)
                return torch.stack([policy.draw_noise(generator) for generator in noise])

            # Always as many rows: the last bits of a matrix product depend on their number.
            rollout = collect_episodes(env, policy, noise_at, rows=_BATCH)
        for episode in rollout.episodes:
            returns[first + episode.env] = episode.total_return
            lengths[first + episode.env] = episode.length
    return Evaluation(returns, lengths)
