"""Runs that began while their server was away arrive later: once, as they were."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gausspg.tracking import (
    Recorder,
    Store,
    StoreError,
    SweepRecorder,
    artifact_file,
    current_id,
    deliver,
    find_runs,
    has_run,
    liveness,
    metric_history,
    mirror,
    read_status,
    registration,
    set_status,
    sweep_tags,
    undelivered,
    unreachable_store,
    write_status,
)
from gausspg.tracking.client import connect


@pytest.fixture
def runs(store: Store, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sweep `late` of two jobs, recorded without its server, which then has an address again."""
    monkeypatch.setattr(mirror, "_CLOSING_PAUSE_SECONDS", 0.02)
    server, runs = unreachable_store("http://127.0.0.1:9", "tests"), tmp_path / "runs"
    parent = SweepRecorder(server, runs / "late", "late", "9", {"runs": 2})
    parent._drain_seconds = 0.1
    with parent:
        parent.plan([{"seed": 0}, {"seed": 1}])
        for seed in range(2):
            with Recorder(
                server, runs / "late" / str(seed), f"seed {seed}", {"seed": seed},
                sweep_tags("late", "9"), parent.run_id, drain_seconds=0.1,
            ) as run:  # fmt: skip
                run.log(1, {"x": float(seed)})
                run.set_tag("no_animation", "as if")
        parent.summarise([{"seed": 0, "return": 0.1}, {"seed": 1, "return": None}], [], False)
    capsys.readouterr()
    for status in runs.rglob("status.json"):
        write_status(status.parent, store=store.uri)
    return runs


def recorded(store: Store) -> Any:
    found = find_runs(store.uri, "late", parents=True)
    # The store is that of all tests, and this sweep is in it once per test.
    return found


def test_a_sweep_arrives_whole_and_once(store: Store, runs: Path) -> None:
    before = len(recorded(store))
    former = {path: read_status(path)["run_id"] for path in undelivered(runs)}
    assert [path.name for path in former] == ["late", "0", "1"], "the sweep comes first"
    for _ in range(2):
        for folder in former:
            deliver(folder)
    assert list(undelivered(runs)) == []
    assert len(recorded(store)) == before + 3
    ids = {path: read_status(path)["run_id"] for path in former}
    for folder, run_id in ids.items():
        assert run_id != former[folder]
        assert current_id(store.uri, former[folder]) == run_id
        assert current_id(store.uri, run_id) == run_id
        started = read_status(folder)["started"]
        assert connect(store.uri).get_run(run_id).info.start_time == int(1000 * started)
    parent, *children = (connect(store.uri).get_run(run_id) for run_id in ids.values())
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert [run.data.params["seed"] for run in children] == ["0", "1"]
    assert {run.data.tags["no_animation"] for run in children} == {"as if"}
    assert {run.info.status for run in (parent, *children)} == {"FINISHED"}
    points = metric_history(store.uri, [run.info.run_id for run in children], None)
    assert sorted(points["value"]) == [0.0, 1.0]
    plan = artifact_file(store.uri, former[runs / "late"], "plan.json").read_text()
    assert plan == (runs / "late" / "plan.json").read_text()
    table = artifact_file(store.uri, parent.info.run_id, "summary.json").read_text()
    assert table.count("0.1") == 1, "a table that is sent again does not grow"


def test_killed_after_it_was_created_it_is_taken_up(
    store: Store, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, before = runs / "late", len(recorded(store))

    def dies(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(registration, "write_status", dies)
        with pytest.raises(KeyboardInterrupt):
            deliver(folder)
    assert len(recorded(store)) == before + 1
    deliver(folder)
    assert len(recorded(store)) == before + 1
    assert has_run(store.uri, read_status(folder)["run_id"])


def test_a_run_does_not_arrive_before_its_sweep(store: Store, runs: Path) -> None:
    before = Counter(recorded(store)["name"])
    with pytest.raises(StoreError, match="the sweep late is not there yet"):
        deliver(runs / "late" / "0")
    assert Counter(recorded(store)["name"]) == before


def test_one_that_vanished_meanwhile_is_set_right_in_its_folder(store: Store, runs: Path) -> None:
    folder = runs / "late" / "0"
    set_status(store, read_status(folder)["run_id"], "KILLED", "vanished", folder)
    assert read_status(folder)["status"] == "KILLED"
    deliver(runs / "late")
    assert deliver(folder) == "1 points, 0 files, status KILLED"
    assert connect(store.uri).get_run(read_status(folder)["run_id"]).info.status == "KILLED"


def test_an_id_nobody_knows_stays_what_it_is(store: Store) -> None:
    assert current_id(store.uri, "it's unknown") == "it's unknown"


def test_two_at_once_do_not_deliver_the_same(
    store: Store, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "_CLAIM_SECONDS", 0.2)
    with (
        liveness.Claim(runs / "late"),
        pytest.raises(StoreError, match="another process writes into"),
    ):
        deliver(runs / "late")
