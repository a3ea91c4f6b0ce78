"""Lint, format and types are part of the tests, so that one command checks everything."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]


@pytest.mark.parametrize("command", [hook["entry"] for hook in HOOKS])
def test_the_commands_of_pre_commit_pass(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command.split()], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_yaml_key_has_a_comment() -> None:
    silent = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for folder in ("conf", "sweeps")
        for path in sorted((ROOT / folder).glob("**/*.yaml"))
        for line in path.read_text().splitlines()
        if _is_setting(line) and "#" not in line
    ]
    assert not silent


def _is_setting(line: str) -> bool:
    key, colon, value = line.strip().partition(":")
    plumbing = key.startswith(("#", "-", "_target_", "hydra")) or key in {"dir", "subdir"}
    return bool(colon) and bool(value.strip()) and not plumbing
