"""Build all parts of a run from its configuration, in a process set up to be deterministic."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gausspg.envs.base import BaseEnvironment
from gausspg.learners.base import Learner
from gausspg.policies.base import Policy
from gausspg.streams import Streams
from gausspg.training import factory
from gausspg.training.settings import Settings, check
from gausspg.training.trainer import Trainer


@dataclass(frozen=True)
class Assembled:
    """The parts of a run that is about to start."""

    settings: Settings
    environment: BaseEnvironment
    policy: Policy
    learner: Learner
    streams: Streams
    trainer: Trainer


def assemble(config: Mapping[str, Any], folder: Path, identity: str) -> Assembled:
    """Build a run; set the thread count and deterministic algorithms of this process.

    Args:
        config: resolved.
        folder: of the run, where the trainer writes; it need not exist yet.
        identity: of the run, see `gausspg.records.identity`.

    Raises:
        SettingsError: a setting is wrong, in one line.
    """
    settings = check(config)
    torch.set_num_threads(settings.threads)
    # Without it cuBLAS refuses to work deterministically; it is read when CUDA starts.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    device = factory.build_device(settings)
    environment = factory.build_environment(settings)
    streams = Streams(settings.seed)
    spec = factory.policy_spec(settings, environment)
    policy = factory.build_policy(spec, streams).to(device)
    learner = factory.build_learner(settings, environment, policy, streams, device)
    trainer = Trainer(settings, environment, policy, spec, learner, streams, folder, identity)
    return Assembled(settings, environment, policy, learner, streams, trainer)
