"""A run that was stopped anywhere goes on as if it had not been."""

import shutil
from functools import cache
from pathlib import Path

import pytest
import torch

from composing import NEEDS_ENVPOOL, SMALL, Run, equal, run_from, settings_of
from gausspg.training import checkpoints
from gausspg.training.settings import Settings

SHORT = (
    *SMALL,
    "learner.rollout_steps=4",
    "steps=128",
    "checkpoint_interval=64",
    "evaluation.interval=48",
    "evaluation.episodes=1",
    "evaluation.final_episodes=2",
)
# Some end in every segment, and evaluations take no longer than the training.
BRIEF = "+env.kwargs.max_episode_steps=6"
REPLAY = ("learner=replay", "learner.warmup_steps=8", "learner.minibatch_rows=8")
KINDS = [
    ("env=pendulum", "variance=learned", "learner.epochs=2", BRIEF),
    ("env=cartpole", "learner.epochs=2"),
    ("env=lunar_lander_continuous", "variance=full", "squash=tanh", BRIEF),
    ("env=bipedal_walker", "variance=learned_global", BRIEF),
    pytest.param(("env=bipedal_walker", "env.backend=envpool", BRIEF), marks=NEEDS_ENVPOOL),
    ("env=pendulum_torch", "estimator=reparameterised", "learner=on_policy",
     "estimator.through=dynamics", "estimator.horizon=2", "evaluation.interval=96"),
    ("env=pendulum", *REPLAY, BRIEF),
    ("env=pendulum", "estimator=reparameterised", *REPLAY[1:], "learner.updates_per_step=0.37",
     BRIEF),
    ("diagnostics=gradients", "env=pendulum", *REPLAY, "diagnostics.interval=3", BRIEF),
    ("diagnostics=gradients", "env=pendulum", "learner.critic=action_value", "learner.epochs=1",
     "diagnostics.interval=3", BRIEF),
]  # fmt: skip

Record = list[tuple[int, dict[str, float]]]


def timeless(record: Record) -> Record:
    return [
        (step, {name: value for name, value in metrics.items() if not name.startswith("time/")})
        for step, metrics in record
    ]


@cache
def settings(words: tuple[str, ...]) -> Settings:
    return settings_of(*SHORT, *words)


def untrained(words: tuple[str, ...]) -> Run:
    return run_from(settings(words))


def stopped(folder: Path, after: int, words: tuple[str, ...]) -> None:
    """Train until `after` pairs have been points, and go no further."""
    run = untrained(words).trainer(folder).run()
    for _ in range(after):
        next(run)


def resumed(folder: Path, words: tuple[str, ...]) -> tuple[Run, int, Record]:
    """Return the run that went on, the number of pairs it left out, and the rest of them."""
    run = untrained(words)
    trainer = run.trainer(folder)
    trainer.resume()
    points = trainer.points
    return run, points, list(trainer.run())


def content(folder: Path) -> tuple[tuple[str, bytes], ...]:
    return tuple((path.name, path.read_bytes()) for path in sorted(folder.iterdir()))


@pytest.mark.parametrize("words", KINDS, ids=lambda words: " ".join(words[:2]))
def test_stopped_anywhere_it_goes_on_to_the_same_bits(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    whole, record, left = untrained(words), [], {}
    for pair in whole.trainer(tmp_path / "whole").run():
        record.append(pair)
        # What one that is killed at this moment would leave; the same files go on in the same way.
        found = content(tmp_path / "whole")
        if found not in left:
            left[found] = shutil.copytree(tmp_path / "whole", tmp_path / str(len(record)))
    final, best = (checkpoints.load(tmp_path / "whole" / name) for name in ("final.pt", "best.pt"))
    assert len(left) > 3, "before and after checkpoints and evaluations, and at the end"
    for folder in left.values():
        run, points, rest = resumed(folder, words)
        assert points <= int(folder.name)
        assert timeless(rest) == timeless(record[points:])
        assert equal(run.learner.state_dict(), whole.learner.state_dict())
        assert equal(checkpoints.load(folder / "final.pt"), final)
        assert equal(checkpoints.load(folder / "best.pt"), best)


def test_without_the_learners_state_it_would_not(tmp_path: Path) -> None:
    words = KINDS[0]
    record = list(untrained(words).trainer(tmp_path / "whole").run())
    stopped(tmp_path / "cut", 6, words)
    path = tmp_path / "cut" / "checkpoint.pt"
    state = checkpoints.load(path)
    moments = state["learner"]["optimiser"]["state"][0]
    moments["exp_avg"] = torch.zeros_like(moments["exp_avg"])
    checkpoints.save(path, state)
    _, points, rest = resumed(tmp_path / "cut", words)
    assert timeless(rest) != timeless(record[points:])


@pytest.mark.parametrize("damage", ["truncated", "missing", "empty"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(damage: str, tmp_path: Path) -> None:
    words = KINDS[0]
    record = list(untrained(words).trainer(tmp_path / "whole").run())
    stopped(tmp_path / "cut", 9, words)
    path = tmp_path / "cut" / "checkpoint.pt"
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content[: len(content) // 2 if damage == "truncated" else 0])
    run = untrained(words)
    trainer = run.trainer(tmp_path / "cut")
    problem = trainer.resume()
    assert problem is not None
    assert problem.startswith("checkpoint.pt: ")
    assert "\n" not in problem
    assert trainer.step == 64, "the last was of step 128"
    points = trainer.points
    assert timeless(list(trainer.run())) == timeless(record[points:])


def test_only_the_last_two_are_kept(tmp_path: Path) -> None:
    list(untrained(KINDS[0]).trainer(tmp_path).run())
    kept = sorted(path.name for path in tmp_path.glob("checkpoint*"))
    assert kept == ["checkpoint.previous.pt", "checkpoint.pt"]
    steps = [checkpoints.load(tmp_path / name)["step"] for name in kept]
    assert steps == [64, 128]


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path: Path) -> None:
    words = KINDS[0]
    next(untrained(words).trainer(tmp_path, "one").run())
    with pytest.raises(ValueError, match=r"is of another configuration.*existing=rerun"):
        untrained(words).trainer(tmp_path, "other").resume()


def test_nothing_to_resume_from_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no checkpoint in .* can be read") as caught:
        untrained(KINDS[0]).trainer(tmp_path).resume()
    assert "\n" not in str(caught.value)
