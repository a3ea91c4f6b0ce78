"""What a store missed while it was away reaches it later, once."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gausspg.tracking import (
    Recorder,
    Store,
    StoreError,
    deliver,
    delivery,
    find_runs,
    metric_history,
    read_status,
    undelivered,
    write_status,
)
from gausspg.tracking.client import connect
from gausspg.tracking.mirror import Point

LINES = 5


class AwayError(ConnectionError):
    pass


@pytest.fixture
def folder(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Path:
    """A run that finished while its store took the first points and then nothing any more."""
    folder = tmp_path / "runs" / "run"
    client = connect(store.uri)
    with monkeypatch.context() as patch:
        send, calls = Recorder._send, Counter[str]()

        def fails(run: Recorder, points: Sequence[Point]) -> None:
            send(run, points)
            calls["send"] += 1
            # Taken, but the answer got lost: sent again later, it must not count twice.
            raise AwayError("away")

        def refuse(*_: Any, **__: Any) -> None:
            raise AwayError("away")

        patch.setattr(Recorder, "_send", fails)
        for name in ("log_artifact", "set_terminated", "set_tag"):
            patch.setattr(client, name, refuse)
        with Recorder(store, folder, "late", {"seed": 0}, {}, drain_seconds=0.2) as run:
            for step in range(LINES):
                run.log(step, {"x": float(step), "y": float("nan")})
            run.text("config.yaml", "seed: 0")
            run.set_final_status("FAILED", "the wheels came off")
        assert calls["send"]
    capsys.readouterr()
    return folder


def stored(store: Store, folder: Path) -> Counter[tuple[int, str]]:
    history = metric_history(store.uri, [read_status(folder)["run_id"]], None)
    return Counter(zip(history["step"], history["metric"].astype(str), strict=True))


def test_everything_arrives_and_once_only(store: Store, folder: Path) -> None:
    runs = folder.parent
    run_id = read_status(folder)["run_id"]
    assert list(undelivered(runs)) == [folder]
    assert deliver(folder) == f"{2 * LINES} points, 1 files, status FAILED"
    assert list(undelivered(runs)) == []
    assert deliver(folder) == "0 points, 0 files, status FAILED", "again"
    assert stored(store, folder) == Counter(
        {(step, name): 1 for step in range(LINES) for name in "xy"}
    )
    run = connect(store.uri).get_run(run_id)
    assert run.info.status == "FAILED"
    assert run.data.tags["error"] == "the wheels came off"
    assert [file.path for file in connect(store.uri).list_artifacts(run_id)] == ["config.yaml"]
    ended = read_status(folder)["ended"]
    assert run.info.end_time == int(1000 * ended), "when it ended, and not when it was told"


def test_killed_half_way_it_starts_over(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = connect(store.uri)

    def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(client, "log_artifact", dies)
        with pytest.raises(KeyboardInterrupt):
            deliver(folder)
    assert list(undelivered(folder.parent)) == [folder]
    deliver(folder)
    assert set(stored(store, folder).values()) == {1}


def test_a_store_that_is_still_away_is_one_line(
    folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AwayError("away")

    with monkeypatch.context() as patch:
        patch.setattr(connect(store.uri), "log_batch", refuse)
        with pytest.raises(
            StoreError, match=r"does not take what it lacks of run \(away\)"
        ) as told:
            deliver(folder)
    assert "\n" not in str(told.value)
    assert list(undelivered(folder.parent)) == [folder], "nothing is forgotten"


def test_of_a_process_that_vanished_it_sends_what_the_run_was_made_of(
    store: Store, folder: Path
) -> None:
    write_status(folder, status="RUNNING", error=None, unsent_from_byte=0, unsent=[])
    (folder / "provenance.json").write_text("{}")
    assert deliver(folder) == f"{2 * LINES} points, 2 files, status KILLED"
    status = read_status(folder)
    assert (status["status"], status["error"]) == ("KILLED", "its process vanished")
    run_id = status["run_id"]
    stored_files = {file.path for file in connect(store.uri).list_artifacts(run_id)}
    assert stored_files == {"config.yaml", "provenance.json"}


def test_a_run_that_is_at_work_sends_for_itself(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "is_running", lambda _: True)
    assert list(undelivered(folder.parent)) == []


def test_one_that_lacks_nothing_is_not_touched(store: Store, tmp_path: Path) -> None:
    with Recorder(store, tmp_path / "runs" / "fine", "fine", {}, {}) as run:
        run.log(1, {"x": 1.0})
    assert list(undelivered(tmp_path / "runs")) == []
    assert "fine" in set(find_runs(store.uri)["name"])
