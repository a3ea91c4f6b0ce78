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


def share_view(
    store: Store, key: str, params: Sequence[str], metrics: Sequence[str], search: str = ""
) -> None:
    """Write a view; a store that does not take it leaves the address without one.

    Args:
        store: of the runs.
        key: by which the address names the view.
        params: whose columns are shown.
        metrics: likewise.
        search: MLflow's filter of runs, `tags.sweep_id = 'ID'`.
    """
    columns = [f"params.`{name}`" for name in params] + [f"metrics.`{name}`" for name in metrics]
    sections = [
        {"uuid": f"section-{name}", "name": name, "display": True, "isReordered": True,
         "deleted": False, "isGenerated": True}
        for name in _SECTIONS
    ]  # fmt: skip
    state = {
        "selectedColumns": columns, "searchFilter": search, "compareRunCharts": [],
        "compareRunSections": sections, "isAccordionReordered": True,
    }  # fmt: skip
    with suppress(Exception):
        connect(store.uri).set_experiment_tag(
            str(store.experiment_id), f"mlflow.sharedViewState.{key}", json.dumps(state)
        )
