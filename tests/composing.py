"""Runs composed from `conf/`, and environments so small that their answers are known."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from gausspg.envs.batch import BatchedEnv
from gausspg.envs.environment import Environment
from gausspg.envs.rollout import Rollout, collect_steps
from gausspg.learners.base import Learner
from gausspg.policies.base import Policy
from gausspg.streams import Streams
from gausspg.training import factory
from gausspg.training.settings import Settings, check
from gausspg.training.trainer import Trainer

CONF = Path(__file__).parents[1] / "conf"
NEEDS_ENVPOOL = pytest.mark.skipif(
    importlib.util.find_spec("envpool") is None, reason="the package envpool is not installed"
)
SMALL = ("env.num_envs=4", "policy.hidden=[8]", "learner.critic_hidden=[8]")
REINFORCE = (
    "estimator.weight=total_return",
    "estimator.baseline=none",
    "estimator.standardise=false",
    "estimator.surrogate=plain",
    "learner.rollout_steps=null",
    "learner.epochs=1",
    "learner.minibatch_rows=null",
    "learner.max_grad_norm=null",
)
# Updates from the first step on, and cheap ones.
REPLAY = (
    "learner=replay",
    "learner.rollout_steps=4",
    "learner.warmup_steps=0",
    "learner.buffer_steps=500",
    "learner.minibatch_rows=16",
    "learner.updates_per_step=0.5",
    "learner.policy_interval=1",
    "learner.action_samples=2",
    "learner.lr=1e-3",
    "learner.lr_schedule=constant",
)


class Clockwork(gym.Env):
    """Episodes of a fixed length and reward; the observation is constant, or tells what happened.

    `faulty` becomes NaN from the `after`-th step of the environment's life on.
    """

    def __init__(
        self,
        length: int = 5,
        terminates: bool = False,
        truncates: bool = True,
        constant: bool = False,
        faulty: str = "",
        after: int = 0,
        actions: int = 1,
        render_mode: str | None = None,
    ) -> None:
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float64)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (actions,), np.float32)
        self._length, self._ends = length, (terminates, truncates)
        self._constant, self._faulty, self._after = constant, faulty, after
        self._life = self._time = self._name = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self._time, self._name = 0, int(self.np_random.integers(1000))
        return self._observe(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        self._time += 1
        self._life += 1
        broken = self._life > self._after
        reward = np.nan if broken and self._faulty == "reward" else 1.0
        observation = self._observe()
        if broken and self._faulty == "observation":
            observation[1] = np.nan
        over = self._time >= self._length
        terminated, truncated = (bool(over and end) for end in self._ends)
        return observation, reward, terminated, truncated, {}

    def _observe(self) -> np.ndarray:
        return np.ones(2) if self._constant else np.array([self._name, self._time], float)


class Bandit(gym.Env):
    """One step, reward -(a - 0.3)^2: the best mean is 0.3 whatever the standard deviation."""

    def __init__(self, render_mode: str | None = None) -> None:
        self.observation_space = gym.spaces.Box(0.0, 1.0, (1,), np.float32)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        return np.ones(1, np.float32), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        return np.ones(1, np.float32), -float((action[0] - 0.3) ** 2), True, False, {}


class Offset(Bandit):
    """One step with actions 5, 6, 7, of which 6 earns 1; any other action is an error."""

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__()
        self.action_space = gym.spaces.Discrete(3, start=5)

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        assert self.action_space.contains(action)
        return np.ones(1, np.float32), float(action == 6), True, False, {}


for _class in (Clockwork, Bandit, Offset):
    gym.register(f"Test{_class.__name__}-v0", _class)


@dataclass
class Run:
    """The parts of one run, as an entry point would build them."""

    settings: Settings
    environment: Environment
    policy: Policy
    spec: dict[str, Any]
    learner: Learner
    streams: Streams

    def batch(self, segment: int = 0) -> BatchedEnv:
        """Return environments after a reset, seeded as the trainer seeds those of `segment`."""
        numbers = range(self.environment.num_envs)
        seeds = [self.streams.numpy("environment", segment, number) for number in numbers]
        env = self.environment.training_batch(seeds)
        env.reset()
        return env

    def iterate(
        self, number: int, done: float = 0.0, first: int = 0, segment: int = 0
    ) -> dict[str, float]:
        """Do `number` iterations in the environments of `segment`; return the last one's metrics.

        `first` is how many there were before.
        """
        metrics: dict[str, float] = {}
        self.learner.begin_segment()
        with self.batch(segment) as env:
            for iteration in range(first, first + number):
                metrics = self.learner.iterate(env, iteration, done, 10**9).metrics
        return metrics

    def rollout(self, steps: int) -> Rollout:
        """Collect what the first `steps` steps give, in environments of one's own."""
        generator = self.streams.torch("action_noise", 0)
        noise = self.policy.draw_noise(generator, steps, self.environment.num_envs)
        with self.batch() as env:
            return collect_steps(env, self.policy, noise)

    def trainer(self, folder: Path, identity: str = "") -> Trainer:
        """Return a trainer that writes into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        return Trainer(
            self.settings,
            self.environment,
            self.policy,
            self.spec,
            self.learner,
            self.streams,
            folder,
            identity,
        )


def words_with_pool() -> list[str]:
    """Return the environments that the pool is said to have."""
    paths = sorted((CONF / "env").glob("*.yaml"))
    return [path.stem for path in paths if "backend:" in path.read_text() and path.stem != "any"]


def settings_of(*overrides: str) -> Settings:
    """Compose `conf/` with `overrides`, as on the command line."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", list(overrides))
    plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert isinstance(plain, dict)
    return check({str(key): value for key, value in plain.items()})


def run_of(*overrides: str) -> Run:
    """Build what `overrides` describe, untrained."""
    return run_from(settings_of(*overrides))


def run_from(settings: Settings) -> Run:
    """Build what `settings` describe, untrained."""
    environment, streams = factory.build_environment(settings), Streams(settings.seed)
    spec = factory.policy_spec(settings, environment)
    policy = factory.build_policy(spec, streams)
    device = factory.build_device(settings)
    learner = factory.build_learner(settings, environment, policy, streams, device)
    return Run(settings, environment, policy, spec, learner, streams)


def tiny(env_id: str, *overrides: str) -> Run:
    """Build a run in one of this module's environments, with nothing normalised."""
    return run_of(
        "env=any",
        f"env.id=Test{env_id}-v0",
        "env.rebuild_at_reset=false",
        "env.normalise_observation=false",
        "env.normalise_reward=false",
        *SMALL,
        *overrides,
    )


def equal(one: Any, other: Any) -> bool:
    """Tell whether two nested structures of tensors and plain values are the same, bit for bit."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)
