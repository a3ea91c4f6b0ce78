"""Opening stores: once, together, again, and not at all."""

import os
import pickle
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from gausspg.sweeps.jobs import Job, run_jobs
from gausspg.sweeps.preload import TRACKING
from gausspg.tracking import Store, StoreError, default_uri, find_runs, open_store
from gausspg.tracking.client import connect


def closed_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


def test_the_default_store_lies_in_its_root(store: Store) -> None:
    database = Path(store.uri.removeprefix("sqlite:///"))
    assert database.is_absolute()
    assert store.artifact_root == str(database.parent / "artifacts")
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert pickle.loads(pickle.dumps(store)) == store


def test_eight_processes_meet_a_store_that_does_not_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent.parent)
    import job_targets

    work = [Job(index, f"run {index}", str(tmp_path)) for index in range(8)]
    outcome = run_jobs(work, job_targets.open_fresh_store, 8, (*TRACKING, "pytest"))
    assert [result.error for result in outcome.results] == [None] * 8
    stores = {result.value for result in outcome.results}
    assert len(stores) == 1
    runs = find_runs(stores.pop().uri)
    assert sorted(runs["metric.train/loss"]) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert set(runs["status"]) == {"FINISHED"}


def test_opening_again_finds_the_same_and_restores_what_was_deleted(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    root = Path(store.uri.removeprefix("sqlite:///")).parent
    first = open_store(None, root, "deleted once")
    connect(store.uri).delete_experiment(first.experiment_id)
    again = open_store(store.uri, tmp_path, "deleted once")
    assert again == first
    experiment = connect(store.uri).get_experiment(first.experiment_id)
    assert experiment.lifecycle_stage == "active"
    assert list(tmp_path.iterdir()) == [], "a stray mlruns or mlflow.db"


@pytest.mark.parametrize(
    "uri",
    [
        "sqlite:///{tmp}",
        "sqlite:///{tmp}/text.db",
        "sqlite:////proc/nowhere/mlflow.db",
        "http://127.0.0.1:{port}",
        "http://nowhere.invalid",
        "mlruns",
        "bogus://x",
    ],
)
def test_a_store_that_cannot_be_written_is_one_clear_line(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    (tmp_path / "text.db").write_text("This is no database, but it is long enough to look." * 20)
    uri = uri.format(tmp=tmp_path, port=closed_port())
    began = time.monotonic()
    with pytest.raises(StoreError) as caught:
        open_store(uri, tmp_path / "root", "tests")
    assert time.monotonic() - began < 10
    message = str(caught.value)
    assert uri in message
    assert "\n" not in message
    assert "give an absolute sqlite:///PATH" in message
    assert list(home.iterdir()) == []


def test_a_database_without_write_permission_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_only = sqlite3.connect

    def connect_read_only(database: Path, timeout: float = 0) -> sqlite3.Connection:
        return read_only(f"file:{database}?mode=ro", uri=True)

    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        connection.execute("CREATE TABLE something (x)")
    monkeypatch.setattr(sqlite3, "connect", connect_read_only)
    with pytest.raises(StoreError, match="readonly"):
        open_store(None, tmp_path, "tests")


def test_default_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert default_uri(tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:5000")
    assert default_uri(tmp_path) == "http://localhost:5000"


def test_importing_is_light_and_leaves_the_users_settings() -> None:
    code = (
        "import os, sys, gausspg.tracking; "
        "print('mlflow' in sys.modules, os.environ['MLFLOW_HTTP_REQUEST_TIMEOUT'])"
    )
    path = os.pathsep.join(filter(None, sys.path))
    environment = {**os.environ, "PYTHONPATH": path, "MLFLOW_HTTP_REQUEST_TIMEOUT": "77"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert done.stdout.decode().split() == ["False", "77"]
