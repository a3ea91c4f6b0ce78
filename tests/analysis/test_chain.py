"""The whole chain on one small sweep: train, load, every figure, the report."""

import json
import subprocess
import sys
from pathlib import Path

import warm
from cli import ROOT, WARNINGS, environment_for
from gausspg.tracking import artifact_file, find_runs
from interruption import Root

pytestmark = WARNINGS

FIGURES = {
    "contrasts", "final_returns", "learning_curves_by_variance", "policy_by_variance",
    "signal_along_training", "time_to_threshold",
}  # fmt: skip


def analyse(program: str, root: Path, *arguments: str) -> str:
    done = warm.run([ROOT / "analysis" / program, *arguments], environment_for(root))
    assert done.returncode == 0, done.stderr
    return done.stdout


def make_figures(root: Path, *arguments: str) -> str:
    """Make them as a user does, by a Python that has yet to import everything."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "analysis" / "make_figures.py"), *arguments],
        env=environment_for(root), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_sweep_becomes_figures_and_a_report(tmp_path: Path) -> None:
    root, out = tmp_path / "root", tmp_path / "out"
    half = ("steps=8192", "evaluation.interval=2048", "checkpoint_interval=4096")
    kept = Root(root)
    sweep = kept.command("+sweep=smoke", *half)
    assert sweep.run() == 0, sweep.err
    said = make_figures(root, "smoke", "--store", "--out", str(out))
    assert "smoke: 4 runs, 2 cells" in said
    assert "not drawn" not in said, "every figure of trainings is fed"
    manifest = json.loads((out / "smoke" / "manifest.json").read_text())
    assert {name.removesuffix(".png") for name in manifest["files"] if name.endswith(".png")} == (
        FIGURES
    )
    assert manifest["gaps"] == []
    assert manifest["commands"] == [" ".join(["python src/run.py +sweep=smoke", *half])]
    runs = find_runs(kept.uri, "smoke", parents=True)
    parent = runs.loc[runs["parent_run_id"].isna(), "run_id"].item()
    assert artifact_file(kept.uri, parent, "figures/contrasts.png").is_file()
    analyse("export.py", root, "smoke", "--out", str(tmp_path / "data"))
    assert (tmp_path / "data" / "smoke" / "manifest.json").is_file()
    analyse("report.py", root, "smoke", "--store", "--out", str(out))
    page = (out / "smoke" / "report.html").read_text()
    assert "oes everything work together?" in page
    assert "2 paired seeds" in page
