"""Recording runs and sweeps in their folders and in MLflow, and reading them back.

The only package that imports mlflow, and only when it is used; imports no other package of gausspg.
"""

from gausspg.tracking.addresses import with_credentials, without_credentials
from gausspg.tracking.client import StoreError
from gausspg.tracking.delivery import deliver, undelivered
from gausspg.tracking.folder import (
    PROVENANCE_FILES,
    read_description,
    read_metrics,
    read_status,
    run_folders,
    write_atomically,
    write_description,
    write_status,
)
from gausspg.tracking.liveness import VANISHED, is_running
from gausspg.tracking.reading import (
    RUN_COLUMNS,
    artifact_file,
    current_id,
    find_runs,
    has_run,
    metric_history,
    run_descriptions,
)
from gausspg.tracking.recorder import Recorder
from gausspg.tracking.runs import add_artifacts, add_text, record_vanished, set_status
from gausspg.tracking.store import (
    ServerUnreachableError,
    Store,
    default_uri,
    is_server,
    open_store,
    unreachable_store,
)
from gausspg.tracking.sweep import SweepRecorder, sweep_tags

__all__ = [
    "PROVENANCE_FILES",
    "RUN_COLUMNS",
    "VANISHED",
    "Recorder",
    "ServerUnreachableError",
    "Store",
    "StoreError",
    "SweepRecorder",
    "add_artifacts",
    "add_text",
    "artifact_file",
    "current_id",
    "default_uri",
    "deliver",
    "find_runs",
    "has_run",
    "is_running",
    "is_server",
    "metric_history",
    "open_store",
    "read_description",
    "read_metrics",
    "read_status",
    "record_vanished",
    "run_descriptions",
    "run_folders",
    "set_status",
    "sweep_tags",
    "undelivered",
    "unreachable_store",
    "with_credentials",
    "without_credentials",
    "write_atomically",
    "write_description",
    "write_status",
]
