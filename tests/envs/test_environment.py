"""Every environment of `conf/env/` can be made and trusted at reset; the others are refused."""

import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from composing import CONF, settings_of
from gausspg.envs.batch import BatchedEnv
from gausspg.envs.environment import Environment
from gausspg.policies.actions import BoxActions, DiscreteActions
from gausspg.training.build import SettingsError
from gausspg.training.factory import build_environment

WORDS = sorted(path.stem for path in (CONF / "env").glob("*.yaml"))
NAMED = [(f"env={word}",) for word in WORDS if word != "any"]
BY_ID = [
    ("env=any", "env.id=CartPole-v1"),
    ("env=any", "env.id=Acrobot-v1"),
    ("env=any", "env.id=MountainCarContinuous-v0"),
    ("env=any", "env.id=FrozenLake-v1"),
    ("env=any", "env.id=Blackjack-v1"),
    ("env=any", "env.id=TestOffset-v0"),
    ("env=any", "env.id=TestClockwork-v0", "+env.kwargs.length=3"),
]
EVERY = pytest.mark.parametrize("overrides", NAMED + BY_ID, ids=lambda words: words[-1])


@pytest.fixture(autouse=True)
def _away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MuJoCo leaves a log in the current directory."""
    monkeypatch.chdir(tmp_path)


class Seed:
    """Stands for a generator: every episode begins from the seed it is set to."""

    def __init__(self, value: int) -> None:
        self.value = value

    def integers(self, high: int) -> int:
        return self.value


def environment_of(*overrides: str) -> Environment:
    try:
        return build_environment(settings_of(*overrides))
    except SettingsError as error:
        if "mujoco" in str(error):
            pytest.skip(str(error))
        raise


def made(env_id: str, rebuild_at_reset: bool = False, **kwargs: Any) -> Environment:
    return Environment(
        env_id, 1, False, False, rebuild_at_reset, 0,
        clips_actions=False, kwargs=kwargs, max_episode_steps=None,
        backend="gymnasium", pool_threads=1,
    )  # fmt: skip


def actions_of(environment: Environment, steps: int, batch: int) -> np.ndarray:
    generator = np.random.default_rng(3)
    if isinstance(environment.actions, DiscreteActions):
        return generator.integers(environment.actions.number, size=(steps, batch))
    return generator.uniform(-1.0, 1.0, (steps, batch, len(environment.actions.low)))


def play(env: BatchedEnv, actions: np.ndarray) -> list[np.ndarray]:
    env.reset()
    seen = [env.observations.copy()]
    for action in actions:
        step, _ = env.step(action)
        seen += [env.observations.copy(), step.rewards, step.terminated, step.truncated]
    return seen


def play_fresh_and_used(environment: Environment, seed: int, steps: int) -> bool:
    """Play one episode in a new environment and in a used one; tell whether they are the same."""
    actions = actions_of(environment, steps, 2)
    with environment.batch([Seed(seed), Seed(seed + 1)]) as fresh:
        expected = play(fresh, actions)
    seeds = [Seed(100), Seed(200)]
    with environment.batch(seeds) as used:
        play(used, actions[::-1])
        seeds[0].value, seeds[1].value = seed, seed + 1
        found = play(used, actions)
    return all(np.array_equal(one, other) for one, other in zip(expected, found, strict=True))


@EVERY
def test_what_an_environment_declares_is_what_it_does(overrides: tuple[str, ...]) -> None:
    environment = environment_of(*overrides)
    with environment.batch([Seed(0)]) as env:
        seen = play(env, actions_of(environment, 5, 1))
    env = environment.make()
    native = env.action_space
    env.close()
    if isinstance(environment.actions, BoxActions):
        assert np.array_equal(environment.actions.low, native.low)
        assert np.array_equal(environment.actions.high, native.high)
    else:
        first, number = environment.actions.start, environment.actions.number
        assert [native.contains(a) for a in (first - 1, first, first + number - 1)] == [0, 1, 1]
        assert not native.contains(first + number)
    assert seen[0].shape == (1, environment.observation_dim)
    assert seen[0].dtype == np.float32


@EVERY
def test_an_episode_does_not_depend_on_what_the_environment_was_used_for(
    overrides: tuple[str, ...],
) -> None:
    assert play_fresh_and_used(environment_of(*overrides), seed=7, steps=60)


def test_bipedal_walker_without_rebuilding_is_not_deterministic_at_reset() -> None:
    kept = made("BipedalWalker-v3", rebuild_at_reset=False)
    rebuilt = made("BipedalWalker-v3", rebuild_at_reset=True)
    seed = next((seed for seed in range(30) if not play_fresh_and_used(kept, seed, 150)), None)
    assert seed is not None
    assert play_fresh_and_used(rebuilt, seed, 150)


def test_discrete_observations_are_one_hot() -> None:
    environment = made("FrozenLake-v1")
    with environment.batch([Seed(0)]) as env:
        env.reset()
        assert environment.observation_dim == 16
        assert env.observations.tolist() == [[1.0] + [0.0] * 15]


def test_kwargs_reach_the_environment() -> None:
    assert made("FrozenLake-v1", map_name="8x8").observation_dim == 64


class _Odd(gym.Env):
    def __init__(self, space: gym.Space) -> None:
        self.observation_space = gym.spaces.Box(-1.0, 1.0, (1,))
        self.action_space = space


ODD_SPACES = {
    "Dict": gym.spaces.Dict({"a": gym.spaces.Discrete(2)}),
    "MultiBinary": gym.spaces.MultiBinary(3),
    "MultiDiscrete": gym.spaces.MultiDiscrete([2, 3]),
    "Box": gym.spaces.Box(-1.0, 1.0, (2, 2)),
    "Tuple": gym.spaces.Tuple([gym.spaces.Discrete(2)]),
}
for _name, _space in ODD_SPACES.items():
    gym.register(f"TestOdd{_name}-v0", _Odd, kwargs={"space": _space})


def refusal(*overrides: str) -> str:
    """Return the one line in which building the environment is refused."""
    with pytest.raises(SettingsError) as caught:
        build_environment(settings_of("env=any", *overrides))
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", ODD_SPACES)
def test_an_action_space_without_a_policy_is_refused(name: str) -> None:
    message = refusal(f"env.id=TestOdd{name}-v0")
    assert f"env.id=TestOdd{name}-v0 has a {name} action space" in message
    assert ("of shape (2, 2)" in message) == (name == "Box")


@pytest.mark.filterwarnings("ignore:.*(out of date|deprecated):DeprecationWarning")
@pytest.mark.parametrize(
    ("env_id", "reason"),
    [
        ("Pendulumm-v1", "Did you mean"),
        ("LunarLander-v2", "LunarLander-v3"),
        ("Hopper-v3", "gymnasium-robotics"),
        ("no_such_module:Thing-v0", "no_such_module"),
    ],
)
def test_an_id_that_cannot_be_made_is_refused(env_id: str, reason: str) -> None:
    message = refusal(f"env.id={env_id}")
    assert message.startswith(f"env.id={env_id} cannot be made: ")
    assert reason in message


@pytest.mark.parametrize(
    ("env_id", "kwarg"),
    [("Pendulum-v1", "+env.kwargs.gravity=3"), ("FrozenLake-v1", "+env.kwargs.map_name=moon")],
)
def test_kwargs_that_do_not_fit_are_refused(env_id: str, kwarg: str) -> None:
    message = refusal(f"env.id={env_id}", kwarg)
    assert message.startswith("env.kwargs={")
    assert env_id in message


@pytest.mark.parametrize(
    ("package", "command"),
    [("mujoco", "pip install -e '.[mujoco]'"), ("jax", "pip install 'gymnasium[all]'")],
)
def test_a_missing_package_is_refused_with_the_command_that_installs_it(
    package: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(*_: Any, **__: Any) -> None:
        raise gym.error.DependencyNotInstalled(f"No module named '{package}'.\n(HINT: get it)")

    monkeypatch.setattr(gym, "make", make)
    monkeypatch.setitem(sys.modules, "mujoco", None)
    message = refusal("env.id=Hopper-v5")
    assert message.endswith(f"run {command}")
