"""Two names of one run, told before a sweep begins, and the two runs that show it."""

from itertools import product
from typing import Any

import pytest
import torch

from composing import SMALL, run_of
from gausspg.sweeps.duplicates import warning

Job = tuple[dict[str, Any], dict[str, str]]


def job(squash: str, seed: int = 0, learner: str = "on_policy", clips: bool | None = True) -> Job:
    env = {"id": "Pendulum-v1"} | ({} if clips is None else {"clips_actions": clips})
    words = {"squash": squash, "learner": learner}
    return {"seed": seed, "env": env, "squash": {"_target_": squash}}, words


def with_q(squash: str, **nodes: dict[str, str]) -> Job:
    config, words = job(squash)
    return config | nodes, words


def labels(jobs: list[Job]) -> list[dict[str, object]]:
    return [{"squash": words["squash"], "seed": config["seed"]} for config, words in jobs]


def test_both_names_of_one_run_are_told() -> None:
    jobs = [job(squash, seed) for squash, seed in product(("none", "clip", "tanh"), (0, 1))]
    line = warning(jobs, labels(jobs))
    assert line is not None
    assert line.startswith("2 of 6 runs repeat others bit for bit: Pendulum-v1 clips")
    assert "\n" not in line


@pytest.mark.parametrize(
    "jobs",
    [
        [job("none"), job("tanh")],
        [job("none"), job("clip", seed=1)],
        [job("none", learner="replay"), job("clip", learner="replay")],
        [job("none", clips=False), job("clip", clips=False)],
        [job("none", clips=None), job("clip", clips=None)],
        [with_q(squash, learner={"critic": "action_value"}) for squash in ("none", "clip")],
        [with_q(squash, estimator={"weight": "action_value"}) for squash in ("none", "clip")],
        [with_q(squash, estimator={"through": "action_value"}) for squash in ("none", "clip")],
    ],
    ids=[
        "other squash",
        "other seed",
        "replay",
        "not clipped",
        "unknown",
        "critic",
        "weight",
        "through",
    ],
)
def test_different_runs_are_not(jobs: list[Job]) -> None:
    assert warning(jobs, labels(jobs)) is None


def trained(squash: str, *words: str) -> torch.Tensor:
    run = run_of("env=pendulum", f"squash={squash}", "learner.rollout_steps=8", *SMALL, *words)
    run.iterate(2)
    return torch.cat([one.flatten() for one in run.policy.parameters()])


def test_they_are_the_same_to_the_bit_and_tanh_is_not() -> None:
    weights = {squash: trained(squash) for squash in ("none", "clip", "tanh")}
    assert torch.equal(weights["none"], weights["clip"])
    assert not torch.equal(weights["none"], weights["tanh"])


def test_with_a_critic_of_actions_they_differ() -> None:
    with_critic = ("learner.critic=action_value", "variance.initial_std=1.5")
    assert not torch.equal(trained("none", *with_critic), trained("clip", *with_critic))
