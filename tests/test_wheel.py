"""What is installed from a wheel trains from any folder, without a clone."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cli import ROOT
from composing import SMALL


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, ROOT]
    subprocess.run(command, check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_a_wheel_brings_every_word_and_sweep(site: Path) -> None:
    for source in (ROOT / "conf", ROOT / "sweeps"):
        there = site / "gausspg" / "conf" / ("sweep" if source.name == "sweeps" else "")
        expected = {path.relative_to(source) for path in source.rglob("*.yaml")}
        assert expected
        assert expected <= {path.relative_to(there) for path in there.rglob("*.yaml")}


def test_a_run_from_a_wheel_lies_below_the_current_folder(site: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(site)}
    for name in ("GAUSSPG_ROOT", "MLFLOW_TRACKING_URI"):
        environment.pop(name, None)
    settings = [
        *SMALL, "env=pendulum", "steps=96", "learner.rollout_steps=4", "learner.epochs=1",
        "evaluation.final_episodes=2", "video.frames=0",
    ]  # fmt: skip
    command = [sys.executable, "-m", "gausspg.sweeps.cli", *settings]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (status,) = (tmp_path / "runs").glob("*/status.json")
    assert '"FINISHED"' in status.read_text()
    assert str(tmp_path) in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
