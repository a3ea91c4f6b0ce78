"""Environments with any bounds can be learned: u means the same on all of them."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from composing import run_of

TRAINED = ("env=any", "env.rebuild_at_reset=false", "env.num_envs=8", "steps=8000",
           "learner.rollout_steps=64", "learner.minibatch_rows=128", "learner.lr=3e-3")  # fmt: skip


class Target(gym.Env):
    """20 steps of reward -((a - target) / unit)^2 in a Box from `low` to `high`."""

    def __init__(
        self, low: float, high: float, target: float, unit: float, render_mode: str | None = None
    ) -> None:
        self.observation_space = gym.spaces.Box(0.0, 1.0, (1,), np.float32)
        self.action_space = gym.spaces.Box(low, high, (1,), np.float32)
        self._target, self._unit, self._time = target, unit, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self._time = 0
        return np.ones(1, np.float32), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        assert self.action_space.contains(action), f"{action} lies outside"
        self._time += 1
        reward = -(((float(action[0]) - self._target) / self._unit) ** 2)
        return np.ones(1, np.float32), reward, False, self._time >= 20, {}


gym.register("TestTarget-v0", Target)

BOUNDS = {
    "Box(5, 10)": ((5.0, 10.0, 8.0, 1.0), -15.0),
    "Box(0, 1000)": ((0.0, 1000.0, 600.0, 1000.0), -0.5),
}


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("squash", ["clip", "clip_mass", "tanh"])
def test_every_squash_that_bounds_learns_on_any_bounds(bounds, squash, tmp_path):
    (low, high, target, unit), asked = BOUNDS[bounds]
    kwargs = f"{{low:{low},high:{high},target:{target},unit:{unit}}}"
    run = run_of("env.id=TestTarget-v0", f"++env.kwargs={kwargs}", *TRAINED,
                 f"squash={squash}", "evaluation.final_episodes=10")  # fmt: skip
    *_, (_, last) = run.trainer(tmp_path).run()
    assert last["eval/final_stochastic_return_mean"] > asked
    assert last["eval/final_deterministic_return_mean"] > asked
