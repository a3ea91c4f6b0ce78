"""Reading any store through MLflow's own interface; slower than `by_sql`, with the same answers."""

from collections.abc import Sequence
from typing import Any

from gausspg.tracking.by_sql import PointRow, RunRow
from gausspg.tracking.client import connect

_PAGE = 1000


def runs(store_uri: str) -> list[RunRow]:
    """See `by_sql.runs`."""
    client = connect(store_uri)
    experiments = {str(e.experiment_id): str(e.name) for e in client.search_experiments()}
    found: list[Any] = []
    token: str | None = None
    while experiments:
        page = client.search_runs(list(experiments), max_results=_PAGE, page_token=token)
        found += page
        token = page.token
        if not token:
            break
    rows = [_row(run, experiments[run.info.experiment_id]) for run in found]
    return sorted(rows, key=lambda row: (row.started_ms, row.run_id))


def points(store_uri: str, run_ids: Sequence[str], metrics: Sequence[str]) -> list[PointRow]:
    """See `by_sql.points`."""
    client = connect(store_uri)
    return [
        (run_id, point.step, name, point.value)
        for run_id in sorted(run_ids)
        for name in sorted(metrics)
        for point in sorted(
            client.get_metric_history(run_id, name), key=lambda p: (p.step, p.timestamp)
        )
    ]


def _row(run: Any, experiment: str) -> RunRow:
    return RunRow(
        run_id=run.info.run_id,
        name=run.info.run_name,
        status=run.info.status,
        started_ms=run.info.start_time,
        ended_ms=run.info.end_time,
        artifact_uri=run.info.artifact_uri,
        experiment=experiment,
        tags=run.data.tags,
        params=run.data.params,
        last=run.data.metrics,
    )
