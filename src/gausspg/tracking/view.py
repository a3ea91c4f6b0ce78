"""A view of MLflow's list of runs that an address opens: which runs, columns and charts first.

MLflow keeps what its own "Share" button makes as a tag of the experiment, under a key that the
address names; this writes one.
"""

import json
from collections.abc import Sequence
from contextlib import suppress

from gausspg.tracking.client import connect
from gausspg.tracking.store import Store

_SECTIONS = ("train", "eval", "policy", "gradient", "critic", "time")
"""Of the charts, in this order: those that are looked at first."""

_FIRST_CHART = {
    "type": "LINE", "uuid": "chart-return", "metricSectionId": "section-train",
    "metricKey": "train/return_mean", "selectedMetricKeys": ["train/return_mean"],
    "xAxisKey": "step", "scaleType": "linear", "xAxisScaleType": "linear",
    "runsCountToCompare": 10, "isGenerated": True, "deleted": False,
}  # fmt: skip


def share_view(
    store: Store,
    key: str,
    params: Sequence[str],
    metrics: Sequence[str],
    search: str = "",
    groups: Sequence[str] = (),
) -> bool:
    """Write a view; tell whether the store has taken it.

    Args:
        store: of the runs.
        key: by which the address names the view.
        params: whose columns are shown.
        metrics: likewise.
        groups: parameters by whose values runs are grouped, each with its mean; none: not grouped.
        search: MLflow's filter of runs, `tags.sweep_id = 'ID'`.
    """
    columns = [f"params.`{name}`" for name in params] + [f"metrics.`{name}`" for name in metrics]
    sections = [
        {"uuid": f"section-{name}", "name": name, "display": True, "isReordered": True,
         "deleted": False, "isGenerated": True}
        for name in _SECTIONS
    ]  # fmt: skip
    keys = [{"mode": "param", "groupByData": name} for name in groups]
    grouping = {"aggregateFunction": "average", "groupByKeys": keys} if keys else None
    state = {
        "selectedColumns": columns, "columnOrder": columns,
        # Wide enough for the names, which begin alike.
        "columnWidths": {name: max(90, 7 * len(name) - 40) for name in columns},
        "searchFilter": search, "groupBy": grouping,
        "compareRunCharts": [_FIRST_CHART], "compareRunSections": sections,
        "isAccordionReordered": True,
    }  # fmt: skip
    if store.experiment_id is None:
        return False  # its server was away when the run began
    with suppress(Exception):
        connect(store.uri).set_experiment_tag(
            str(store.experiment_id), f"mlflow.sharedViewState.{key}", json.dumps(state)
        )
        return True
    return False
