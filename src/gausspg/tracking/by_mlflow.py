"""Reading any store through MLflow's own interface; slower than `by_sql`, with the same answers."""

from collections.abc import Iterator, Sequence
from typing import Any

from gausspg.tracking.by_sql import RunRow, Series
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


def series(
    store_uri: str, run_ids: Sequence[str], metrics: Sequence[str] | None
) -> Iterator[Series]:
    """See `by_sql.series`."""
    client = connect(store_uri)
    for run_id in sorted(run_ids):
        for key in sorted(client.get_run(run_id).data.metrics):
            if metrics is None or key in metrics:
                points = client.get_metric_history(run_id, key)
                points.sort(key=lambda point: (point.step, point.timestamp))
                yield run_id, key, [(point.step, point.value) for point in points]


def artifact_uri(store_uri: str, run_id: str) -> str | None:
    """See `by_sql.artifact_uri`."""
    from mlflow.exceptions import MlflowException

    try:
        info = connect(store_uri).get_run(run_id).info
        return str(info.artifact_uri) if info.lifecycle_stage == "active" else None
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def find_by_tag(store_uri: str, key: str, value: str) -> str | None:
    """See `by_sql.tagged`."""
    client = connect(store_uri)
    experiments = [str(e.experiment_id) for e in client.search_experiments()]
    quoted = value.replace("'", "")
    found = client.search_runs(experiments, f"tags.{key} = '{quoted}'", max_results=1)
    return str(found[0].info.run_id) if found else None


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
