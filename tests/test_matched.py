"""The matched comparisons differ in the estimator alone, in their settings and in what happens."""

from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from cli import ROOT, composed_here
from composing import run_from
from gausspg.training.settings import check

SWEEPS = sorted(path.stem for path in (ROOT / "sweeps").glob("estimator_matched*.yaml"))


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAUSSPG_ROOT", str(tmp_path))


@pytest.mark.parametrize("sweep", SWEEPS)
def test_pairs_of_a_seed_differ_in_the_estimator_alone(sweep: str) -> None:
    configs = sorted(
        (config for config, _ in composed_here(f"+sweep={sweep}", "seed=0,7")), key=seed_of
    )
    for _, of_one_seed in groupby(configs, key=seed_of):
        one, other = of_one_seed
        assert {key for key in one if one[key] != other[key]} == {"estimator"}


def test_they_share_everything_until_the_first_update(tmp_path: Path) -> None:
    histories = []
    for config, words in composed_here("+sweep=estimator_matched_smoke"):
        run = run_from(check(config))
        histories.append(list(run.trainer(tmp_path / words["estimator"]).run()))
    one, other = histories
    assert [step for step, _ in one] == [step for step, _ in other]
    assert one[-1][0] == 1024
    assert "eval/final_deterministic_return_mean" in one[-1][1]
    pairs = zip(one[:-1], other[:-1], strict=True)
    alike = [told_by_the_actions(a) == told_by_the_actions(b) for a, b in pairs]
    # Half of the steps come before the first update: the same actions, states and rewards.
    assert alike == [True, True, False, False]


def seed_of(config: dict[str, Any]) -> int:
    return int(config["seed"])


def told_by_the_actions(entry: tuple[int, dict[str, float]]) -> dict[str, float]:
    names = ("train/return_mean", "policy/std_mean", "policy/saturation")
    return {name: entry[1][name] for name in names if name in entry[1]}
