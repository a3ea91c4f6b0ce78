"""Whether the environments of envpool do what Gymnasium's do.

    python analysis/benchmarks/backends.py                     random actions and none
    python analysis/benchmarks/backends.py runs/.../final.pt   and trained policies, each in its own

First, from equal states, the largest difference over some steps of the same actions. Then, over
whole episodes of fixed policies, returns, lengths, the reward of one step drawn from each, the
observation of an early step and the last one, side by side with two-sample Kolmogorov-Smirnov
tests. Episodes are independent of each other, and of each one step is taken, since those of one
episode are not. Of observations the entry is shown that differs most, and p is multiplied by their
number. `!` marks what would come up once in a thousand such tables if both backends were the same.
"""

import argparse
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from gausspg.agent import Agent, load
from gausspg.envs.batch import BatchedEnv
from gausspg.envs.environment import Environment
from gausspg.policies.actions import BoxActions
from gausspg.streams import Streams
from gausspg.training import checkpoints

IDS = ("BipedalWalker-v3", "LunarLanderContinuous-v3", "CartPole-v1")
BATCH = 50
# The step of which the observations are compared, if the episode lasts.
LOOKED_AT = 20
ALPHA = 1e-3

Act = Callable[[NDArray[np.float32]], NDArray[Any]]


@dataclass(frozen=True)
class Sample:
    """Of some episodes: `[episodes]`, observations `[episodes, observation_dim]`.

    `early` is of those that lasted so long.
    """

    returns: NDArray[np.float64]
    lengths: NDArray[np.float64]
    rewards: NDArray[np.float64]
    early: NDArray[np.float64]
    last: NDArray[np.float64]


def environment_of(env_id: str, backend: Any) -> Environment:
    """Return an environment, made anew for every episode where that makes a difference."""
    anew = "Bipedal" in env_id
    return Environment(
        env_id, BATCH, False, False, anew, 0,
        clips_actions=False, kwargs={}, max_episode_steps=None, backend=backend, pool_threads=1,
    )  # fmt: skip


def sample(environment: Environment, act: Act, episodes: int) -> Sample:
    """Play whole episodes, of which each gives one of its rewards, drawn at random."""
    streams, chance = Streams(0), np.random.default_rng(1)
    returns: list[float] = []
    lengths: list[int] = []
    rewards: list[float] = []
    early: list[NDArray[np.float32]] = []
    last: list[NDArray[np.float32]] = []
    for first in range(0, episodes, BATCH):
        seeds = [streams.numpy("bench", first + index) for index in range(BATCH)]
        with environment.training_batch(seeds) as env:
            for ended in _play(env, act, early, last):
                returns.append(sum(ended))
                lengths.append(len(ended))
                rewards.append(chance.choice(ended))
    columns = (np.array(column, np.float64) for column in (returns, lengths, rewards, early, last))
    return Sample(*columns)


def _play(
    env: BatchedEnv,
    act: Act,
    early: list[NDArray[np.float32]],
    last: list[NDArray[np.float32]],
) -> list[list[float]]:
    env.reset()
    rewards: list[list[float]] = [[] for _ in range(len(env))]
    active = list(range(len(env)))
    while active:
        step, _ = env.step(act(env.observations), active)
        for index in active:
            rewards[index].append(float(step.rewards[index]))
        last += step.last_observations.values()
        active = [index for index in active if index not in step.last_observations]
        if active and len(rewards[active[0]]) == LOOKED_AT:
            early += [env.observations[index].copy() for index in active]
    return rewards


def fixed_policies(environment: Environment) -> dict[str, Act]:
    """Return policies that need no training: the same actions for both backends."""
    chance, actions = np.random.default_rng(2), environment.actions
    if isinstance(actions, BoxActions):
        shape, (low, high) = (BATCH, len(actions.low)), (actions.low, actions.high)
        return {
            "random": lambda _: chance.uniform(low, high, shape).astype(np.float32),
            "zero": lambda _: np.zeros(shape, np.float32),
            "beyond": lambda _: chance.uniform(-3.0, 3.0, shape).astype(np.float32),
        }
    number = actions.number
    return {
        "random": lambda _: chance.integers(number, size=BATCH),
        "zero": lambda _: np.zeros(BATCH, np.int64),
    }


def trained_policy(agent: Agent) -> Act:
    """Return the agent's mode, as both backends take it."""
    return lambda observations: agent.act(observations)


def compare(env_id: str, policies: dict[str, Act], episodes: int) -> None:
    """Print a row per policy and quantity."""
    environments = [environment_of(env_id, backend) for backend in ("gymnasium", "envpool")]
    for name, act in (fixed_policies(environments[0]) | policies).items():
        one, other = (sample(environment, act, episodes) for environment in environments)
        for quantity in ("returns", "lengths", "rewards"):
            _row(env_id, name, quantity, getattr(one, quantity), getattr(other, quantity))
        for moment in ("early", "last"):
            seen, shown = getattr(one, moment), getattr(other, moment)
            if min(len(seen), len(shown)) > episodes // 10:
                _most_different(env_id, name, moment, seen, shown)


def _most_different(
    env_id: str, policy: str, moment: str, one: NDArray[np.float64], other: NDArray[np.float64]
) -> None:
    tests = [
        stats.ks_2samp(one[:, entry], other[:, entry], method="asymp")
        for entry in range(one.shape[1])
    ]
    worst = min(range(len(tests)), key=lambda entry: tests[entry].pvalue)
    _row(env_id, policy, f"{moment}[{worst}]", one[:, worst], other[:, worst], len(tests))


def _row(
    env_id: str,
    policy: str,
    quantity: str,
    one: NDArray[np.float64],
    other: NDArray[np.float64],
    of: int = 1,
) -> None:
    """Print both means with their standard errors, and the test; `of` is how many were tried."""
    test = stats.ks_2samp(one, other, method="asymp")
    p = min(1.0, of * test.pvalue)
    means = "  ".join(
        f"{column.mean():9.3f} +- {column.std() / len(column) ** 0.5:6.3f}"
        for column in (one, other)
    )
    mark = " !" if p < ALPHA / 50 else ""
    what = f"{env_id:25s} {policy:8s} {quantity:15s}"
    print(f"{what} {means}  D={test.statistic:.3f} p={p:.2g}{mark}", flush=True)


class Told:
    """Stands for an environment's generator and gives what is told, and else the middle."""

    def __init__(self, *initial: float) -> None:
        self._initial = [float(force) for force in initial]

    def uniform(self, low: float, high: float, size: Any = None) -> Any:
        """Return the next of the initial forces where one is drawn."""
        if size is None and abs(low) > 1.0 and self._initial:
            return self._initial.pop(0)
        middle = (low + high) / 2
        return middle if size is None else np.full(size, middle)

    def integers(self, low: float, high: float) -> int:
        """Return the least."""
        return int(low)


def _begun(env_id: str, forces: Sequence[float]) -> tuple[gym.Env[Any, Any], NDArray[Any]]:
    env = gym.make(env_id)
    env.unwrapped.np_random = Told(*forces)  # type: ignore[assignment]
    return env, env.reset()[0]


def from_equal_states(env_id: str, steps: int, starts: int, still: bool) -> None:
    """Print how far a body goes apart that was pushed off alike.

    All that differs between two beginnings is the force of the first push and ground that is still
    far away. The first velocity is linear in the force, which is solved for.

    Args:
        env_id: of Box2D.
        steps: at most so many, and only until the ground is touched where `still`.
        starts: episodes.
        still: no engine fires, since what it does is random.
    """
    # Index of the velocities in the observation; the walker is pushed along x alone.
    entries = (2,) if "Bipedal" in env_id else (2, 3)
    size = len(entries)
    at_rest = _begun(env_id, [0.0] * size)[1]
    pushed = np.array([
        [_begun(env_id, list(unit))[1][entry] - at_rest[entry] for entry in entries]
        for unit in 2.0 * np.eye(size)
    ])  # fmt: skip
    apart: list[tuple[float, float]] = []
    for seed in range(starts):
        with environment_of(env_id, "envpool").training_batch([np.random.default_rng(seed)]) as env:
            env.reset()
            first = np.array([env.observations[0, entry] - at_rest[entry] for entry in entries])
            alone, _ = _begun(env_id, list(2.0 * np.linalg.solve(pushed.T, first)))
            chance = np.random.default_rng(seed)
            dims = alone.action_space.shape
            for _ in range(steps):
                action = chance.uniform(-2.0, 2.0, dims or ()).astype(np.float32) * (not still)
                step, _ = env.step(action[None])
                observation, reward, terminated, *_ = alone.step(action)
                landed = still and (observation[-2:].any() or env.observations[0, -2:].any())
                if step.terminated[0] or terminated or landed:
                    break
                difference = np.abs(env.observations[0, :14] - observation[:14]).max()
                apart.append((float(difference), abs(float(step.rewards[0]) - float(reward))))
    _told(env_id, starts, apart)


def from_shown_states(env_id: str, steps: int, starts: int) -> None:
    """Print how far MuJoCo's bodies go apart from where the pool shows them after a reset.

    All of their state is shown but the place along the track, on which nothing depends.
    """
    alone = gym.make(env_id)
    bare: Any = alone.unwrapped
    apart: list[tuple[float, float]] = []
    for seed in range(starts):
        with environment_of(env_id, "envpool").training_batch([np.random.default_rng(seed)]) as env:
            env.reset()
            alone.reset()
            number = bare.model.nq - 1
            positions, speeds = np.split(env.observations[0].astype(np.float64), [number])
            bare.set_state(np.concatenate([[0.0], positions]), speeds)
            chance = np.random.default_rng(seed)
            for _ in range(steps):
                action = chance.uniform(-2.0, 2.0, alone.action_space.shape).astype(np.float32)
                step, _ = env.step(action[None])
                observation, reward, terminated, *_ = alone.step(action)
                if step.terminated[0] or terminated:
                    assert bool(step.terminated[0]) == terminated
                    break
                difference = np.abs(env.observations[0] - observation).max()
                apart.append((float(difference), abs(float(step.rewards[0]) - float(reward))))
    _told(env_id, starts, apart)


def _told(env_id: str, starts: int, apart: list[tuple[float, float]]) -> None:
    observed, rewarded = (np.array(column) for column in zip(*apart, strict=True))
    print(f"{env_id}: {len(apart)} steps from {starts} equal states, largest difference "
          f"{observed.max():.2g} in observations (median {np.median(observed):.2g}) and "
          f"{rewarded.max():.2g} in rewards", flush=True)  # fmt: skip


def main() -> None:
    """Read the arguments and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("policies", nargs="*", type=Path, help="policy files of trained runs")
    parser.add_argument("--episodes", type=int, default=1000, help="of each policy and backend")
    parser.add_argument("--ids", nargs="*", default=IDS, help="of environments")
    arguments = parser.parse_args()
    from_equal_states("BipedalWalker-v3", 30, 20, still=False)
    from_equal_states("LunarLanderContinuous-v3", 200, 20, still=True)
    if importlib.util.find_spec("mujoco"):
        for env_id in ("HalfCheetah-v5", "Hopper-v5", "Walker2d-v5"):
            from_shown_states(env_id, 20, 20)
    trained: dict[str, dict[str, Act]] = {}
    for number, path in enumerate(arguments.policies, 1):
        env_id = checkpoints.load(path)["spec"]["env_id"]
        trained.setdefault(env_id, {})[f"trained{number}"] = trained_policy(load(path))
    for env_id in arguments.ids:
        compare(env_id, trained.get(env_id, {}), arguments.episodes)


if __name__ == "__main__":
    main()
