"""What is wrong with a disk or a record ends a command in one line, and leaves what was there."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import warm
from cli import ROOT, RUN, WARNINGS, environment_for
from gausspg.records import identity, provenance, rerun
from gausspg.tracking import read_metrics, read_status, run_folders, write_status
from gausspg.training import checkpoints
from interruption import KINDS, Root

pytestmark = WARNINGS

WORDS = (*KINDS["on_policy"], "steps=160", "checkpoint_interval=80")
IN_GIT = provenance.source().commit is not None
# No server is there: a store in a file would meet the limit as well.
BIG = (*WORDS, "policy.hidden=[256,256]", "tracking.uri=http://127.0.0.1:9")
# The state of the optimiser, which the first checkpoint does not have, goes beyond it.
BYTES = 500 * 1024


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Root:
    root = Root(tmp_path_factory.mktemp("bad"))
    assert root.command("-m", *WORDS, "seed=0,1", "jobs=2").run() == 0
    return root


def runs(root: Root) -> list[Path]:
    """Return the folders of the runs, by seed."""
    found = [path for path in run_folders(root.folder / "runs") if path.parent.name != "runs"]
    return sorted(found, key=lambda path: path.name.rpartition("-s")[2])


def content(folder: Path, *left_out: str) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.is_file() and path.name not in left_out
    }


def test_a_disk_that_fills_up_in_a_checkpoint_costs_a_run_and_nothing_else(tmp_path: Path) -> None:
    root = Root(tmp_path)
    limited = Path(__file__).parents[1] / "limited.py"
    done = warm.run([limited, str(BYTES), RUN, *BIG], environment_for(tmp_path))
    assert done.returncode == 1
    told = " ".join((done.stdout + done.stderr).split())
    assert "checkpoint.pt could not be written: " in told
    assert "free some space" in told
    assert "Traceback" not in told
    (folder,) = root.runs()
    assert read_status(folder)["status"] == "FAILED"
    assert checkpoints.load(folder / "checkpoint.pt")["step"] == 0
    assert not list(folder.glob("*.partial"))
    before = read_metrics(folder)
    assert before
    again = root.command(*BIG)
    assert again.run() == 0, again.err
    assert "1 of 1 runs were interrupted and go on" in again.out
    assert read_metrics(folder)[: len(before)] == before
    assert read_status(folder)["status"] == "FINISHED"


def test_a_checkpoint_of_another_configuration_is_not_gone_on_from(root: Root) -> None:
    folder, other = runs(root)
    kept = {name: (folder / name).read_bytes() for name in ("checkpoint.pt", "status.json")}
    for name in ("checkpoint.pt", "checkpoint.previous.pt"):
        shutil.copyfile(other / name, folder / name)
    write_status(folder, status="KILLED")
    changing = ("status.json", "run.json", "traceback.txt", ".lock", ".heartbeat")
    before = content(folder, *changing)
    again = root.command(*WORDS, "seed=0")
    assert again.run() == 1
    told = " ".join((again.out + again.err).split())
    assert "is of another configuration, source or environment" in told
    assert "existing=rerun" in told
    assert "Traceback" not in told
    assert content(folder, *changing) == before
    for name, former in kept.items():
        (folder / name).write_bytes(former)


def with_config(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Let a record be one of a run that was trained with another configuration."""
    config = yaml.safe_load((folder / "config.yaml").read_text())
    change(config)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    record = json.loads((folder / "provenance.json").read_text())
    record["identity"]["config"] = identity.config_hash(config)
    (folder / "provenance.json").write_text(json.dumps(record))


def reproduce(folder: Path, root: Path, *arguments: str) -> warm.Ended:
    return warm.run([ROOT / "src" / "reproduce.py", folder, *arguments], environment_for(root))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config: config.update(patience=3), "patience=3: there is no such setting"),
        (lambda config: config["learner"].update(patience=3), r"learner.patience is unknown"),
        (
            lambda config: config["squash"].update(_target_="gausspg.policies.squash.soft.Soft"),
            "squash._target_=gausspg.policies.squash.soft.Soft does not exist",
        ),
    ],
)
def test_a_configuration_of_a_newer_version_is_one_line(
    change: Callable[[dict[str, Any]], object],
    message: str,
    root: Root,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = Path(shutil.copytree(runs(root)[1], tmp_path / "newer"))
    with_config(folder, change)
    before = content(folder)
    assert rerun.main(str(folder / "config.yaml"), str(tmp_path / "again")) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert content(folder) == before


def test_nor_is_it_reproduced(root: Root, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(runs(root)[1], tmp_path / "newer"))
    with_config(folder, lambda config: config["learner"].update(patience=3))
    before = content(folder)
    done = reproduce(folder, tmp_path, "--source", "present")
    assert done.returncode == 2
    assert "learner.patience is unknown" in done.stderr
    assert done.stderr.count("\n") == 1
    assert content(folder) == before


@pytest.mark.skipif(not IN_GIT, reason="this is no git repository")
def test_a_source_that_is_not_here_is_one_line(root: Root, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(runs(root)[1], tmp_path / "newer"))
    record = json.loads((folder / "provenance.json").read_text())
    record["commit"] = 40 * "1"
    record["identity"]["source"] = 16 * "1"
    (folder / "provenance.json").write_text(json.dumps(record))
    done = reproduce(folder, tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "the recorded source cannot be checked out" in done.stderr
    assert done.stderr.count("\n") == 1
