"""The only door to MLflow: open a store, record a run, record a sweep, read runs back.

Importing it does not import mlflow; using it does.
"""

from gausspg.tracking.addresses import with_credentials, without_credentials
from gausspg.tracking.client import StoreError
from gausspg.tracking.delivery import deliver, undelivered
from gausspg.tracking.folder import (
    ORIGIN,
    read_description,
    read_metrics,
    read_status,
    run_folders,
    write_description,
    write_status,
    write_whole,
)
from gausspg.tracking.liveness import VANISHED, is_running
from gausspg.tracking.reading import (
    RUN_COLUMNS,
    artifact_file,
    current_id,
    described,
    find_runs,
    has_run,
    metric_history,
)
from gausspg.tracking.recorder import Recorder
from gausspg.tracking.runs import add_artifacts, add_text, record_end, set_status
from gausspg.tracking.store import (
    ServerAwayError,
    Store,
    away,
    default_uri,
    is_server,
    open_store,
)
from gausspg.tracking.sweep import SweepRecorder, sweep_tags

__all__ = [
    "ORIGIN",
    "RUN_COLUMNS",
    "VANISHED",
    "Recorder",
    "ServerAwayError",
    "Store",
    "StoreError",
    "SweepRecorder",
    "add_artifacts",
    "add_text",
    "artifact_file",
    "away",
    "current_id",
    "default_uri",
    "deliver",
    "described",
    "find_runs",
    "has_run",
    "is_running",
    "is_server",
    "metric_history",
    "open_store",
    "read_description",
    "read_metrics",
    "read_status",
    "record_end",
    "run_folders",
    "set_status",
    "sweep_tags",
    "undelivered",
    "with_credentials",
    "without_credentials",
    "write_description",
    "write_status",
    "write_whole",
]
