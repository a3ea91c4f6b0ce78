"""Runs that end in every way, and stores that are away."""

import errno
import json
import math
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gausspg.sweeps.jobs import Job, run_jobs
from gausspg.sweeps.preload import TRACKING
from gausspg.tracking import (
    Recorder,
    Store,
    StoreError,
    SweepRecorder,
    artifact_file,
    find_runs,
    mirror,
    set_status,
)
from gausspg.tracking.client import connect
from gausspg.tracking.folder import MetricsFile, read_description, read_status
from gausspg.tracking.mirror import BATCH, Mirror, Point
from gausspg.tracking.termination import Terminated, terminate_as_exception


def recorder(store: Store, folder: Path, **more: Any) -> Recorder:
    return Recorder(store, folder, "a run", {"seed": 0, "none": None}, {"word": "yes"}, **more)


def run_of(store: Store, run_id: str) -> Any:
    return connect(store.uri).get_run(run_id)


def artifacts(store: Store, run_id: str, below: str | None = None) -> set[str]:
    return {entry.path for entry in connect(store.uri).list_artifacts(run_id, below)}


def test_a_run_is_in_its_folder_and_in_the_store(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "run"
    with recorder(store, folder, parent_run_id="abc") as run:
        assert read_status(folder)["status"] == "RUNNING"
        assert run_of(store, run.run_id).info.status == "RUNNING"
        run.log(5, {"train/return": 1.5, "train/nan": math.nan, "train/inf": -math.inf})
        run.log(6, {"train/return": 2.5})
        run.text("notes/hello.txt", "hello")
        run.set_tag("late", "tag")
    stored = run_of(store, run.run_id)
    assert stored.info.status == "FINISHED"
    assert stored.info.run_name == "a run"
    assert stored.data.params == {"seed": "0", "none": "None"}
    assert stored.data.tags["word"] == "yes"
    assert stored.data.tags["late"] == "tag"
    assert stored.data.tags["mlflow.parentRunId"] == "abc"
    assert stored.data.metrics["train/return"] == 2.5
    assert math.isnan(stored.data.metrics["train/nan"])
    assert artifacts(store, run.run_id, "notes") == {"notes/hello.txt"}
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [5, 6]
    assert lines[0]["metrics"]["train/inf"] == -math.inf
    assert abs(lines[0]["time"] - time.time()) < 60
    status = read_status(folder)
    assert (status["status"], status["run_id"]) == ("FINISHED", run.run_id)
    assert status["unsent_from_byte"] is None
    assert status["unsent"] == []


def test_a_run_that_goes_on_and_finishes_keeps_no_error(store: Store, tmp_path: Path) -> None:
    with pytest.raises(Terminated), recorder(store, tmp_path) as run:
        raise Terminated("SIGTERM")
    assert run_of(store, run.run_id).data.tags["error"] == "stopped by SIGTERM"
    assert read_description(tmp_path)["tags"]["error"] == "stopped by SIGTERM"
    with recorder(store, tmp_path, resume=True) as again:
        again.log(1, {"train/return": 1.0})
    assert again.run_id == run.run_id
    stored = run_of(store, run.run_id)
    assert stored.info.status == "FINISHED"
    assert "error" not in stored.data.tags
    assert stored.data.tags["word"] == "yes"
    assert read_description(tmp_path)["tags"] == {"word": "yes"}
    assert read_status(tmp_path)["error"] is None


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (ValueError("first\nsecond"), "FAILED", "ValueError: first"),
        (SystemExit(3), "FAILED", "exited with status 3"),
        (SystemExit(0), "FINISHED", None),
        (KeyboardInterrupt(), "KILLED", "stopped by SIGINT (Ctrl-C)"),
        (Terminated(), "KILLED", "stopped by SIGTERM"),
    ],
)
def test_the_status_is_true(
    store: Store, tmp_path: Path, error: BaseException, status: str, line: str | None
) -> None:
    with pytest.raises(type(error)) as caught, recorder(store, tmp_path) as run:
        raise error
    assert caught.value is error
    stored = run_of(store, run.run_id)
    assert stored.info.status == status
    assert stored.data.tags.get("error") == line
    assert read_status(tmp_path)["status"] == status
    assert read_status(tmp_path)["error"] == line
    assert ("traceback.txt" in artifacts(store, run.run_id)) == (status == "FAILED")
    assert (tmp_path / "traceback.txt").exists() == (status == "FAILED")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_real_signal_ends_a_run_as_killed(
    store: Store, tmp_path: Path, number: signal.Signals
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with (
        pytest.raises((Terminated, KeyboardInterrupt)),
        terminate_as_exception(),
        recorder(store, tmp_path) as run,
    ):
        signal.raise_signal(number)
    assert run_of(store, run.run_id).info.status == "KILLED"
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("failing", [False, True])
def test_a_request_during_the_end_waits_for_it(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: bool
) -> None:
    close = Mirror.close

    def interrupted_close(mirror: Mirror, seconds: float) -> bool:
        signal.raise_signal(signal.SIGINT)
        return close(mirror, seconds)

    monkeypatch.setattr(Mirror, "close", interrupted_close)
    with pytest.raises(KeyboardInterrupt), recorder(store, tmp_path) as run:
        run.log(1, {"x": 1.0})
        if failing:
            raise ValueError
    assert run_of(store, run.run_id).info.status == ("FAILED" if failing else "FINISHED")
    assert run_of(store, run.run_id).data.metrics == {"x": 1.0}


def test_a_request_during_the_start_leaves_no_running_run(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = Recorder._start

    def interrupted_start(run: Recorder) -> None:
        signal.raise_signal(signal.SIGINT)
        start(run)

    monkeypatch.setattr(Recorder, "_start", interrupted_start)
    run = recorder(store, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run.__enter__()
    assert run_of(store, run.run_id).info.status == "KILLED"


def test_only_the_first_request_interrupts_the_clean_up() -> None:
    cleaned = False
    with pytest.raises(KeyboardInterrupt), terminate_as_exception():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGTERM)
            cleaned = True
    assert cleaned


def test_the_parent_sets_a_killed_child_right(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent.parent)
    import job_targets

    def kill(event: Any) -> None:
        if event.value == "running":
            import os

            os.kill(read_status(tmp_path)["pid"], signal.SIGKILL)

    work = [Job(0, "victim", (store, tmp_path))]
    outcome = run_jobs(work, job_targets.record, 1, (*TRACKING, "pytest"), kill)
    result = outcome.results[0]
    assert result.status == "KILLED"
    assert result.run_id is not None
    assert run_of(store, result.run_id).info.status == "RUNNING", "nothing to set right"
    set_status(store, result.run_id, "KILLED", result.error, tmp_path)
    assert run_of(store, result.run_id).info.status == "KILLED"
    assert run_of(store, result.run_id).data.tags["error"] == result.error
    assert read_status(tmp_path)["status"] == "KILLED"


def test_a_store_that_fails_at_the_start_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "broken.db").write_text("This is no database, but it is long enough." * 20)
    broken = Store(f"sqlite:///{tmp_path / 'broken.db'}", None, "tests", "1")
    with pytest.raises(StoreError, match="was not begun"), recorder(broken, tmp_path / "a" / "b"):
        raise AssertionError("the run began")
    assert [path.name for path in tmp_path.iterdir()] == ["broken.db"]


@pytest.mark.parametrize("identity", [None, "1"], ids=["when opened", "since it was opened"])
def test_a_server_that_is_away_at_the_start_is_waited_for_by_nobody(
    tmp_path: Path, capsys: Any, identity: str | None
) -> None:
    server = Store("http://127.0.0.1:9", None, "tests", identity)
    with recorder(server, tmp_path / "run", drain_seconds=0.1) as run:
        run.log(1, {"x": 1.0})
    status = read_status(tmp_path / "run")
    assert (status["status"], status["run_id"]) == ("FINISHED", run.run_id)
    assert (status["awaits_store"], status["unsent_from_byte"]) == (True, 0)
    told = capsys.readouterr().err.splitlines()
    assert "python src/sync.py sends it" in told[-1]
    assert len(told) == (1 if identity is None else 2)


def test_a_store_that_goes_away_costs_one_line(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def refuse(run: Recorder, points: Sequence[Point]) -> None:
        raise ConnectionError("away")

    monkeypatch.setattr(Recorder, "_send", refuse)
    with recorder(store, tmp_path, drain_seconds=0.3) as run:
        run.log(1, {"x": 1.0})
    assert read_status(tmp_path)["unsent_from_byte"] == 0
    assert read_status(tmp_path)["status"] == "FINISHED"
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "bytes of metrics (away)" in lines[0]
    assert run_of(store, run.run_id).info.status == "FINISHED"


def test_a_store_that_hangs_does_not_hold_the_end_up(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    release = threading.Event()
    monkeypatch.setattr(Recorder, "_send", lambda run, points: release.wait(30))
    monkeypatch.setattr(mirror, "_LAST_TASKS_SECONDS", 0.2)
    began = time.monotonic()
    with recorder(store, tmp_path, drain_seconds=0.1) as run:
        run.log(1, {"x": 1.0})
    assert time.monotonic() - began < 10
    assert read_status(tmp_path)["unsent"] == ["status"]
    assert "did not take" in capsys.readouterr().err
    release.set()


class Server:
    """Takes points, except while it is away."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.sizes: list[int] = []
        self.points: list[Point] = []

    def send(self, points: Sequence[Point]) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("away")
        self.sizes.append(len(points))
        self.points += points


def test_a_server_that_comes_back_receives_everything_once(tmp_path: Path) -> None:
    server = Server(failures=3)
    metrics = MetricsFile(tmp_path)
    mirror = Mirror(metrics.path, server.send, every=0.01)
    mirror.start()
    for step in range(300):
        metrics.append(step, {f"m{i}": step + i / 10 for i in range(10)})
    deadline = time.monotonic() + 10
    while len(server.points) < 3000 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(server.points) == 3000, "not sent while the run lives"
    assert mirror.close(5)
    metrics.close()
    expected = [(step, f"m{i}", step + i / 10) for step in range(300) for i in range(10)]
    assert [(p.step, p.key, p.value) for p in server.points] == expected
    assert max(server.sizes) <= BATCH


@pytest.mark.parametrize("failures", [10**9, 3])
def test_at_the_end_one_that_takes_nothing_is_not_waited_for(
    failures: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "_UNREACHABLE_SECONDS", 0.8)
    monkeypatch.setattr(mirror, "_CLOSING_PAUSE_SECONDS", 0.05)
    server = Server(failures)
    metrics = MetricsFile(tmp_path)
    metrics.append(1, {"x": 1.0})
    metrics.close()
    copier = Mirror(metrics.path, server.send)
    copier.start()
    began = time.monotonic()
    assert copier.close(60) == (failures == 3), "one that comes back within the time is"
    assert time.monotonic() - began < 20


def test_at_the_end_one_that_was_away_before_is_asked_once_more(tmp_path: Path) -> None:
    asked, release = threading.Semaphore(0), threading.Event()
    closing = threading.Event()

    def send(_: Sequence[Point]) -> None:
        asked.release()
        if closing.is_set():
            release.wait(60)
        raise ConnectionError("away")

    metrics = MetricsFile(tmp_path)
    metrics.append(1, {"x": 1.0})
    metrics.close()
    mirror = Mirror(metrics.path, send, every=0.01)
    mirror.start()
    for _ in range(2):
        assert asked.acquire(timeout=10)
    closing.set()
    began = time.monotonic()
    assert not mirror.close(60)
    assert time.monotonic() - began < 20, "waited for a store that is known to be away"
    release.set()
    mirror.join(timeout=20)
    assert not mirror.is_alive(), "goes on asking after it has been closed"


def test_batches_keep_to_mlflows_limit(store: Store, tmp_path: Path) -> None:
    with recorder(store, tmp_path) as run:
        for step in range(2):
            run.log(step, {f"m{i}": float(i) for i in range(1500)})
    assert len(run_of(store, run.run_id).data.metrics) == 1500
    assert len(connect(store.uri).get_metric_history(run.run_id, "m1499")) == 2


def test_a_line_cut_short_is_no_obstacle(tmp_path: Path) -> None:
    server = Server(failures=0)
    path = tmp_path / "metrics.jsonl"
    good = '{"step":1,"time":2.0,"metrics":{"x":3.0}}\n'
    path.write_text(good + '{"step":2,"ti\n' + good + '{"step":3')
    mirror = Mirror(path, server.send)
    mirror.start()
    assert not mirror.close(0.1), "the unfinished line counts as unsent"
    assert server.points == [Point("x", 3.0, 1, 2.0)] * 2


def test_a_name_mlflow_refuses_is_an_error_at_once(store: Store, tmp_path: Path) -> None:
    with recorder(store, tmp_path) as run:
        with pytest.raises(ValueError, match=r"loss \(mean\)"):
            run.log(1, {"loss (mean)": 1.0})
        with pytest.raises(FileNotFoundError):
            run.artifact(tmp_path / "nothing.pt")


def test_a_full_disk_is_an_error_with_its_path(store: Store, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    with (
        pytest.raises(OSError, match=r"metrics\.jsonl") as caught,
        recorder(store, tmp_path) as run,
    ):
        run.log(1, {"x": 1.0})
        run._metrics._file.close()
        run._metrics._file = Path("/dev/full").open("ab", buffering=0)  # noqa: SIM115
        run.log(2, {"x": 2.0})
    assert caught.value.errno == errno.ENOSPC
    stored = run_of(store, run.run_id)
    assert stored.info.status == "FAILED"
    assert "No space left" in stored.data.tags["error"]
    assert stored.data.metrics == {"x": 1.0}


def test_half_a_line_does_not_stay(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    metrics = MetricsFile(tmp_path)
    metrics.append(1, {"x": 1.0})
    before = metrics.path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, hard))
    try:
        with pytest.raises(OSError, match=r"metrics\.jsonl"):
            metrics.append(2, {"x": 2.0})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert metrics.path.read_bytes() == before
    metrics.append(3, {"x": 3.0})
    metrics.close()
    assert [json.loads(line)["step"] for line in metrics.path.read_text().splitlines()] == [1, 3]


@pytest.mark.parametrize(
    ("statuses", "interrupted", "expected"),
    [
        (["FINISHED", "FINISHED"], False, "FINISHED"),
        (["FINISHED", "FAILED"], False, "FAILED"),
        (["KILLED", "NOT_STARTED"], True, "KILLED"),
    ],
)
def test_a_sweep_ends_with_its_table(
    store: Store, tmp_path: Path, statuses: list[str], interrupted: bool, expected: str
) -> None:
    rows: list[dict[str, object]] = [
        {"run": "a|b", "score": 1.5},
        {"run": "c", "score": None, "error": "E: x"},
    ]
    with SweepRecorder(store, tmp_path, "headline", tmp_path.name, {"seeds": 2}) as sweep:
        sweep.summarise(rows, statuses, interrupted)
    stored = run_of(store, sweep.run_id)
    assert stored.info.status == expected
    assert stored.data.tags["sweep"] == "headline"
    assert {"summary.csv", "summary.md", "summary.json"} <= artifacts(store, sweep.run_id)
    assert (tmp_path / "summary.csv").read_text() == "run,score,error\na|b,1.5,\nc,,E: x\n"
    assert "| a\\|b | 1.5 |  |" in (tmp_path / "summary.md").read_text()
    table = json.loads(artifact_file(store.uri, sweep.run_id, "summary.json").read_text())
    assert table["columns"] == ["run", "score", "error"]
    assert table["data"] == [["a|b", 1.5, None], ["c", None, "E: x"]]
    assert "summary.json" in stored.data.tags["mlflow.loggedArtifacts"], "the UI shows no table"
    ids = find_runs(store.uri, "headline", parents=True)["sweep_id"]
    assert tmp_path.name in set(ids)
    assert find_runs(store.uri, "headline").empty


def test_a_sweep_without_a_summary_has_failed(store: Store, tmp_path: Path) -> None:
    with SweepRecorder(store, tmp_path, "lost", "1", {}) as sweep:
        pass
    assert run_of(store, sweep.run_id).info.status == "FAILED"
