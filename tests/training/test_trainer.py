"""Whole runs, small enough to take a second: metrics, bits, checkpoints, and how they stop."""

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from composing import SMALL, Run, equal, run_of, tiny
from gausspg.envs.batch import NonFiniteError
from gausspg.envs.evaluation import evaluate
from gausspg.envs.rollout import Rollout
from gausspg.learners import on_policy
from gausspg.training import checkpoints

# 16 steps an iteration, 4 iterations a segment, 3 segments.
SHORT = (
    *SMALL,
    "learner.rollout_steps=4",
    "steps=192",
    "checkpoint_interval=64",
    "evaluation.interval=96",
    "evaluation.episodes=2",
    "evaluation.final_episodes=3",
)
NAMESPACES = {"train", "eval", "policy", "gradient", "critic", "time"}
REPLAY = ("learner=replay", "learner.warmup_steps=8", "learner.minibatch_rows=8")
KINDS = [
    ("env=pendulum", "learner.epochs=2"),
    ("env=cartpole", "learner.epochs=2"),
    ("env=pendulum", *REPLAY),
    ("env=cartpole", *REPLAY),
]

Record = list[tuple[int, dict[str, float]]]


def train(folder: Path, *words: str) -> tuple[Run, Record]:
    run = run_of(*SHORT, *words)
    return run, list(run.trainer(folder).run())


def timeless(record: Record) -> Record:
    return [
        (step, {name: value for name, value in metrics.items() if not name.startswith("time/")})
        for step, metrics in record
    ]


@pytest.mark.parametrize("words", KINDS, ids=" ".join)
def test_every_metric_lies_in_a_namespace_and_is_finite(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    _, record = train(tmp_path, *words)
    names = {name for _, metrics in record for name in metrics}
    assert {name.partition("/")[0] for name in names} == NAMESPACES
    assert all(np.isfinite(value) for _, metrics in record for value in metrics.values())
    assert all(type(value) is float for _, metrics in record for value in metrics.values())


def test_steps_and_evaluations_come_when_they_are_due(tmp_path: Path) -> None:
    _, record = train(tmp_path, "env=cartpole")
    assert [step for step, _ in record] == [*range(16, 193, 16), 192]
    during, final = "eval/deterministic_return_mean", "eval/final_stochastic_return_mean"
    assert [step for step, metrics in record if during in metrics] == [96, 192]
    assert [final in metrics for _, metrics in record] == [False] * 12 + [True]
    shares = [metrics["time/env_share"] for _, metrics in record[:-1]]
    assert all(0.0 < share < 1.0 for share in shares)


def test_the_learning_rate_falls_over_the_budget(tmp_path: Path) -> None:
    _, record = train(tmp_path, "env=cartpole", "learner.lr=0.012")
    rates = [metrics["train/learning_rate"] for _, metrics in record[:-1]]
    assert rates == pytest.approx([0.012 - 0.001 * iteration for iteration in range(12)])


@pytest.mark.parametrize("words", KINDS, ids=" ".join)
def test_the_same_seed_gives_the_same_bits_and_another_does_not(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    one, first = train(tmp_path / "1", *words, "seed=3")
    torch.manual_seed(1234)
    two, second = train(tmp_path / "2", *words, "seed=3")
    other, third = train(tmp_path / "3", *words, "seed=4")
    assert timeless(first) == timeless(second)
    assert timeless(first) != timeless(third)
    assert equal(dict(one.policy.state_dict()), dict(two.policy.state_dict()))
    assert equal(one.learner.state_dict(), two.learner.state_dict())
    assert not equal(dict(one.policy.state_dict()), dict(other.policy.state_dict()))


def first_rollouts(monkeypatch: pytest.MonkeyPatch, number: int, *words: str) -> list[Any]:
    """Return the first rollouts of a run, each with the noise behind its latents."""
    seen: list[Any] = []
    collect = on_policy.collect_steps

    def spying(env: Any, policy: Any, noise: torch.Tensor) -> Rollout:
        rollout = collect(env, policy, noise)
        with torch.no_grad():
            normal = policy(policy.normaliser(rollout.observations)).normal
            seen.append((rollout, normal.whiten(rollout.latents)))
        return rollout

    with monkeypatch.context() as patch:
        patch.setattr(on_policy, "collect_steps", spying)
        run_of(*SHORT, "env=pendulum", *words).iterate(number)
    return seen


def test_cells_with_the_same_seed_see_the_same_environments_and_noise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = {
        "fixed": ("variance=fixed", "variance.initial_std=0.2"),
        "learned": ("variance=learned", "squash=tanh"),
        "learned_global": ("variance=learned_global",),
    }
    cells = {word: first_rollouts(monkeypatch, 2, *cell) for word, cell in words.items()}
    reference, other = cells["fixed"], first_rollouts(monkeypatch, 2, *words["fixed"], "seed=1")
    for cell in (cells["learned"], cells["learned_global"]):
        assert torch.equal(cell[0][0].observations[0], reference[0][0].observations[0])
        for (rollout, noise), (expected_rollout, expected) in zip(cell, reference, strict=True):
            torch.testing.assert_close(noise, expected, rtol=1e-4, atol=1e-4)
            assert not torch.allclose(rollout.latents, expected_rollout.latents, atol=1e-2)
    assert not torch.equal(other[0][0].observations[0], reference[0][0].observations[0])
    assert not torch.allclose(other[0][1], reference[0][1], atol=1e-2)
    assert not torch.allclose(reference[0][1], reference[1][1], atol=1e-2)


def test_cells_with_the_same_seed_start_from_the_same_mean() -> None:
    runs = [run_of(*SHORT, "env=pendulum", f"variance={w}") for w in ("fixed", "learned")]
    for key in ("trunk.0.weight", "mean.weight"):
        one, other = (run.policy.state_dict()[key] for run in runs)
        assert torch.equal(one, other)


def test_a_checkpoint_is_written_at_every_interval_and_holds_the_state(tmp_path: Path) -> None:
    run = run_of(*SHORT, "env=pendulum")
    steps = []
    state: Any = None
    for step, _ in run.trainer(tmp_path).run():
        checkpoint = checkpoints.load(tmp_path / "checkpoint.pt")
        steps.append(checkpoint["step"])
        if step == 80:
            state = checkpoint
        if step == 64:
            before = {
                "policy": {key: value.clone() for key, value in run.policy.state_dict().items()},
                "optimiser": [p.clone() for p in moments(run)],
            }
    assert steps == [0] * 4 + [64] * 4 + [128] * 4 + [192]
    assert (state["step"], state["iteration"], state["segment"]) == (64, 4, 1)
    fresh = run_of(*SHORT, "env=pendulum", "seed=9")
    assert not equal(dict(fresh.policy.state_dict()), before["policy"])
    fresh.policy.load_state_dict(state["policy"])
    fresh.learner.load_state_dict(state["learner"])
    assert equal(dict(fresh.policy.state_dict()), before["policy"])
    assert equal(moments(fresh), before["optimiser"])
    assert equal(fresh.learner.state_dict(), state["learner"])


def moments(run: Run) -> list[torch.Tensor]:
    """Return Adam's moving averages."""
    state = run.learner.state_dict()["optimiser"]["state"]
    return [state[index][key] for index in sorted(state) for key in ("exp_avg", "exp_avg_sq")]


def test_every_segment_has_environments_of_its_own_whatever_the_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []
    collect = on_policy.collect_steps

    def spying(env: Any, policy: Any, noise: torch.Tensor) -> Rollout:
        seen.append(torch.from_numpy(env.observations.copy()))
        return collect(env, policy, noise)

    monkeypatch.setattr(on_policy, "collect_steps", spying)
    for word in ("fixed", "learned"):
        train(tmp_path / word, "env=pendulum", f"variance={word}")
    first, second = seen[:12], seen[12:]
    starts = (0, 4, 8)
    assert [torch.equal(first[t], second[t]) for t in range(12)] == [t in starts for t in range(12)]
    assert len({tuple(first[t].flatten().tolist()) for t in starts}) == 3


def test_the_checkpoint_interval_is_part_of_what_identifies_a_run(tmp_path: Path) -> None:
    _, first = train(tmp_path / "1", "env=pendulum")
    _, second = train(tmp_path / "2", "env=pendulum", "checkpoint_interval=128")
    assert timeless(first)[:4] == timeless(second)[:4]
    assert timeless(first)[4] != timeless(second)[4]


def test_final_and_best_policies_are_kept(tmp_path: Path) -> None:
    run, record = train(tmp_path, "env=pendulum")
    final = checkpoints.load(tmp_path / "final.pt")
    assert equal(final["state_dict"], dict(run.policy.state_dict()))
    assert final["spec"] == run.spec
    during = next(m["eval/deterministic_return_mean"] for s, m in record if s == 96)
    last = record[-1][1]["eval/deterministic_return_mean"]
    best = checkpoints.load(tmp_path / "best.pt")
    assert equal(best["state_dict"], final["state_dict"]) == (last > during)


BROKEN = ("steps=64", "checkpoint_interval=16", "learner.rollout_steps=2", "+env.kwargs.length=3")
PLACES = {"observation": "observations of", "reward": "rewards of"}


@pytest.mark.parametrize("faulty", PLACES)
def test_nan_in_the_middle_ends_the_run_and_keeps_the_checkpoint(
    faulty: str, tmp_path: Path
) -> None:
    words = (*BROKEN, f"+env.kwargs.faulty={faulty}", "+env.kwargs.after=3")
    # A segment of 2 iterations takes 4 steps in each environment and then makes new ones.
    run = tiny("Clockwork", *words)
    with pytest.raises(NonFiniteError) as caught:
        list(run.trainer(tmp_path).run())
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"after step 8: {PLACES[faulty]} TestClockwork-v0 are not finite")
    assert "state of step 0 is kept in checkpoint.pt" in message
    assert checkpoints.load(tmp_path / "checkpoint.pt")["step"] == 0


def test_a_gradient_that_is_not_finite_ends_the_run_at_the_last_checkpoint(tmp_path: Path) -> None:
    run = tiny("Clockwork", *BROKEN)
    with pytest.raises(NonFiniteError) as caught:
        for step, _ in run.trainer(tmp_path).run():
            if step == 24:
                kept = {key: value.clone() for key, value in run.policy.state_dict().items()}
                run.policy.mean.bias.register_hook(lambda grad: grad * np.nan)
    expected = r"after step 24: gradient of the policy is not finite (mean.bias); the run stops, "
    assert str(caught.value) == expected + "the state of step 16 is kept in checkpoint.pt"
    state = checkpoints.load(tmp_path / "checkpoint.pt")
    assert state["step"] == 16
    assert equal(dict(run.policy.state_dict()), kept), "the bad gradient was not applied"


def test_nan_in_an_evaluation_ends_the_run_likewise(tmp_path: Path) -> None:
    words = ("+env.kwargs.faulty=observation", "+env.kwargs.after=2", "evaluation.episodes=2")
    run = tiny("Clockwork", "steps=8", "learner.rollout_steps=2", "+env.kwargs.length=3", *words)
    with pytest.raises(NonFiniteError, match=r"after step 8: .* is kept in checkpoint\.pt"):
        list(run.trainer(tmp_path).run())
    assert checkpoints.load(tmp_path / "checkpoint.pt")["step"] == 8


def test_a_full_disk_leaves_the_previous_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    run = tiny("Clockwork", *BROKEN)
    with pytest.raises(OSError, match=r"checkpoint\.pt could not be written"):
        for step, _ in run.trainer(tmp_path).run():
            if step == 24:
                monkeypatch.setattr(os, "fsync", full)
    assert checkpoints.load(tmp_path / "checkpoint.pt")["step"] == 16
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("steps", [64, 70, 100])
def test_a_run_ends_with_its_budget(tmp_path: Path, steps: int) -> None:
    run = run_of(
        "env=pendulum", *SMALL, "learner.rollout_steps=8", f"steps={steps}",
        "evaluation.episodes=1", "evaluation.final_episodes=1",
    )  # fmt: skip
    trainer = run.trainer(tmp_path)
    for _ in trainer.run():
        pass
    # Four environments are stepped together.
    assert steps <= trainer.step < steps + 4


def test_the_final_episodes_are_kept_and_are_those_of_the_metrics(tmp_path: Path) -> None:
    _, record = train(tmp_path, "env=pendulum")
    episodes = pd.read_csv(tmp_path / "episodes.csv")
    assert list(episodes.columns) == ["policy", "noise", "episode", "return", "length"]
    assert len(episodes) == 2 * 2 * 3
    for (policy, noise), group in episodes.groupby(["policy", "noise"]):
        name = f"eval/{policy}_{noise}"
        assert group["return"].mean() == pytest.approx(record[-1][1][f"{name}_return_mean"])
        assert group["length"].mean() == record[-1][1][f"{name}_length_mean"] == 200
        assert group["episode"].tolist() == [0, 1, 2]


def test_cells_of_one_seed_are_evaluated_on_the_same_episodes_and_seeds_on_others(
    tmp_path: Path,
) -> None:
    """A policy that does nothing earns what its start states earn."""
    still = ("env=pendulum", "steps=16", "policy.hidden=[]", "learner.lr=1e-12")
    earned = {}
    for cell, seed in (("fixed", 0), ("learned", 0), ("fixed", 1)):
        train(tmp_path / f"{cell}{seed}", *still, f"variance={cell}", f"seed={seed}")
        episodes = pd.read_csv(tmp_path / f"{cell}{seed}" / "episodes.csv")
        earned[cell, seed] = episodes.query("policy == 'final' and noise == 'deterministic'")
    same = earned["fixed", 0]["return"].to_numpy()
    np.testing.assert_allclose(earned["learned", 0]["return"], same, rtol=0.05)
    assert np.abs(earned["fixed", 1]["return"].to_numpy() / same - 1.0).max() > 0.4


def test_evaluations_during_training_and_at_the_end_share_no_episode(tmp_path: Path) -> None:
    run = run_of("env=pendulum", *SHORT)
    first, last = (run.streams.integer(name) for name in ("evaluation", "final_evaluation"))
    returns = [
        evaluate(run.policy, run.environment, seed, 3, True).returns for seed in (first, last)
    ]
    assert not set(returns[0]) & set(returns[1])


def test_seconds_are_measured_at_the_end(tmp_path: Path) -> None:
    _, record = train(tmp_path, "env=cartpole")
    assert 0.0 < record[-1][1]["time/cpu_seconds"] < 60.0
    assert record[-1][1]["time/wall_seconds"] > 0.0
    assert not any("time/cpu_seconds" in metrics for _, metrics in record[:-1])


@pytest.mark.parametrize("seed", range(4))
def test_the_best_policy_is_reported_as_it_evaluates(tmp_path: Path, seed: int) -> None:
    run, record = train(tmp_path, "env=pendulum", f"seed={seed}")
    run.policy.load_state_dict(checkpoints.load(tmp_path / "best.pt")["state_dict"])
    evaluation = run.settings.evaluation
    for name, deterministic in (("deterministic", True), ("stochastic", False)):
        again = evaluate(
            run.policy, run.environment, run.streams.integer("final_evaluation"),
            evaluation.final_episodes,
            deterministic,
        )  # fmt: skip
        expected = again.metrics(f"eval/best_{name}")
        assert {key: record[-1][1][key] for key in expected} == expected
