"""Which environments clip actions themselves, found out by stepping each twice."""

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box

from composing import CONF, SMALL, equal, run_of

ENVIRONMENTS = sorted(path.stem for path in (CONF / "env").glob("*.yaml") if path.stem != "any")
BEYOND = np.array([1.0, -1.0, 1.7, -2.5, 30.0, -4.0])


def _environment(word):
    if word in ("half_cheetah", "hopper", "walker2d"):
        pytest.importorskip("mujoco")
    return run_of(f"env={word}", *SMALL).environment


def _outcome(environment, factors, clip):
    """Step one environment with these multiples of its bounds; return all it answers."""
    env = environment.make()
    low, high = env.action_space.low, env.action_space.high
    answers = [env.reset(seed=3)[0]]
    for k, factor in enumerate(np.resize(factors, 40)):
        action = np.where(np.arange(len(low)) % 2 == k % 2, factor, 0.6 * factor) * high
        action = action.astype(low.dtype)
        answer = env.step(np.clip(action, low, high) if clip else action)
        answers += [answer[0], np.float64(answer[1]), np.bool_(answer[2])]
    env.close()
    return answers


@pytest.mark.parametrize("word", ENVIRONMENTS)
def test_the_setting_says_what_the_environment_does(word):
    environment = _environment(word)
    if not isinstance(environment.make().action_space, Box):
        assert not environment.clips_actions
        return
    if not np.isfinite(environment.actions.high).all():
        assert not environment.clips_actions
        return
    pairs = zip(*(_outcome(environment, BEYOND, clip) for clip in (False, True)), strict=True)
    same = all(np.array_equal(one, other) for one, other in pairs)
    assert same == environment.clips_actions


@pytest.mark.parametrize("env", ["pendulum", "lunar_lander_continuous", "bipedal_walker"])
def test_there_none_and_clip_are_one_run_on_policy_to_the_bit(env):
    words = (f"env={env}", "variance.initial_std=1.5", *SMALL, "learner.rollout_steps=40",
             "learner.epochs=2")  # fmt: skip
    parameters = []
    for squash in ("none", "clip", "tanh"):
        run = run_of(*words, f"squash={squash}")
        run.iterate(2)
        parameters.append(run.policy.state_dict())
    trained = [{k: v for k, v in one.items() if "squash" not in k} for one in parameters]
    assert equal(trained[0], trained[1])
    assert not torch.equal(trained[0]["mean.weight"], trained[2]["mean.weight"])
