"""A recorded run is run again and compared: identical, different, or not to be compared."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

import warm
from cli import ROOT, WARNINGS, environment_for
from composing import NEEDS_ENVPOOL
from gausspg.records import comparison, foreign, identity, provenance, reading, rerun
from gausspg.tracking import artifact_file, read_status, without_credentials, write_status
from interruption import KINDS, Root

pytestmark = WARNINGS

WORDS = (*KINDS["on_policy"], "steps=160", "seed=4")
IN_GIT = provenance.source().commit is not None


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Root:
    root = Root(tmp_path_factory.mktemp("reproduce"))
    assert root.command(*WORDS).run() == 0
    return root


@pytest.fixture
def copy(root: Root, tmp_path: Path) -> Path:
    """The run's folder as somebody else received it."""
    return Path(shutil.copytree(root.runs()[0], tmp_path / "received"))


def reproduce(root: Root, *arguments: str) -> warm.Ended:
    return warm.run([ROOT / "src" / "reproduce.py", *arguments], environment_for(root.folder))


def alter(path: Path, change: Callable[[Any], None]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_a_run_in_the_store_is_identical_and_that_is_recorded(root: Root) -> None:
    run_id = read_status(root.runs()[0])["run_id"]
    done = reproduce(root, run_id)
    assert done.returncode == 0, done.stderr
    assert "identical: " in done.stdout
    told = json.loads(artifact_file(root.uri, run_id, "reproduction.json").read_text())
    assert told["verdict"] in done.stdout
    result = json.loads(artifact_file(root.uri, run_id, "result.json").read_text())
    assert f"identical: {result['points']} points" in done.stdout
    assert reading.from_store(root.uri, run_id).points_hash == result["points_sha256"]


@NEEDS_ENVPOOL
def test_a_run_in_the_pool_is_identical_with_the_pool_of_its_record(
    root: Root, tmp_path: Path
) -> None:
    of_pool = Root(tmp_path)
    assert of_pool.command(*WORDS, "env.backend=envpool").run() == 0
    (folder,) = of_pool.runs()
    done = reproduce(of_pool, str(folder))
    assert done.returncode == 0, done.stderr
    assert "identical: " in done.stdout
    versions = [
        json.loads((one / "provenance.json").read_text())["environment"].get("envpool")
        for one in (folder, *root.runs())
    ]
    assert versions == [version("envpool"), None]
    alter(folder / "provenance.json", lambda p: p["environment"].update(envpool="1.0.0"))
    done = reproduce(of_pool, str(folder))
    assert done.returncode == 2
    assert "envpool 1.0.0 -> " in done.stderr


@pytest.mark.skipif(not IN_GIT, reason="this is no git repository")
def test_from_the_recorded_commit_and_patch_too(root: Root, copy: Path) -> None:
    def worktrees() -> set[str]:
        listed = subprocess.run(
            ["git", "worktree", "list", "--porcelain"], cwd=ROOT, capture_output=True, text=True
        )
        return {line for line in listed.stdout.splitlines() if line.startswith("worktree ")}

    before = worktrees()
    done = reproduce(root, str(copy), "--source", "recorded")
    assert done.returncode == 0, done.stderr
    assert "recorded source" in done.stdout
    assert worktrees() <= before, "no worktree stays"


def test_a_changed_value_is_named(root: Root, copy: Path) -> None:
    path = copy / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    name = "policy/std_mean"
    lines[3]["metrics"][name] += 1e-12
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = reproduce(root, str(copy))
    assert done.returncode == 1
    assert f"different: {name} at step {lines[3]['step']} was " in done.stdout
    assert "what differs: the recorded values, which were altered" in done.stdout


def test_a_learning_rate_in_the_seventh_digit_is_seen(root: Root, copy: Path) -> None:
    config = yaml.safe_load((copy / "config.yaml").read_text())
    config["learner"]["lr"] *= 1 + 1e-7
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    done = reproduce(root, str(copy))
    assert (done.returncode, done.stdout) == (2, "")
    assert "config.yaml of run" in done.stderr
    assert "was altered" in done.stderr
    # Whoever alters the hash as well gets other bits.
    alter(copy / "provenance.json", lambda p: p["identity"].update(
        config=identity.config_hash(config)))  # fmt: skip
    done = reproduce(root, str(copy))
    assert done.returncode == 1
    assert "different: " in done.stdout


def test_other_versions_are_refused_unless_told(root: Root, copy: Path) -> None:
    alter(copy / "provenance.json", lambda p: p["environment"].update(torch="2.12.0"))
    done = reproduce(root, str(copy))
    assert done.returncode == 2
    assert "torch 2.12.0 -> " in done.stderr
    assert done.stderr.count("\n") == 1
    assert reproduce(root, str(copy), "--anyway").returncode == 0


def naming(target: str, copy: Path) -> dict[str, Any]:
    """Return the recorded configuration with something else for an environment."""
    config: dict[str, Any] = yaml.safe_load((copy / "config.yaml").read_text())
    config["env"] = {"_target_": target, "file": str(copy / "opened"), "mode": "w"}
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    return config


@pytest.mark.parametrize("target", ["numpy.load", "builtins.open", "torch.load"])
def test_a_stored_configuration_runs_no_code(
    copy: Path, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    naming(target, copy)
    assert rerun.main(str(copy / "config.yaml"), str(copy / "run")) == 2
    assert target in capsys.readouterr().err
    assert not (copy / "opened").exists()


def test_nor_does_one_that_is_reproduced(root: Root, copy: Path) -> None:
    config = naming("builtins.open", copy)
    alter(copy / "provenance.json", lambda p: p["identity"].update(
        config=identity.config_hash(config)))  # fmt: skip
    done = reproduce(root, str(copy), "--source", "present")
    assert done.returncode == 2
    assert "builtins.open" in done.stderr
    assert not (copy / "opened").exists()


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda folder: (folder / "final.pt").unlink(), "final.pt is missing"),
        (lambda folder: (folder / "final.pt").write_bytes(b"x"), "was altered: its hash"),
        (lambda folder: write_status(folder, status="RUNNING"), "is still running"),
        (lambda folder: write_status(folder, status="FAILED"), "ended as FAILED"),
        (lambda folder: (folder / "provenance.json").unlink(), "provenance.json is missing"),
        (lambda folder: (folder / "provenance.json").write_text("{"), "cannot be read"),
        (lambda folder: (folder / "config.yaml").write_text("[1, 2]"), "cannot be read"),
        (lambda folder: (folder / "status.json").write_text("{"), "is broken"),
        (
            lambda folder: alter(
                folder / "provenance.json", lambda p: p["identity"].update(newer="0")
            ),
            "another version of the package",
        ),
    ],
)
def test_a_record_that_is_not_whole_is_one_line(
    root: Root, copy: Path, harm: Callable[[Path], None], message: str
) -> None:
    harm(copy)
    done = reproduce(root, str(copy))
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(not IN_GIT, reason="this is no git repository")
def test_a_source_that_is_not_the_recorded_one_is_not_run(root: Root, copy: Path) -> None:
    alter(copy / "provenance.json", lambda p: p["identity"].update(source="0" * 16))
    done = reproduce(root, str(copy))
    assert done.returncode == 2
    assert "nothing was run: the record was altered" in done.stderr


PATCH = b"""diff --git a/src/gausspg/evil.py b/src/gausspg/evil.py
new file mode 100644
index 0000000..e69de29
--- /dev/null
+++ b/src/gausspg/evil.py
@@ -0,0 +1,2 @@
+import os
+os.abort()
"""


@pytest.fixture
def patched(copy: Path) -> Path:
    """Somebody else's run, with a patch on a source of theirs."""
    (copy / "source.patch").write_bytes(PATCH)
    alter(copy / "provenance.json", lambda p: (
        p["identity"].update(source="0" * 16),
        p.update(dirty=True, patch_sha256=hashlib.sha256(PATCH).hexdigest()),
    ))  # fmt: skip
    return copy


def test_a_foreign_patch_is_shown_and_not_run(root: Root, patched: Path) -> None:
    done = reproduce(root, str(patched))
    assert done.returncode == 2
    assert done.stdout.splitlines()[1:] == ["  src/gausspg/evil.py  +2 -0"]
    assert done.stderr.count("\n") == 1
    assert "2 changed lines in 1 files of somebody else would run here" in done.stderr
    assert "--trust" in done.stderr


@pytest.mark.skipif(not IN_GIT, reason="this is no git repository")
def test_a_trusted_patch_is_shown_and_goes_on(root: Root, patched: Path) -> None:
    done = reproduce(root, str(patched), "--trust")
    assert "  src/gausspg/evil.py  +2 -0" in done.stdout
    # So far it went on: the source that comes of it is not the recorded one.
    assert "do not give the source that run" in done.stderr


def test_the_present_source_needs_no_trust(root: Root, patched: Path) -> None:
    done = reproduce(root, str(patched), "--source", "present")
    assert done.returncode == 0, done.stderr
    assert "evil" not in done.stdout + done.stderr


def test_a_patch_is_ones_own_if_a_run_was_trained_with_it_here(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "source.patch").write_bytes(PATCH)
    write_status(tmp_path / "run", status="FINISHED", pid=None)
    assert not foreign.is_own(PATCH, tmp_path), "imported"
    write_status(tmp_path / "run", pid=17)
    assert foreign.is_own(PATCH, tmp_path)
    assert not foreign.is_own(PATCH + b"\n", tmp_path)


def test_a_patch_that_git_cannot_read_is_refused() -> None:
    with pytest.raises(reading.RecordError, match="the recorded patch cannot be read"):
        foreign.touched(b"rm -rf /\n")


@pytest.mark.parametrize("script", ["run", "measure_gradients", "reproduce", "share", "sync"])
def test_no_script_takes_an_argument_that_it_does_not_know(root: Root, script: str) -> None:
    path = ROOT / "src" / f"{script}.py"
    done = warm.run([path, "--bogus"], environment_for(root.folder))
    assert done.returncode == 2
    assert "--bogus" in done.stderr or "required" in done.stderr
    assert done.stdout == ""


def test_every_script_is_known_here() -> None:
    scripts = {path.stem for path in (ROOT / "src").glob("*.py")}
    assert scripts == {"run", "measure_gradients", "reproduce", "share", "sync"}


def test_what_lies_where_the_user_is_does_not_run(root: Root, copy: Path) -> None:
    (copy / "gausspg").mkdir()
    (copy / "gausspg" / "__init__.py").write_text("raise SystemExit('of the folder')")
    done = subprocess.run(
        [sys.executable, str(ROOT / "src" / "reproduce.py"), ".", "--source", "present"],
        env=environment_for(root.folder), cwd=copy, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_an_unknown_run_is_one_line(root: Root) -> None:
    done = reproduce(root, "0123456789abcdef")
    assert (done.returncode, done.stdout) == (2, "")
    assert "run 0123456789abcdef is not in the store" in done.stderr


def test_the_record_holds_no_environment_variable_and_no_path(root: Root) -> None:
    text = (root.runs()[0] / "provenance.json").read_text()
    for secret in (str(root.folder), str(ROOT), "PATH"):
        assert secret not in text


@pytest.mark.parametrize(
    ("typed", "recorded"),
    [
        (
            "run.py tracking.uri=http://me:secret@host:5000/x",
            "run.py tracking.uri=http://host:5000/x",
        ),
        (
            "run.py tracking.uri=http://host/a@b seed=1",
            "run.py tracking.uri=http://host/a@b seed=1",
        ),
    ],
)
def test_a_command_is_recorded_without_passwords(typed: str, recorded: str) -> None:
    assert without_credentials(typed) == recorded


def test_the_first_difference_is_by_step_and_then_by_name() -> None:
    before = {(1, "b"): 1.0, (2, "a"): 1.0, (1, "a"): float("nan")}
    assert comparison.first_differing_point(before, dict(before)) is None
    assert comparison.first_differing_point(before, before | {(2, "a"): 2.0}) == (
        "a at step 2 was 1.0 and is 2.0"
    )
    changed = before | {(2, "a"): 2.0, (1, "b"): -1.0}
    assert comparison.first_differing_point(before, changed) == "b at step 1 was 1.0 and is -1.0"
    assert comparison.first_differing_point(before, before | {(0, "c"): 0.0}) == (
        "c at step 0 is not in the record"
    )
    assert comparison.first_differing_point({(0, "z"): 0.0}, {(0, "z"): -0.0}) is not None


def test_the_store_and_the_folder_tell_the_same(root: Root) -> None:
    (folder,) = root.runs()
    one = reading.from_folder(folder)
    other = reading.from_store(root.uri, read_status(folder)["run_id"])
    assert comparison.first_differing_point(one.points, other.points) is None
    assert comparison.digest(one.points, one.final) == comparison.digest(other.points, other.final)
    assert one.config == other.config
