"""The C++ pool behind the contract of a batch: its dynamics, its ends, its bits, its refusals."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from composing import NEEDS_ENVPOOL, SMALL, run_of, settings_of, words_with_pool
from gausspg.envs.batch import BatchedEnv, Episode, NonFiniteError
from gausspg.envs.envpool_batch import EnvpoolBatch
from gausspg.envs.evaluation import evaluate
from gausspg.envs.gymnasium_batch import GymnasiumBatch
from gausspg.policies.actions import DiscreteActions
from gausspg.training.build import SettingsError
from gausspg.training.factory import build_environment


@pytest.fixture(autouse=True)
def _away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MuJoCo leaves a log in the current directory."""
    monkeypatch.chdir(tmp_path)


def generators(*seeds: int) -> list[np.random.Generator]:
    return [np.random.default_rng(seed) for seed in seeds]


def pool(env_id: str, limit: int, seeds: Sequence[int] = (0, 1, 2), threads: int = 1) -> BatchedEnv:
    dims = {"CartPole-v1": 4, "Pendulum-v1": 3, "BipedalWalker-v3": 24}[env_id]
    env = EnvpoolBatch(env_id, dims, generators(*seeds), limit, threads)
    env.reset()
    return env


def environment_of(*overrides: str) -> Any:
    try:
        return build_environment(settings_of(*overrides))
    except SettingsError as error:
        if "mujoco" in str(error):
            pytest.skip(str(error))
        raise


def play(env: BatchedEnv, actions: np.ndarray) -> list[np.ndarray]:
    seen = [env.observations.copy()]
    for action in actions:
        step, _ = env.step(action)
        seen += [env.observations.copy(), step.rewards, step.terminated, step.truncated]
        seen += [observation for _, observation in sorted(step.last_observations.items())]
    return seen


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return len(one) == len(other) and all(map(np.array_equal, one, other))


@NEEDS_ENVPOOL
@pytest.mark.parametrize("word", words_with_pool())
def test_every_word_trains_in_the_pool_and_is_evaluated_in_gymnasium(word: str) -> None:
    environment = environment_of(f"env={word}", "env.backend=envpool")
    with (
        environment.training_batch(generators(0, 1)) as trained,
        environment.batch(generators(0, 1)) as judged,
    ):
        assert isinstance(trained, EnvpoolBatch)
        assert isinstance(judged, GymnasiumBatch)
        actions = np.zeros((2, 2), np.int64)
        if not isinstance(environment.actions, DiscreteActions):
            actions = np.zeros((2, 2, len(environment.actions.low)), np.float32)
        for env in (trained, judged):
            env.reset()
            seen = play(env, actions)
            assert (seen[0].shape, seen[0].dtype) == ((2, environment.observation_dim), np.float32)
            assert not np.array_equal(seen[0][0], seen[0][1])


@NEEDS_ENVPOOL
def test_a_policy_is_judged_alike_whatever_trained_it() -> None:
    words = ("env=pendulum", *SMALL)
    judged = [
        evaluate(run.policy, run.environment, 3, 2, deterministic=True).returns.tolist()
        for run in (run_of(*words), run_of(*words, "env.backend=envpool"))
    ]
    assert judged[0] == judged[1]


@NEEDS_ENVPOOL
def test_a_cart_goes_from_the_same_state_where_gymnasium_s_goes() -> None:
    rng, alone, ended = np.random.default_rng(3), gym.make("CartPole-v1"), 0
    with pool("CartPole-v1", 500, seeds=(5, 6)) as env:
        begin_at(alone, env.observations[0])
        for _ in range(150):
            actions = rng.integers(2, size=2)
            step, _ = env.step(actions)
            observation, reward, terminated, _, _ = alone.step(actions[0])
            now = step.last_observations.get(0, env.observations[0])
            np.testing.assert_allclose(now, observation, atol=1e-5)
            assert step.rewards[0] == reward
            assert step.terminated[0] == terminated
            if terminated:
                ended += 1
                assert not np.allclose(env.observations[0], now, atol=1e-3), "it was reset"
                begin_at(alone, env.observations[0])
    assert ended >= 3


@NEEDS_ENVPOOL
def test_a_pendulum_goes_where_gymnasium_s_goes_unless_it_is_at_its_greatest_speed() -> None:
    rng, alone = np.random.default_rng(3), gym.make("Pendulum-v1")
    errors: dict[bool, list[float]] = {False: [], True: []}
    with pool("Pendulum-v1", 200, seeds=(5, 6)) as env:
        for _ in range(600):
            # Step by step from one state: two pendulums drift away from each other.
            cos, sin, speed = env.observations[0].astype(np.float64)
            begin_at(alone, np.array([np.arctan2(sin, cos), speed]))
            # Along its motion, so that it gets there, and at times beyond the bounds.
            actions = (np.sign(speed) * rng.uniform(0.0, 3.0, (2, 1))).astype(np.float32)
            step, _ = env.step(actions)
            observation, reward, _, _, _ = alone.step(actions[0])
            now = step.last_observations.get(0, env.observations[0])
            np.testing.assert_allclose(step.rewards[0], reward, atol=2e-5)
            np.testing.assert_allclose(now[2], observation[2], atol=2e-5)
            errors[abs(now[2]) == 8.0].append(float(np.abs(now[:2] - observation[:2]).max()))
    assert max(errors[False]) < 2e-6
    # There the pool's angle moves with the speed before it is clipped.
    assert 1e-3 < max(errors[True]) < 0.1


def begin_at(env: gym.Env[Any, Any], state: np.ndarray) -> None:
    """Put Gymnasium's environment into a state."""
    env.reset(seed=0)
    env.unwrapped.state = np.array(state, np.float64)  # type: ignore[attr-defined]


@NEEDS_ENVPOOL
def test_a_truncated_episode_shows_its_true_last_observation_and_begins_anew_at_once() -> None:
    with pool("CartPole-v1", limit=5) as env:
        first = env.observations.copy()
        for time in range(1, 11):
            step, episodes = env.step(np.array([0, 1, time % 2]))
            over = time % 5 == 0
            assert step.truncated.tolist() == [over] * 3
            assert not step.terminated.any()
            assert step.rewards.tolist() == [1.0] * 3, "no step is a reset"
            assert sorted(step.last_observations) == ([0, 1, 2] if over else [])
            assert episodes == ([Episode(i, 5.0, 5) for i in range(3)] if over else [])
            if over:
                # Five steps to one side are far away from where an episode may begin.
                assert abs(step.last_observations[0][1]) > 0.5
                assert np.abs(env.observations).max() <= 0.05
                assert not np.array_equal(env.observations, first), "every episode is another one"


def fallen(limit: int) -> tuple[int, bool, bool]:
    """Push a pole over; return when its episode ended, whether terminated, whether truncated."""
    with pool("CartPole-v1", limit, seeds=(0,)) as env:
        while True:
            step, episodes = env.step(np.array([1]))
            if episodes:
                return episodes[0].length, bool(step.terminated[0]), bool(step.truncated[0])


@NEEDS_ENVPOOL
@pytest.mark.filterwarnings("ignore:.*precision lowered:UserWarning")
def test_one_that_ends_by_its_rules_in_its_last_step_is_terminated() -> None:
    length, terminated, truncated = fallen(500)
    assert (terminated, truncated) == (True, False)
    assert fallen(length) == (length, True, False)
    assert fallen(length - 1) == (length - 1, False, True)
    # Cut off by the pool itself it would count as truncated.
    from envpool import make_gymnasium

    seed = [int(generators(0)[0].integers(2**31))]
    left_to_it = make_gymnasium("CartPole-v1", num_envs=1, seed=seed, max_episode_steps=length)
    left_to_it.reset()
    ends = [left_to_it.step(np.array([1]))[2:4] for _ in range(length)][-1]
    assert [bool(end[0]) for end in ends] == [False, True]


@NEEDS_ENVPOOL
@pytest.mark.parametrize("env_id", ["CartPole-v1", "BipedalWalker-v3"])
def test_the_bits_depend_on_the_seed_alone(env_id: str) -> None:
    actions: np.ndarray = np.random.default_rng(0).integers(2, size=(120, 3))
    if env_id == "BipedalWalker-v3":
        actions = np.random.default_rng(0).uniform(-1, 1, (120, 3, 4)).astype(np.float32)
    found = []
    for seeds, threads in (((7, 8, 9), 1), ((7, 8, 9), 1), ((7, 8, 9), 3), ((7, 8, 10), 1)):
        with pool(env_id, 40, seeds, threads) as env:
            found.append(play(env, actions))
    assert same(found[0], found[1])
    assert same(found[0], found[2])
    assert not same(found[0], found[3])
    with pool(env_id, 40, (7,)) as env:
        alone = play(env, actions[:, :1])
    steps = [entry for entry in found[0] if entry.shape[:1] == (3,) and entry.ndim == 2]
    shown = [entry for entry in alone if entry.shape[:1] == (1,) and entry.ndim == 2]
    assert all(map(np.array_equal, [entry[:1] for entry in steps], shown))


@NEEDS_ENVPOOL
def test_what_happens_in_one_environment_has_no_influence_on_another() -> None:
    actions = np.random.default_rng(0).integers(2, size=(80, 2))
    other = actions.copy()
    other[:, 0] = 1 - other[:, 0]
    seen = []
    for chosen in (actions, other):
        with pool("CartPole-v1", 500, (1, 2)) as env:
            seen.append([env.observations.copy() for action in chosen if env.step(action)])
    first, second = np.array(seen[0]), np.array(seen[1])
    assert not np.array_equal(first[:, 0], second[:, 0])
    assert np.array_equal(first[:, 1], second[:, 1])


@NEEDS_ENVPOOL
def test_only_active_environments_are_stepped_and_none_of_them_is_reset() -> None:
    with pool("CartPole-v1", 2) as env:
        before = env.observations.copy()
        env.step(np.ones(3, int), active=[0, 2])
        assert np.array_equal(env.observations[1], before[1])
        step, episodes = env.step(np.ones(3, int), active=[0, 2])
        assert sorted(step.last_observations) == [0, 2]
        assert [episode.env for episode in episodes] == [0, 2]
        assert step.rewards.tolist() == [1.0, 0.0, 1.0]
        assert np.array_equal(step.last_observations[2], env.observations[2])
        last = env.observations.copy()
        step, _ = env.step(np.ones(3, int), active=[1])
        assert np.array_equal(env.observations[[0, 2]], last[[0, 2]])
        env.reset()
        assert np.abs(env.observations).max() <= 0.05
        assert env.step(np.ones(3, int))[0].last_observations == {}


@NEEDS_ENVPOOL
def test_what_is_not_finite_is_named() -> None:
    with (
        pool("Pendulum-v1", 200) as env,
        pytest.raises(NonFiniteError, match=r"of Pendulum-v1 are not finite at index \[1"),
    ):
        env.step(np.array([[0.0], [np.nan], [0.0]], np.float32))


@NEEDS_ENVPOOL
def test_its_threads_end_with_it() -> None:
    def threads() -> int:
        return len(list(Path("/proc/self/task").iterdir()))

    before = threads()
    with pool("CartPole-v1", 500, threads=3):
        assert threads() >= before + 3
    assert threads() == before


def refusal(*overrides: str) -> str:
    """Return the one line in which building the environment is refused."""
    with pytest.raises(SettingsError) as caught:
        build_environment(settings_of(*overrides))
    message = str(caught.value)
    assert "\n" not in message
    return message


@NEEDS_ENVPOOL
@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (("env=any", "env.id=TestBandit-v0"), "has no environment TestBandit-v0"),
        (("env=any", "env.id=FrozenLake-v1"), "has FrozenLake-v1 with other observations"),
        (("env=pendulum", "+env.kwargs.g=9.81"), "env.kwargs.g=9.81 has no effect with env.backe"),
    ],
)
def test_what_the_pool_has_not_or_has_otherwise_is_refused(
    overrides: tuple[str, ...], reason: str
) -> None:
    message = refusal(*overrides, "env.backend=envpool")
    assert reason in message
    assert message.endswith("set env.backend=gymnasium")


def test_where_it_is_not_installed_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "envpool", None)
    message = refusal("env=pendulum", "env.backend=envpool")
    assert "needs the package envpool" in message
    assert "pip install -e '.[envpool]'" in message


def test_threads_without_a_pool_are_refused() -> None:
    message = refusal("env=pendulum", "env.pool_threads=2")
    assert message.startswith("env.pool_threads=2 has no effect with env.backend=gymnasium")


@NEEDS_ENVPOOL
def test_kwargs_may_limit_the_episodes() -> None:
    environment = environment_of(
        "env=pendulum", "env.backend=envpool", "+env.kwargs.max_episode_steps=3"
    )
    with environment.training_batch(generators(0)) as env:
        env.reset()
        ends = [bool(env.step(np.zeros((1, 1), np.float32))[0].truncated[0]) for _ in range(6)]
    assert ends == [False, False, True, False, False, True]
