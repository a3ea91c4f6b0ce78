"""Read runs, metric curves and artifacts from a store, for analysis and for loading policies.

Nothing here writes, and a missing store is not created. A sqlite store is read by SQL on a
read-only connection (50,000 points in 0.02 s; MLflow's own interface takes 1.5 s, and 20 s to list
10,000 runs); any other store through MLflow. Both give the same frames.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pandas as pd

from gausspg.tracking import by_mlflow, by_sql
from gausspg.tracking.by_sql import RunRow, Series
from gausspg.tracking.client import StoreError, connect, first_line
from gausspg.tracking.runs import PROVISIONAL_ID
from gausspg.tracking.store import sqlite_path

RUN_COLUMNS = (
    "run_id", "name", "status", "sweep", "sweep_id", "parent_run_id", "error", "started",
    "seconds", "artifact_uri", "command", "kind",
)  # fmt: skip
"""The columns every frame of runs has, before `param.*` and `metric.*`."""

_TAG_COLUMNS = {
    "sweep": "sweep",
    "sweep_id": "sweep_id",
    "mlflow.parentRunId": "parent_run_id",
    "error": "error",
    "command": "command",
    "kind": "kind",
}
_MLFLOW_INFINITY = 1.7976931348623157e308

Record = dict[str, Any]


def find_runs(
    store_uri: str,
    sweep: str | None = None,
    *,
    sweep_id: str | None = None,
    status: str | None = None,
    params: Mapping[str, object] | None = None,
    experiment: str | None = None,
    parents: bool = False,
) -> pd.DataFrame:
    """One row per run, oldest first.

    Columns: `RUN_COLUMNS` (`started` in UTC; `seconds` of wall time, NaN while running; `kind` is
    "sweep" for the parent run of one), then
    `param.<name>` (strings, as MLflow stores them: the axis words, `param.seed`) and
    `metric.<name>` (the last value). `params` keeps the runs whose parameters equal the given
    values as strings. The parent runs of sweeps are left out unless `parents`. Raises `StoreError`
    if the store cannot be read.
    """
    with _one_line_errors(store_uri):
        database = _existing_database(store_uri)
        found = by_sql.runs(database) if database else by_mlflow.runs(store_uri)
    records = [_record(run) for run in found]
    required = {f"param.{name}": str(value) for name, value in (params or {}).items()}
    required |= {
        key: value
        for key, value in (("sweep", sweep), ("sweep_id", sweep_id), ("status", status),
                           ("experiment", experiment))
        if value is not None
    }  # fmt: skip
    kept = [
        record
        for record in records
        if (parents or record["kind"] != "sweep")
        and all(record.get(key) == value for key, value in required.items())
    ]
    return _run_frame(kept)


def metric_history(
    store_uri: str, run_ids: Iterable[str], metrics: Iterable[str] | None
) -> pd.DataFrame:
    """Every logged value, tidy: `run_id, step, metric, value`, in the order of steps.

    `run_id` and `metric` are categorical. `metrics` None means all. NaN and infinities come back as
    they were logged. A run or metric without points has no rows. Raises `StoreError` if the store
    cannot be read.
    """
    runs, names = list(run_ids), None if metrics is None else list(metrics)
    with _one_line_errors(store_uri):
        database = _existing_database(store_uri)
        found = (
            by_sql.series(database, runs, names)
            if database
            else by_mlflow.series(store_uri, runs, names)
        )
        return _point_frame(found)


def _point_frame(found: Iterable[Series]) -> pd.DataFrame:
    owners: list[tuple[str, str]] = []
    arrays: list[np.ndarray] = [np.empty((0, 2))]
    for run_id, metric, points in found:
        owners.append((run_id, metric))
        arrays.append(np.array(points, dtype=np.float64).reshape(-1, 2))
    lengths = [len(array) for array in arrays[1:]]
    steps, values = np.concatenate(arrays).T
    run_ids, metrics = zip(*owners, strict=True) if owners else ((), ())
    frame = pd.DataFrame(
        {
            "run_id": _repeated(run_ids, lengths),
            "step": steps.astype(np.int64),
            "metric": _repeated(metrics, lengths),
            "value": values,
        }
    )
    frame["value"] = _with_infinities(frame["value"])
    return frame


def _repeated(names: Sequence[str], lengths: Sequence[int]) -> pd.Categorical:
    categories = sorted(set(names))
    code = {name: index for index, name in enumerate(categories)}
    codes = np.repeat([code[name] for name in names], lengths).astype(np.int32)
    return pd.Categorical.from_codes(codes, categories=pd.Index(categories, dtype=object))


def artifact_file(store_uri: str, run_id: str, path: str) -> Path:
    """The local path of a run's artifact, fetched to a temporary folder if it lies elsewhere.

    A file, or a folder with all it holds. Raises `StoreError` for an unknown run or artifact.
    """
    with _one_line_errors(store_uri):
        run_id = current_id(store_uri, run_id)
        uri = _artifact_uri(store_uri, run_id)
        if uri is None:
            raise StoreError(
                f"run '{run_id}' is not in the store {store_uri}; find_runs lists those that are"
            )
        root = _local_folder(uri)
        if root is not None and (root / path).exists():
            return root / path
        beside = _beside(root, path) if root else _listing(store_uri, run_id, Path(path).parent)
        if root is None and path in beside:
            return Path(connect(store_uri).download_artifacts(run_id, path))
        there = ", ".join(beside) or "nothing"
        raise StoreError(f"run {run_id} has no artifact '{path}'; beside it there is {there}")


def has_run(store_uri: str, run_id: str) -> bool:
    """Tell whether the store has the run, not deleted; `StoreError` if it cannot be read."""
    with _one_line_errors(store_uri):
        return _artifact_uri(store_uri, run_id) is not None


def current_id(store_uri: str, run_id: str) -> str:
    """Return the id in the store for a current or provisional run id; unknown ids unchanged."""
    with _one_line_errors(store_uri):
        if _artifact_uri(store_uri, run_id) is not None:
            return run_id
        database = _existing_database(store_uri)
        found = (
            by_sql.find_by_tag(database, PROVISIONAL_ID, run_id)
            if database
            else by_mlflow.find_by_tag(store_uri, PROVISIONAL_ID, run_id)
        )
        return found or run_id


def run_descriptions(store_uri: str, run_ids: Iterable[str]) -> dict[str, Record]:
    """Return the descriptions of runs by id, with the content of `run.json` in their folders."""
    required = set(run_ids)
    with _one_line_errors(store_uri):
        database = _existing_database(store_uri)
        found = by_sql.runs(database) if database else by_mlflow.runs(store_uri)
    return {
        run.run_id: {
            "name": run.name,
            "params": dict(run.params),
            "tags": {key: tag for key, tag in run.tags.items() if not key.startswith("mlflow.")},
            "parent_run_id": run.tags.get("mlflow.parentRunId"),
            "experiment": run.experiment,
        }
        for run in found
        if run.run_id in required
    }


def _artifact_uri(store_uri: str, run_id: str) -> str | None:
    database = _existing_database(store_uri)
    if database:
        return by_sql.artifact_uri(database, run_id)
    return by_mlflow.artifact_uri(store_uri, run_id)


@contextmanager
def _one_line_errors(store_uri: str) -> Iterator[None]:
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        raise StoreError(
            f"the tracking store {store_uri} cannot be read ({first_line(error)}); "
            "see that it is the one the runs were recorded in"
        ) from error


def _existing_database(store_uri: str) -> Path | None:
    """The file of a sqlite store, which must exist; None for other stores."""
    database = sqlite_path(store_uri)
    if database is not None and not database.is_file():
        raise StoreError(f"there is no tracking store at {database}; record a run, or name another")
    return database


def _local_folder(uri: str) -> Path | None:
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(uri) if parts.scheme == "" else None


def _beside(root: Path, path: str) -> list[str]:
    """Return what lies where `path` does not; without MLflow, whose import takes 2 s."""
    folder = (root / path).parent
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(entry.relative_to(root).as_posix() for entry in found)


def _listing(store_uri: str, run_id: str, folder: Path) -> list[str]:
    below = None if folder == Path() else folder.as_posix()
    return [entry.path for entry in connect(store_uri).list_artifacts(run_id, below)]


def _record(run: RunRow) -> Record:
    record: Record = {
        "run_id": run.run_id, "name": run.name, "status": run.status, "started": run.started_ms,
        "seconds": None if run.ended_ms is None else (run.ended_ms - run.started_ms) / 1000,
        "artifact_uri": run.artifact_uri, "experiment": run.experiment,
    }  # fmt: skip
    record |= {column: run.tags.get(tag) for tag, column in _TAG_COLUMNS.items()}
    record |= {f"param.{key}": value for key, value in run.params.items()}
    return record | {f"metric.{key}": value for key, value in run.last.items()}


def _run_frame(records: Sequence[Record]) -> pd.DataFrame:
    names = {key for record in records for key in record}
    params = sorted(name for name in names if name.startswith("param."))
    metrics = sorted(name for name in names if name.startswith("metric."))
    frame = pd.DataFrame(records, columns=[*RUN_COLUMNS, *params, *metrics])
    frame["started"] = pd.to_datetime(frame["started"], unit="ms", utc=True)
    for name in ("seconds", *metrics):
        frame[name] = _with_infinities(frame[name].astype("float64"))
    return frame


def _with_infinities(values: "pd.Series[float]") -> "pd.Series[float]":
    """Restore infinities, which MLflow stores as the largest finite number."""
    return values.replace({_MLFLOW_INFINITY: float("inf"), -_MLFLOW_INFINITY: float("-inf")})
