"""Rays that meet the ground alone find what rays through everything find, to the last bit."""

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.box2d import bipedal_walker

from gausspg.envs.quick_walker import GroundRays, quicken

WALKERS = ["BipedalWalker-v3", "BipedalWalkerHardcore-v3"]


def walk(env: gym.Env[Any, Any], seeds: range) -> Iterator[Any]:
    """Bits of everything a walker tells, of several episodes one after the other in one world."""
    for seed in seeds:
        observation, _ = env.reset(seed=seed)
        yield observation.tobytes()
        rng = np.random.default_rng(seed)
        phase = np.array([0.0, 1.0, 3.1, 4.1])
        for time in range(120):
            # Random actions fall within some steps; these paddle on.
            action = 0.8 * np.sin(time / 8 + phase) if seed % 2 else rng.normal(0, 0.7, 4)
            observation, reward, terminated, truncated, _ = env.step(action.astype(np.float32))
            yield observation.tobytes(), np.array(reward).tobytes(), terminated, truncated
            yield [tuple(ray.p2) for ray in env.unwrapped.lidar]  # type: ignore[attr-defined]
            if terminated or truncated:
                break


@pytest.mark.parametrize("env_id", WALKERS)
def test_a_quick_walker_sees_and_goes_what_an_untouched_one_does(env_id: str) -> None:
    quick, untouched = gym.make(env_id), gym.make(env_id)
    quicken(quick)
    told = list(walk(quick, range(8)))
    assert isinstance(quick.unwrapped.world, GroundRays)  # type: ignore[attr-defined]
    assert told == list(walk(untouched, range(8)))


def reports(env: gym.Env[Any, Any], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the category of every fixture that a step's rays report."""
    env.reset(seed=0)
    lidar = type(env.unwrapped.lidar[0])  # type: ignore[attr-defined]
    original, found = lidar.ReportFixture, list[int]()

    def counted(self: Any, fixture: Any, *where: Any) -> Any:
        found.append(fixture.filterData.categoryBits)
        return original(self, fixture, *where)

    monkeypatch.setattr(lidar, "ReportFixture", counted)
    env.step(np.zeros(4, np.float32))
    return found


def test_the_legs_are_no_longer_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    quick, untouched = gym.make("BipedalWalker-v3"), gym.make("BipedalWalker-v3")
    quicken(quick)
    all_of_them, ground = reports(untouched, monkeypatch), reports(quick, monkeypatch)
    assert set(ground) == {1} and set(all_of_them) == {1, 32}
    assert len(ground) == all_of_them.count(1) < len(all_of_them) / 2


def test_where_the_lidar_sees_what_moves_the_world_stays_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    env = gym.make("BipedalWalker-v3")
    quicken(env)
    with monkeypatch.context() as patch:
        patch.setattr(bipedal_walker.HULL_FD, "categoryBits", 1)
        env.reset(seed=0)
    assert not isinstance(env.unwrapped.world, GroundRays)  # type: ignore[attr-defined]
    env.reset(seed=0)
    assert isinstance(env.unwrapped.world, GroundRays)  # type: ignore[attr-defined]


class OwnStep(bipedal_walker.BipedalWalker):
    def step(self, action: Any) -> Any:
        return super().step(action)


@pytest.mark.parametrize("kind", [OwnStep, None])
def test_other_environments_stay_as_they_are(kind: type | None) -> None:
    env = gym.make("LunarLanderContinuous-v3") if kind is None else kind()
    before = type(env.unwrapped)
    quicken(env)
    assert type(env.unwrapped) is before


def test_gymnasium_s_own_class_stays_as_it_is() -> None:
    env = gym.make("BipedalWalker-v3")
    quicken(env)
    assert isinstance(env.unwrapped, bipedal_walker.BipedalWalker)
    once = type(env.unwrapped)
    quicken(env)
    assert type(env.unwrapped) is once is not bipedal_walker.BipedalWalker
    other = gym.make("BipedalWalker-v3")
    other.reset(seed=0)
    assert not isinstance(other.unwrapped.world, GroundRays)  # type: ignore[attr-defined]


def test_nothing_can_be_set_on_the_ground_by_mistake() -> None:
    env = gym.make("BipedalWalker-v3")
    quicken(env)
    env.reset(seed=0)
    with pytest.raises(AttributeError):
        env.unwrapped.world.contactListener = None  # type: ignore[attr-defined]
