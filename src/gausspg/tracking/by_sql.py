"""Reading a sqlite store by SQL, on a connection that cannot write.

The tables and columns are those of MLflow 3 (`metrics`, `latest_metrics`, `params`, `tags`, `runs`,
`experiments`), stable since MLflow 1; a test compares every answer with MLflow's own.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

_VALUE = "CASE WHEN is_nan THEN NULL ELSE value END"
_CHUNK = 500

_Run = tuple[str, str, str, int, int | None, str, str]
PointRow = tuple[str, int, str, float | None]
"""Run id, step, metric, value (None for NaN)."""


class RunRow(NamedTuple):
    """What a store knows of one run; times in milliseconds since the epoch."""

    run_id: str
    name: str
    status: str
    started_ms: int
    ended_ms: int | None
    artifact_uri: str
    experiment: str
    tags: Mapping[str, str] = {}
    params: Mapping[str, str] = {}
    last: Mapping[str, float | None] = {}


def runs(database: Path) -> list[RunRow]:
    """Every run that has not been deleted, oldest first."""
    with closing(_read_only(database)) as connection:
        tags = _by_run(connection, "SELECT run_uuid, key, value FROM tags")
        params = _by_run(connection, "SELECT run_uuid, key, value FROM params")
        last = _by_run(connection, f"SELECT run_uuid, key, {_VALUE} FROM latest_metrics")
        rows: list[_Run] = connection.execute(
            "SELECT run_uuid, runs.name, status, start_time, end_time, runs.artifact_uri, "
            "experiments.name FROM runs JOIN experiments USING (experiment_id) "
            "WHERE runs.lifecycle_stage = 'active' AND experiments.lifecycle_stage = 'active' "
            "ORDER BY start_time, run_uuid"
        ).fetchall()
    return [
        RunRow(*row, tags.get(row[0], {}), params.get(row[0], {}), last.get(row[0], {}))
        for row in rows
    ]


def points(database: Path, run_ids: Sequence[str], metrics: Sequence[str]) -> list[PointRow]:
    """Every value of the metrics in the runs, ordered by run, metric, step and time."""
    rows: list[PointRow] = []
    ordered = sorted(run_ids)
    names = ",".join("?" * len(metrics))
    with closing(_read_only(database)) as connection:
        for first in range(0, len(ordered), _CHUNK):
            chunk = ordered[first : first + _CHUNK]
            rows += connection.execute(
                f"SELECT run_uuid, step, key, {_VALUE} FROM metrics WHERE run_uuid IN "
                f"({','.join('?' * len(chunk))}) AND key IN ({names}) "
                "ORDER BY run_uuid, key, step, timestamp",
                (*chunk, *metrics),
            ).fetchall()
    return rows


def _by_run(connection: sqlite3.Connection, query: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for run_id, key, value in connection.execute(query):
        found.setdefault(run_id, {})[key] = value
    return found


def _read_only(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=20)
