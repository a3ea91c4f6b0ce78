"""A recorded run taken up again: its policy, its critic and its environments."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import yaml
from torch import Tensor

from gausspg.envs.base import BaseEnvironment
from gausspg.envs.rollout import Rollout, collect_episodes, collect_steps
from gausspg.estimators.base import ActionValue
from gausspg.learners.base import Learner
from gausspg.policies.base import Policy
from gausspg.tracking import location, read_status, run_folders
from gausspg.training.assembly import assemble


@dataclass(frozen=True)
class RecordedRun:
    """What the last checkpoint of a run describes.

    Attributes:
        policy: as it was, on the CPU; its normaliser stands still.
        environment: that it was trained in.
        gamma: discount per step.
        learner: with its critic.
    """

    policy: Policy
    environment: BaseEnvironment
    gamma: float
    learner: Learner

    def action_value(self, observations: Tensor) -> ActionValue | None:
        """Return the learned Q at normalised observations; None where the critic is no Q."""
        return self.learner.action_value(observations)

    def steps(self, number: int, generator: torch.Generator) -> Rollout:
        """Let the policy act with its noise for `number` steps in every environment."""
        with self.environment.batch(_generators(self.environment.num_envs, generator)) as env:
            env.reset()
            noise = self.policy.draw_noise(generator, number, len(env))
            return collect_steps(env, self.policy, noise)

    def episodes(self, number: int, generator: torch.Generator) -> Rollout:
        """Let the policy act with its noise for `number` whole episodes."""
        with self.environment.batch(_generators(number, generator)) as env:
            return collect_episodes(
                env, self.policy, lambda _: self.policy.draw_noise(generator, number)
            )


def take_up(run: str) -> RecordedRun:
    """Build what a run consisted of and load its last checkpoint; nothing in it is executed.

    Args:
        run: its id in MLflow, if it was recorded here, or its folder.

    Raises:
        ValueError: there is no such run here, or it kept no checkpoint; one line.
    """
    folder = _folder(run)
    config = folder / "config.yaml"
    if not config.is_file():
        raise ValueError(f"problem.run={run} has no config.yaml in {folder}: name a training run")
    identity = read_status(folder).get("identity") or {}
    parts = assemble(yaml.safe_load(config.read_text("utf-8")), folder, identity.get("key", ""))
    try:
        parts.trainer.resume(any_source=True)
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(
            f"problem.run={run} cannot be taken up: {' '.join(str(error).split())}"
        ) from error
    return RecordedRun(parts.policy.eval(), parts.environment, parts.settings.gamma, parts.learner)


def _folder(run: str) -> Path:
    if Path(run).is_dir():
        return Path(run)
    for folder in run_folders(location.runs_folder()):
        if read_status(folder).get("run_id") == run:
            return folder
    raise ValueError(
        f"problem.run={run} is not among the runs recorded in {location.runs_folder()}, "
        "and no folder: name a run id or the folder of a run"
    )


def _generators(number: int, generator: torch.Generator) -> Sequence[np.random.Generator]:
    seeds = torch.randint(2**62, (number,), generator=generator).tolist()
    return [np.random.default_rng(seed) for seed in seeds]
