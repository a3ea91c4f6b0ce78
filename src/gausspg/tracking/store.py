"""Open a tracking store: create its schema and experiment if needed, and check that it is writable.

Processes that create the schema of a new sqlite database at the same time corrupt it. `open_store`
therefore creates it under a file lock, in the parent process; the `Store` it returns is plain data
that child processes use without further checks. A server needs no lock. Runs can start while it is
unreachable, with `unreachable_store`.
"""

import importlib
import os
import socket
import sqlite3
import time
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from gausspg.tracking.client import CONNECT_SECONDS, StoreError, connect, first_line

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_SQLITE = "sqlite:///"
_LOCK_SECONDS = 60.0
_BUSY_SECONDS = 20.0
_REMEDY = "give an absolute sqlite:///PATH or the http:// address of an MLflow server"


@dataclass(frozen=True)
class Store:
    """An open store; picklable, so it can be passed to child processes.

    `artifact_root` is the absolute folder of the experiment's artifacts, or None if a server
    decides. `experiment_id` is None if the server is unreachable.
    """

    uri: str
    artifact_root: str | None
    experiment: str
    experiment_id: str | None


class ServerUnreachableError(StoreError):
    """A server does not answer, or answers with an error; runs can start without it."""


def unreachable_store(uri: str, experiment: str) -> Store:
    """Return a store for runs that start while the server at `uri` does not answer."""
    return Store(uri, None, experiment, None)


def open_store(uri: str | None, root: Path, experiment: str) -> Store:
    """Open the store at `uri`, create it if needed, and check that it is writable.

    `uri` None means `root/mlflow.db` with artifacts in `root/artifacts`. Any other sqlite database
    keeps its artifacts in the folder `artifacts` beside it. Relative paths are relative to the
    current directory. A deleted experiment of that name is restored. The first call creates the
    schema (about 2 s); later ones take about 0.1 s once mlflow is imported. Safe to call from
    several processes at once.

    Raises, within seconds, `StoreError` if the store cannot be opened or written, and its subclass
    `ServerUnreachableError` if the store is a server.
    """
    uri = _absolute(uri, root)
    database = sqlite_path(uri)
    root = root.absolute()
    folder = database.parent if database else root
    try:
        # The import takes seconds, so it happens before the lock is taken.
        importlib.import_module("mlflow.tracking")
        with _store_lock(folder, uri):
            _check_reachable(uri, database)
            artifact_root = None if is_server(uri) else str(folder / "artifacts")
            identity = _experiment(connect(uri), experiment, artifact_root)
    except StoreError:
        raise
    except Timeout as error:
        raise StoreError(
            f"{folder / '.mlflow.lock'} has been locked for {_LOCK_SECONDS:.0f} s, so the store "
            f"{uri} cannot be opened; end the process that holds it, or give another store"
        ) from error
    except Exception as error:
        kind = ServerUnreachableError if is_server(uri) else StoreError
        raise kind(
            f"the tracking store {uri} cannot be opened for writing ({first_line(error)}), so no "
            f"run could be recorded; {_REMEDY}"
        ) from error
    return Store(uri, artifact_root, experiment, identity)


def sqlite_path(uri: str) -> Path | None:
    """The file of a sqlite URI, or None for any other store."""
    return Path(uri.removeprefix(_SQLITE)) if uri.startswith(_SQLITE) else None


def default_uri(root: Path) -> str:
    """Return the default store: MLFLOW_TRACKING_URI if set, else the database in `root`."""
    return _absolute(os.environ.get("MLFLOW_TRACKING_URI") or None, root)


def _absolute(uri: str | None, root: Path) -> str:
    if uri is None:
        return f"{_SQLITE}{root.absolute() / 'mlflow.db'}"
    path = sqlite_path(uri)
    if path is not None:
        return f"{_SQLITE}{path.absolute()}"
    if urlsplit(uri).scheme in ("", "file"):
        raise StoreError(
            f"the tracking store '{uri}' is a path, which MLflow no longer writes to, so no run "
            f"could be recorded; {_REMEDY}"
        )
    return uri


def is_server(uri: str) -> bool:
    """Tell whether the store is an MLflow server."""
    return urlsplit(uri).scheme in ("http", "https")


def _store_lock(folder: Path, uri: str) -> AbstractContextManager[object]:
    if is_server(uri):
        return nullcontext()
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / ".mlflow.lock", timeout=_LOCK_SECONDS)


def _check_reachable(uri: str, database: Path | None) -> None:
    """Fail within seconds where MLflow would retry for minutes."""
    if database is not None:
        _prepare_sqlite(database)
    elif is_server(uri):
        parts = urlsplit(uri)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname or "", port), timeout=CONNECT_SECONDS).close()


def _prepare_sqlite(database: Path) -> None:
    """Check that the file is a database, writable, and keep its journal ahead of it (WAL)."""
    with closing(sqlite3.connect(database, timeout=_BUSY_SECONDS)) as connection:
        # A write that is rolled back; on a read-only file BEGIN alone would succeed.
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TABLE is_it_writable (x)")
        connection.rollback()
        # Readers and writers then do not block each other. It is stored in the file. Network file
        # systems refuse it, and the slower default works there.
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = WAL")


def _experiment(client: "MlflowClient", name: str, artifact_root: str | None) -> str:
    """The id of the experiment, created or restored, after a write that proves one is possible."""
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            identity = str(client.create_experiment(name, artifact_location=artifact_root))
        except Exception:
            # On a server another process, maybe of another machine, can have been faster.
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
            identity = str(found.experiment_id)
    else:
        identity = str(found.experiment_id)
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(identity)
    client.set_experiment_tag(identity, "opened", str(int(time.time())))
    return identity
