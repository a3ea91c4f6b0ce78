"""Reading a sqlite store by SQL, on a connection that cannot write.

The tables and columns are those of MLflow 3 (`metrics`, `latest_metrics`, `params`, `tags`, `runs`,
`experiments`), stable since MLflow 1; a test compares every answer with MLflow's own.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

_VALUE = "CASE WHEN is_nan THEN NULL ELSE value END"

_Run = tuple[str, str, str, int, int | None, str, str]
Series = tuple[str, str, list[tuple[int, float | None]]]
"""Run id, metric, and its steps and values (None for NaN) in the order of steps and time."""


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


def series(
    database: Path, run_ids: Sequence[str], metrics: Sequence[str] | None
) -> Iterator[Series]:
    """Yield every metric (None: all there are) of every run, in the order of runs and metrics."""
    with closing(_read_only(database)) as connection:
        for run_id in sorted(run_ids):
            query = "SELECT key FROM latest_metrics WHERE run_uuid = ? ORDER BY key"
            logged = [key for (key,) in connection.execute(query, (run_id,))]
            for key in logged:
                if metrics is None or key in metrics:
                    # One index answers this in order, and no row repeats the run and the metric:
                    # half the time of asking for many runs at once.
                    yield (
                        run_id,
                        key,
                        connection.execute(
                            f"SELECT step, {_VALUE} FROM metrics WHERE run_uuid = ? AND key = ? "
                            "ORDER BY step, timestamp",
                            (run_id, key),
                        ).fetchall(),
                    )


def artifact_uri(database: Path, run_id: str) -> str | None:
    """Where a run keeps its artifacts; None for a run that is not there."""
    query = "SELECT artifact_uri FROM runs WHERE run_uuid = ? AND lifecycle_stage = 'active'"
    with closing(_read_only(database)) as connection:
        found: tuple[str] | None = connection.execute(query, (run_id,)).fetchone()
    return None if found is None else found[0]


def find_by_tag(database: Path, key: str, value: str) -> str | None:
    """The id of a run with a tag of this value; None if there is none."""
    query = (
        "SELECT run_uuid FROM tags JOIN runs USING (run_uuid) "
        "WHERE key = ? AND tags.value = ? AND lifecycle_stage = 'active'"
    )
    with closing(_read_only(database)) as connection:
        found: tuple[str] | None = connection.execute(query, (key, value)).fetchone()
    return None if found is None else found[0]


def _by_run(connection: sqlite3.Connection, query: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for run_id, key, value in connection.execute(query):
        found.setdefault(run_id, {})[key] = value
    return found


def _read_only(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=20)
