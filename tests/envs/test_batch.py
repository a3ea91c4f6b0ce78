"""A batch gives what its environments give one by one, and stops at what is not finite."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from composing import Bandit
from gausspg.envs.batch import Episode, NonFiniteError
from gausspg.envs.environment import Environment


class NaNAtReset(Bandit):
    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict]:
        return np.full(1, np.nan, np.float32), {}


gym.register("TestNaNAtReset-v0", NaNAtReset)


def made(env_id: str, **kwargs: Any) -> Environment:
    return Environment(
        env_id, 1, False, False, False, 0,
        clips_actions=False, kwargs=kwargs, max_episode_steps=None,
        backend="gymnasium", pool_threads=1,
    )  # fmt: skip


def generators(*seeds: int) -> list[np.random.Generator]:
    return [np.random.default_rng(seed) for seed in seeds]


def actions_for(env_id: str, steps: int, batch: int) -> np.ndarray:
    generator = np.random.default_rng(5)
    if env_id == "CartPole-v1":
        return generator.integers(2, size=(steps, batch))
    return generator.uniform(-2.0, 2.0, (steps, batch, 1)).astype(np.float32)


def play_one_by_one(env_id: str, seed: int, actions: np.ndarray) -> list[tuple[Any, ...]]:
    """Step a bare environment; each entry: observation seen next, reward, ends, last one."""
    generator, env = np.random.default_rng(seed), gym.make(env_id)
    observation, _ = env.reset(seed=int(generator.integers(2**31)))
    entries: list[tuple[Any, ...]] = [(observation,)]
    for action in actions:
        last, reward, terminated, truncated, _ = env.step(action)
        observation = last
        if terminated or truncated:
            observation, _ = env.reset(seed=int(generator.integers(2**31)))
        entries.append((observation, np.float32(reward), terminated, truncated, last))
    env.close()
    return entries


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
def test_a_batch_equals_its_environments_stepped_one_by_one(env_id: str) -> None:
    seeds, steps = (11, 12, 13), 230
    actions = actions_for(env_id, steps, len(seeds))
    bare = [play_one_by_one(env_id, seed, actions[:, i]) for i, seed in enumerate(seeds)]
    ended = 0
    with made(env_id).batch(generators(*seeds)) as env:
        env.reset()
        assert np.array_equal(env.observations, [entries[0][0] for entries in bare])
        for t in range(steps):
            step, _ = env.step(actions[t])
            for index, entries in enumerate(bare):
                observation, reward, terminated, truncated, last = entries[t + 1]
                assert np.array_equal(env.observations[index], observation)
                assert step.rewards[index] == reward
                assert (step.terminated[index], step.truncated[index]) == (terminated, truncated)
                assert (index in step.last_observations) == (terminated or truncated)
                if terminated or truncated:
                    ended += 1
                    assert np.array_equal(step.last_observations[index], last)
                    assert not np.array_equal(env.observations[index], last)
    assert ended >= 3


@pytest.mark.parametrize(
    ("terminates", "truncates", "expected"),
    [(True, False, (True, False)), (False, True, (False, True)), (True, True, (True, False))],
)
def test_an_episode_ends_in_exactly_one_way(
    terminates: bool, truncates: bool, expected: tuple[bool, bool]
) -> None:
    kwargs = {"length": 2, "terminates": terminates, "truncates": truncates}
    with made("TestClockwork-v0", **kwargs).batch(generators(0)) as env:
        env.reset()
        steps = [env.step(np.zeros((1, 1)))[0] for _ in range(2)]
    ends = [(bool(step.terminated[0]), bool(step.truncated[0])) for step in steps]
    assert ends == [(False, False), expected]


def test_the_last_observation_is_the_one_before_the_reset() -> None:
    with made("TestClockwork-v0", length=3).batch(generators(0)) as env:
        env.reset()
        name = env.observations[0, 0]
        steps = [env.step(np.zeros((1, 1))) for _ in range(3)]
        assert steps[-1][0].last_observations[0].tolist() == [name, 3.0]
        assert env.observations[0, 1] == 0.0
        assert env.observations[0, 0] != name
        assert steps[-1][1] == [Episode(env=0, total_return=3.0, length=3)]


def test_what_happens_in_one_environment_has_no_influence_on_another() -> None:
    actions = actions_for("CartPole-v1", 60, 2)
    other = actions.copy()
    other[:, 0] = 1 - other[:, 0]
    seen = []
    for chosen in (actions, other):
        with made("CartPole-v1").batch(generators(1, 2)) as env:
            env.reset()
            seen.append([env.observations.copy() for action in chosen if env.step(action)])
    first, second = np.array(seen[0]), np.array(seen[1])
    assert not np.array_equal(first[:, 0], second[:, 0])
    assert np.array_equal(first[:, 1], second[:, 1])


def test_only_active_environments_are_stepped_and_none_of_them_is_reset() -> None:
    with made("TestClockwork-v0", length=2).batch(generators(0, 1)) as env:
        env.reset()
        names = env.observations[:, 0].copy()
        env.step(np.zeros((2, 1)), active=[1])
        assert env.observations[:, 1].tolist() == [0.0, 1.0]
        step, episodes = env.step(np.zeros((2, 1)), active=[1])
        assert [episode.env for episode in episodes] == [1]
        assert step.truncated.tolist() == [False, True]
        assert env.observations.tolist() == [[names[0], 0.0], [names[1], 2.0]]


def test_actions_count_from_the_first_action_of_the_space() -> None:
    with made("TestOffset-v0").batch(generators(0, 1, 2)) as env:
        env.reset()
        step, _ = env.step(np.array([0, 1, 2]))
    assert step.rewards.tolist() == [0.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("kwargs", "place"),
    [
        ({"faulty": "observation"}, r"^observations of TestClockwork-v0 .* at index \[1, 1\]"),
        ({"faulty": "reward"}, r"^rewards of TestClockwork-v0 .* at index \[1\]"),
        ({"faulty": "observation", "length": 3}, "^last observation of environment 1 "),
    ],
)
def test_what_is_not_finite_is_named(kwargs: dict[str, Any], place: str) -> None:
    calm = np.zeros((2, 1))
    with made("TestClockwork-v0", **kwargs, after=2).batch(generators(0, 1)) as env:
        env.reset()
        env.step(calm, active=[1])
        env.step(calm)
        with pytest.raises(NonFiniteError, match=place) as caught:
            env.step(calm)
    assert "\n" not in str(caught.value)


def test_an_observation_that_is_not_finite_at_reset_is_named() -> None:
    with (
        made("TestNaNAtReset-v0").batch(generators(0)) as env,
        pytest.raises(NonFiniteError, match="observations at reset"),
    ):
        env.reset()
