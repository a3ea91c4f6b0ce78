"""`import gausspg`: what its functions return is what the command recorded."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gausspg
from cli import ROOT, WARNINGS, eventually
from composing import SMALL
from gausspg.sweeps.interface import _overrides
from gausspg.tracking import read_status

pytestmark = WARNINGS

TINY = (
    *SMALL, "env=pendulum", "learner.rollout_steps=4", "learner.epochs=1", "steps=96",
    "evaluation.interval=48", "evaluation.episodes=1", "evaluation.final_episodes=2",
    "video.frames=0",
)  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("interface")


@pytest.fixture(autouse=True)
def _elsewhere(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAUSSPG_ROOT", str(root))
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="module")
def sweep(root: Path) -> gausspg.Sweep:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAUSSPG_ROOT", str(root))
        patch.setenv("PYTHONPATH", str(ROOT / "src"))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return gausspg.sweep(*TINY, variance=["fixed", "learned"], seed=[0, 1], sweep_name="few")


def test_a_run_has_metrics_agent_folder_and_id(capsys: pytest.CaptureFixture[str]) -> None:
    run = gausspg.train(*TINY, variance="learned_global", seed=7)
    assert read_status(run.folder)["run_id"] == run.id
    lines = (run.folder / "metrics.jsonl").read_text().splitlines()
    last = json.loads(lines[-1])
    for name, value in last["metrics"].items():
        assert run.metrics[name].iloc[-1] == pytest.approx(value, nan_ok=True)
    assert run.metrics.index.is_monotonic_increasing
    observation = [1.0, 0.0, 0.0]
    assert np.array_equal(run.agent.act(observation), gausspg.load(run.id).act(observation))
    out = capsys.readouterr().out
    assert out.startswith("1 run: loading torch and MLflow\n")
    assert f"run id: {run.id}" in out


def test_a_wrong_setting_is_an_error_of_one_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ValueError, match=r"^gamma=1.5: should be less than or equal to 1$"):
        gausspg.train(*TINY, gamma=1.5)
    with pytest.raises(ValueError, match="'variance/nope'"):
        gausspg.sweep(*TINY, variance=["fixed", "nope"])
    assert "error" not in capsys.readouterr().out


def test_a_run_that_fails_says_why_and_where() -> None:
    settings = ("env=any", "env.id=cli:Trouble-v0", "+env.kwargs.how=raise")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")]))
        with pytest.raises(RuntimeError, match=r"did not finish: .*the wheels came off"):
            gausspg.train(*(word for word in TINY if word != "env=pendulum"), *settings)


def test_a_sweep_has_a_row_per_run(sweep: gausspg.Sweep) -> None:
    table = sweep.table
    assert sorted(zip(table["variance"], table["seed"], strict=True)) == [
        ("fixed", 0), ("fixed", 1), ("learned", 0), ("learned", 1),
    ]  # fmt: skip
    assert set(table["status"]) == {"FINISHED"}
    assert all(sweep.folder in path.parents for path in sweep.folder.glob("*/status.json"))
    again = gausspg.sweep(*TINY, variance=["fixed", "learned"], seed=[0, 1], sweep_name="few")
    assert sorted(again.table["run_id"]) == sorted(table["run_id"])


def test_runs_and_points_are_tidy(sweep: gausspg.Sweep) -> None:
    found = gausspg.runs(sweep="few", variance="fixed")
    assert len(found) == 2
    points = gausspg.points("policy/std_mean", runs=sweep.table)
    assert list(points.columns[:4]) == ["run_id", "step", "metric", "value"]
    assert {"variance", "squash", "seed"} <= set(points.columns)
    for run_id, one in points.groupby("run_id"):
        row = sweep.table.set_index("run_id").loc[run_id]
        assert set(one["variance"]) == {row["variance"]}
        assert set(one["seed"]) == {row["seed"]}
    fixed = points[points["variance"] == "fixed"]
    assert fixed["value"].nunique() == 1
    assert len(gausspg.points("policy/std_mean", runs=list(sweep.table["run_id"][:1]))) > 0
    assert isinstance(gausspg.points(sweep="few"), pd.DataFrame)


def test_an_interruption_reaches_the_run(root: Path) -> None:
    script = f"import gausspg; gausspg.train(*{TINY!r}, 'seed=9', steps=100_000_000)"
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )

    def begun() -> list[Path]:
        return [path for path in (root / "runs").glob("*-s9/metrics.jsonl") if path.stat().st_size]

    assert eventually(begun)
    (path,) = begun()
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=120)
    assert b"KeyboardInterrupt" in error
    assert read_status(path.parent)["status"] == "KILLED"


def test_a_run_ends_with_the_script_that_waits_for_it(root: Path) -> None:
    script = f"import gausspg; gausspg.train(*{TINY!r}, 'seed=8', steps=100_000_000)"
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def begun() -> list[Path]:
        found = (root / "runs").glob("*-s8/metrics.jsonl")
        return [path for path in found if path.stat().st_size]

    assert eventually(begun)
    process.kill()
    process.wait()
    (path,) = begun()
    assert eventually(lambda: read_status(path.parent)["status"] == "KILLED")


def test_values_are_written_as_they_are_typed() -> None:
    named = {"steps": 4000, "gamma": 0.5, "jobs": None, "on": True, "many": [1, "a", None]}
    assert _overrides(named, "{}") == [
        "steps=4000",
        "gamma=0.5",
        "jobs=null",
        "on=True",
        "many=1,a,null",
    ]
    assert _overrides({"hidden": [64, 64]}, "[{}]") == ["hidden=[64,64]"]
