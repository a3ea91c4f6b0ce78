"""Quick numbers are NumPy's own bits, and no environment is touched but the one that is given."""

import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.box2d import bipedal_walker

from gausspg.envs.quick_numbers import absolute, clip, quicken

EDGES = [0.0, -0.0, 1.0, -1.0, 0.1, 0.3, 8.0, 1e-45, -1e-45, np.inf, -np.inf, np.nan]
BOUNDS = [(0, 1), (-1, 1), (0.0, 1.0), (-8.0, 8.0), (0.1, 0.3), (1, 0), (0.5, 0.5), (-0.0, 0.0)]
CLIPPING = ["BipedalWalker-v3", "BipedalWalkerHardcore-v3", "LunarLanderContinuous-v3"]


def same(ours: Any, theirs: Any) -> bool:
    return type(ours) is type(theirs) and ours.tobytes() == theirs.tobytes()


@pytest.mark.parametrize("bounds", BOUNDS, ids=str)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_numbers_are_clipped_to_the_bit_and_type_of_numpy(kind: type, bounds: Any) -> None:
    numbers = [*EDGES, *bounds, *np.random.default_rng(0).normal(0, 2, 200).tolist()]
    for number in map(kind, numbers):
        assert same(clip(number, *bounds), np.clip(number, *bounds)), (number, bounds)
        assert same(absolute(number), np.abs(number)), number


def test_whatever_is_not_a_number_between_plain_bounds_is_numpy_s_affair() -> None:
    array = np.array([-3, 0.5, 3], np.float32)
    assert same(clip(array, -1, 1), np.clip(array, -1, 1))
    # A bound of NumPy widens the number, one of Python does not.
    assert same(clip(np.float32(5), np.float64(0), np.float64(0.1)), np.float64(0.1))
    assert same(clip(np.float32(5), 0, 0.1), np.float32(0.1))
    assert same(clip(np.float32(5), max=1, min=0), np.float32(1))
    with pytest.raises(TypeError, match="bogus"):
        clip(np.float32(5), 0, 1, bogus=2)
    assert same(absolute(array), np.abs(array))
    assert same(absolute(np.float32(-5), dtype=np.float64), np.float64(5))


def trajectory(env: gym.Env[Any, Any], steps: int) -> list[Any]:
    """Bits of everything an environment tells, with actions within and beyond its bounds."""
    rng = np.random.default_rng(1)
    told: list[Any] = [env.reset(seed=3)[0].tobytes()]
    for _ in range(steps):
        action = rng.normal(0, 1, env.action_space.shape).astype(np.float32)
        observation, reward, terminated, truncated, _ = env.step(action)
        told += [observation.tobytes(), np.array(reward).tobytes(), terminated, truncated]
        if terminated or truncated:
            break
    return told


@pytest.mark.parametrize("env_id", [*CLIPPING, "Pendulum-v1"])
def test_quick_and_untouched_environments_go_the_same_way(env_id: str) -> None:
    quick, untouched = gym.make(env_id), gym.make(env_id)
    quicken(quick)
    assert type(quick.unwrapped) is not type(untouched.unwrapped)
    assert trajectory(quick, 200) == trajectory(untouched, 200)


def test_the_step_of_a_quick_walker_no_longer_asks_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[Any]()
    quick, untouched = gym.make("BipedalWalker-v3"), gym.make("BipedalWalker-v3")
    quicken(quick)

    def counted(*arguments: Any, **keywords: Any) -> Any:
        asked.append(arguments)
        return np.clip(*arguments, **keywords)

    # The passive checker clips nothing; the module's own name is what the untouched one looks up.
    monkeypatch.setattr(bipedal_walker, "np", NumpyWith(counted))
    for env, calls in ((untouched, 8), (quick, 0)):
        env.reset(seed=0)
        asked.clear()
        env.step(np.array([0.5, -0.3, 0.2, 0.9], np.float32))
        assert len(asked) == calls


class NumpyWith:
    def __init__(self, clip: Any) -> None:
        self.clip = clip

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


def test_gymnasium_itself_stays_as_it_is() -> None:
    env = gym.make("BipedalWalker-v3")
    quicken(env)
    assert bipedal_walker.np is np
    assert type(gym.make("BipedalWalker-v3").unwrapped) is bipedal_walker.BipedalWalker
    assert isinstance(env.unwrapped, bipedal_walker.BipedalWalker)
    once = type(env.unwrapped)
    quicken(env)
    assert type(env.unwrapped) is once
    env.reset(seed=0)
    env.step(np.zeros(4, np.float32))


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Acrobot-v1"])
def test_a_step_that_clips_nothing_is_left_alone(env_id: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        env = gym.make(env_id)
    kind = type(env.unwrapped)
    quicken(env)
    assert type(env.unwrapped) is kind
