"""Opening the store: a database with its schema and an experiment, made once, known writable.

Several processes that meet a fresh sqlite database destroy it: each begins to create the schema.
`open_store` does that under a file lock, once, in the parent; the `Store` it returns is plain data
that children use without another look. A server needs no lock, and may be away: `away` is the store
of runs that begin without it.
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

from gausspg.tracking.client import CONNECT_SECONDS, StoreError, connect, explain

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_SQLITE = "sqlite:///"
_LOCK_SECONDS = 60.0
_BUSY_SECONDS = 20.0
_REMEDY = "give an absolute sqlite:///PATH or the http:// address of an MLflow server"


@dataclass(frozen=True)
class Store:
    """An open store: picklable, to be handed to child processes.

    `artifact_root` is the absolute folder below which the experiment keeps its artifacts, or None
    where a server decides. `experiment_id` is None of a server that is away.
    """

    uri: str
    artifact_root: str | None
    experiment: str
    experiment_id: str | None


class ServerAwayError(StoreError):
    """A server does not answer, or not as it should; runs can begin without it all the same."""


def away(uri: str, experiment: str) -> Store:
    """Return the store of runs that begin while the server at `uri` does not answer."""
    return Store(uri, None, experiment, None)


def open_store(uri: str | None, root: Path, experiment: str) -> Store:
    """Open, and where needed create, the store at `uri`; make sure that it can be written.

    `uri` None means `root/mlflow.db` with artifacts in `root/artifacts`. Another sqlite database
    keeps its artifacts in `artifacts` beside it; relative paths are taken from the current
    directory. A deleted experiment of that name is restored. The first opening creates the schema
    (about 2 s), later ones take about 0.1 s once mlflow is imported. Any number of processes may
    call this at once.

    Raises `StoreError`, after at most some seconds, if the store cannot be opened or written;
    `ServerAwayError`, which is one, if it is a server.
    """
    uri = _absolute(uri, root)
    database = sqlite_path(uri)
    root = root.absolute()
    home = database.parent if database else root
    try:
        # Seconds of importing, on a busy machine many: not while others wait for the lock.
        importlib.import_module("mlflow.tracking")
        with _alone(home, uri):
            _check_reachable(uri, database)
            artifact_root = None if is_server(uri) else str(home / "artifacts")
            identity = _experiment(connect(uri), experiment, artifact_root)
    except StoreError:
        raise
    except Timeout as error:
        raise StoreError(
            f"{home / '.mlflow.lock'} has been locked for {_LOCK_SECONDS:.0f} s, so the store "
            f"{uri} cannot be opened; end the process that holds it, or give another store"
        ) from error
    except Exception as error:
        kind = ServerAwayError if is_server(uri) else StoreError
        raise kind(
            f"the tracking store {uri} cannot be opened for writing ({explain(error)}), so no run "
            f"could be recorded; {_REMEDY}"
        ) from error
    return Store(uri, artifact_root, experiment, identity)


def sqlite_path(uri: str) -> Path | None:
    """The file of a sqlite URI, or None for any other store."""
    return Path(uri.removeprefix(_SQLITE)) if uri.startswith(_SQLITE) else None


def default_uri(root: Path) -> str:
    """The store meant where none is named: MLFLOW_TRACKING_URI, else the database in `root`."""
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
    """Tell whether a store is an MLflow server, which others look after and which may be away."""
    return urlsplit(uri).scheme in ("http", "https")


def _alone(home: Path, uri: str) -> AbstractContextManager[object]:
    if is_server(uri):
        return nullcontext()
    home.mkdir(parents=True, exist_ok=True)
    return FileLock(home / ".mlflow.lock", timeout=_LOCK_SECONDS)


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
        # A write begun and taken back; on a read-only file BEGIN alone would succeed.
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
