"""The same command again: what is finished, interrupted or at work elsewhere."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli import WARNINGS, eventually
from gausspg.records import existing, identity
from gausspg.records.existing import Existing, State
from gausspg.records.identity import Identity
from gausspg.tracking import (
    Recorder,
    find_runs,
    is_running,
    open_store,
    read_metrics,
    read_status,
    write_description,
    write_status,
)
from gausspg.tracking.client import connect
from gausspg.training.build import SettingsError
from interruption import KINDS, Root, differences, kill_and_go_on

pytestmark = WARNINGS

SWEEP = (*KINDS["on_policy"], "steps=160", "sweep_name=again", "jobs=2", "seed=0,1")


@pytest.mark.parametrize("kind", KINDS)
def test_killed_without_warning_it_goes_on_to_the_same_bits(kind: str, tmp_path: Path) -> None:
    whole, cut = Root(tmp_path / "whole"), Root(tmp_path / "cut")
    # Replay's gradient steps, by default one per step of the environment, are most of its seconds.
    fewer = ("learner.updates_per_step=0.1",) if kind == "replay" else ()
    words = (*KINDS[kind], "steps=480", *fewer)
    assert whole.command(*words).run() == 0
    (folder,) = whole.runs()
    status = read_status(folder)
    _, said = kill_and_go_on(cut, words, 0.4 * (status["ended"] - status["started"]))
    assert "1 of 1 runs were interrupted and go on" in said
    assert differences(folder, cut.runs()[0], cut.uri) == []


def test_the_comparison_sees_a_lost_and_a_doubled_point(tmp_path: Path) -> None:
    root = Root(tmp_path / "one")
    assert root.command(*SWEEP[:-1], "seed=0").run() == 0
    (folder,) = root.runs()
    path = folder / "metrics.jsonl"
    content = path.read_text()
    path.write_text(content + content.splitlines()[0] + "\n")
    assert "lost" in " ".join(differences(folder, folder, root.uri))
    path.write_text("".join(content.splitlines(keepends=True)[1:]))
    assert "doubled" in " ".join(differences(folder, folder, root.uri))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Root:
    root = Root(tmp_path_factory.mktemp("again"))
    assert root.command("-m", *SWEEP).run() == 0
    return root


class TestASweepAgain:
    def runs(self, root: Root) -> int:
        return len(find_runs(root.uri))

    def test_it_runs_nothing_that_is_finished(self, root: Root) -> None:
        again = root.command("-m", *SWEEP)
        assert again.run() == 0
        assert "2 of 2 runs are finished already and do not run again" in again.out
        assert self.runs(root) == 2
        parents = find_runs(root.uri, parents=True)
        assert len(parents) == 4, "each command has its own table"

    def test_it_runs_what_is_missing(self, root: Root) -> None:
        before = self.runs(root)
        more = root.command("-m", *SWEEP[:-1], "seed=0,1,2")
        assert more.run() == 0
        assert "2 of 3 runs are finished already" in more.out
        assert self.runs(root) == before + 1

    def test_rerun_runs_it_again_and_gives_the_same(self, root: Root) -> None:
        before = self.runs(root)
        again = root.command("-m", *SWEEP[:-1], "seed=0,2", "existing=rerun")
        assert again.run() == 0
        assert self.runs(root) == before + 2
        runs = find_runs(root.uri, params={"seed": 0})
        assert runs["metric.eval/final_deterministic_return_mean"].nunique() == 1
        assert len(runs) == 2

    def test_one_that_was_deleted_in_the_store_runs_again(self, root: Root) -> None:
        words = ("-m", *SWEEP[:-1], "seed=5,6")
        assert root.command(*words).run() == 0
        deleted = find_runs(root.uri, params={"seed": 5})["run_id"].item()
        connect(root.uri).delete_run(deleted)
        again = root.command(*words)
        assert again.run() == 0
        assert "1 of 2 runs are finished already" in again.out
        assert find_runs(root.uri, params={"seed": 5})["run_id"].item() != deleted

    def test_refuse_refuses(self, root: Root) -> None:
        before = self.runs(root)
        again = root.command("-m", *SWEEP, "existing=refuse")
        assert again.run() == 2
        assert "existing=refuse and run" in again.err
        assert again.err.count("\n") == 1
        assert self.runs(root) == before

    def test_one_that_failed_is_tried_again(self, root: Root) -> None:
        before = self.runs(root)
        folder = next((root.folder / "runs").glob("*-again/*-s1/status.json")).parent
        write_status(folder, status="FAILED", error="as if")
        again = root.command("-m", *SWEEP)
        assert again.run() == 0
        assert "1 of 2 runs are finished already" in again.out
        assert "1 of 2 runs were interrupted and go on" in again.out
        assert self.runs(root) == before
        assert read_status(folder)["status"] == "FINISHED"
        assert read_status(folder)["error"] is None


def test_a_run_at_work_is_left_alone_and_a_vanished_one_set_right(tmp_path: Path) -> None:
    root = Root(tmp_path)
    words = (*KINDS["on_policy"], "steps=1_000_000", "checkpoint_interval=1_000_000")
    process = root.command(*words).start()
    try:
        assert eventually(lambda: any(read_metrics(folder) for folder in root.runs()))
        again = root.command(*words)
        assert again.run() == 1
        assert "1 of 1 runs are running elsewhere and are left alone" in again.out
        assert list(find_runs(root.uri)["status"]) == ["RUNNING"]
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    other = root.command(*SWEEP[:-1], "seed=9")
    assert other.run() == 0
    statuses = find_runs(root.uri).set_index("param.seed")[["status", "error"]].to_dict("index")
    assert statuses["0"] == {"status": "KILLED", "error": "its process vanished"}
    assert statuses["9"]["status"] == "FINISHED"


def test_a_run_that_ends_while_it_is_asked_for_keeps_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(Root(tmp_path).uri, tmp_path, "tests")
    run = Recorder(store, tmp_path / "runs" / "run", "run", {}, {}).__enter__()
    existing.record_identity(run.folder, IDENTITY)

    def ends(folder: Path) -> bool:
        run.__exit__(None, None, None)
        return is_running(folder)

    monkeypatch.setattr(existing, "is_running", ends)
    (found,) = existing.find(tmp_path / "runs", store)
    assert found.state == "finished"
    assert read_status(run.folder)["status"] == "FINISHED"
    assert list(find_runs(store.uri)["status"]) == ["FINISHED"]


def test_altered_records_are_not_gone_on_from(tmp_path: Path) -> None:
    root = Root(tmp_path)
    assert root.command(*SWEEP[:-1], "seed=0").run() == 0
    (folder,) = root.runs()
    write_status(folder, status="KILLED")
    checkpoint = folder / "checkpoint.pt"
    (folder / "checkpoint.previous.pt").replace(checkpoint)
    path = folder / "metrics.jsonl"
    lines = path.read_text().splitlines()
    last = json.loads(lines[-1])
    last["metrics"]["eval/final_stochastic_return_mean"] += 1e-9
    path.write_text("\n".join([*lines[:-1], json.dumps(last)]) + "\n")
    again = root.command(*SWEEP[:-1], "seed=0")
    assert again.run() == 1
    assert "does not repeat what it recorded" in again.out + again.err
    assert "eval/final_stochastic_return_mean at step 160" in again.out + again.err


IDENTITY = Identity("c", "s", "e")


def known(state: State, own: Identity = IDENTITY) -> Existing:
    return Existing(own, Path("folder"), "id", state)


@pytest.mark.parametrize(
    ("rule", "alone", "state", "expected"),
    [
        (None, False, None, "train"), ("refuse", False, None, "train"),
        (None, False, "finished", "skip"), (None, True, "finished", "train"),
        ("skip", True, "finished", "skip"), ("rerun", False, "finished", "train"),
        (None, True, "interrupted", "resume"), ("skip", False, "interrupted", "resume"),
        ("rerun", True, "interrupted", "train"), (None, True, "running", "leave"),
        ("skip", False, "running", "leave"), ("rerun", False, "running", "train"),
    ],
)  # fmt: skip
def test_what_follows_from_what_is_known(
    rule: existing.Rule, alone: bool, state: State | None, expected: str
) -> None:
    assert existing.choose_action(rule, alone, known(state) if state else None) == expected


@pytest.mark.parametrize("state", ["finished", "interrupted", "running"])
def test_refuse_names_the_run(state: State) -> None:
    with pytest.raises(SettingsError, match=rf"run id is the same \({state}\)"):
        existing.choose_action("refuse", False, known(state))


def test_the_last_finished_run_counts() -> None:
    states: list[State] = ["finished", "interrupted"]
    runs = [known(state) for state in states]
    assert existing.by_key(runs)[IDENTITY.key].state == "finished"
    assert existing.by_key(runs[::-1])[IDENTITY.key].state == "finished"
    assert existing.by_key([runs[1]])[IDENTITY.key].state == "interrupted"


def test_the_message_says_what_changed(tmp_path: Path) -> None:
    def why(mine: Identity, *found: Existing, steps: int = 5, command: str = "run") -> str | None:
        config = {"steps": steps, "seed": 0, "learner": {"lr": 0.1, "sizes": (3,)}, "jobs": 9}
        (told,) = existing.rerun_reasons([((config, {"env": "e"}), mine)], command, found)
        return told

    mine = Identity("c", "s2", "e")
    assert why(mine, known("finished")) == "source"
    assert why(Identity("c", "s2", "e2"), known("finished")) == "source and environment"
    assert why(mine, known("interrupted")) == "source"
    assert why(mine, known("finished"), known("finished", mine)) is None

    other = Existing(Identity("c1", "s2", "e"), tmp_path, "id", "finished")
    assert why(mine, other) is None
    params = {"env": "e", "steps": 5, "seed": 0, "learner.lr": 0.2, "learner.sizes": [3], "jobs": 1}
    write_description(tmp_path, tags={"command": "run"}, params=params)
    assert why(mine, other) == "config (learner.lr 0.2 -> 0.1)"
    assert why(mine, other, command="run again") is None
    assert why(mine, other, steps=6) == "config (learner.lr 0.2 -> 0.1, steps 5 -> 6)"
    (tmp_path / "closer").mkdir()
    write_description(
        tmp_path / "closer", tags={"command": "run"}, params=params | {"learner.lr": 0.1}
    )
    closer = Existing(Identity("c2", "s", "e"), tmp_path / "closer", "id", "interrupted")
    assert why(mine, closer, other, steps=6) == "config (steps 5 -> 6) and source"


def test_the_configuration_counts_and_how_it_is_shown_does_not() -> None:
    config = {"seed": 0, "learner": {"lr": 1e-3}, "jobs": None, "tracking": {"uri": None}}
    same = identity.identify(config)
    assert identity.identify(config | {"jobs": 3, "video": {"frames": 0}}) == same
    assert identity.identify(dict(reversed(config.items()))) == same
    pooled = identity.identify(config | {"env": {"backend": "envpool"}})
    installed = importlib.util.find_spec("envpool") is not None
    assert pooled.differs_in(same) == (["config", "environment"] if installed else ["config"])
    for change in ({"seed": 1}, {"learner": {"lr": 1.0000001e-3}}, {"threads": 2}):
        other = identity.identify(config | change)
        assert other.key != same.key
        assert other.differs_in(same) == ["config"]


def test_a_changed_line_of_source_counts(tmp_path: Path) -> None:
    def hashed(name: str, content: str) -> str:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        (folder / name).write_text(content)
        return identity.source_hash(folder)

    assert hashed("a.py", "x = 1\n") == hashed("a.py", "x = 1\n")
    assert (
        len({hashed("a.py", "x = 1\n"), hashed("a.py", "x = 2\n"), hashed("b.py", "x = 1\n")}) == 3
    )


def test_what_only_shows_and_records_runs_does_not_count_and_is_not_trained_with(
    tmp_path: Path,
) -> None:
    (tmp_path / "learners").mkdir()
    (tmp_path / "learners" / "a.py").write_text("x = 1\n")
    before = identity.source_hash(tmp_path)
    identity.source_hash.cache_clear()
    (tmp_path / "tracking").mkdir()
    (tmp_path / "tracking" / "a.py").write_text("x = 1\n")
    assert identity.source_hash(tmp_path) == before
    identity.source_hash.cache_clear()
    (tmp_path / "learners" / "b.py").write_text("x = 1\n")
    assert identity.source_hash(tmp_path) != before

    # Whatever training needs is counted: a fresh interpreter that assembles runs imports no other.
    script = (
        "import sys, gausspg.training.assembly, gausspg.training.trainer\n"
        "print(*(name for name in sys.modules if name.startswith('gausspg.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    rooms = {name.split(".")[1] for name in done.stdout.split()}
    assert {"training", "learners", "policies", "estimators", "envs"} <= rooms
    assert not rooms & {"records", "sweeps", "tracking"}
