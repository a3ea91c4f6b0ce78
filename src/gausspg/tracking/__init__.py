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
from gausspg.tracking.mirror import FINAL_TABLE, in_table
from gausspg.tracking.model import write_model
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
from gausspg.tracking.runs import (
    add_artifacts,
    add_text,
    add_to_note,
    record_vanished,
    set_status,
)
from gausspg.tracking.store import (
    ServerUnreachableError,
    Store,
    default_uri,
    is_server,
    open_store,
    unreachable_store,
)
from gausspg.tracking.sweep import SweepRecorder, markdown, sweep_tags
from gausspg.tracking.view import share_view

__all__ = [
    "FINAL_TABLE",
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
    "add_to_note",
    "artifact_file",
    "current_id",
    "default_uri",
    "deliver",
    "find_runs",
    "has_run",
    "in_table",
    "is_running",
    "is_server",
    "markdown",
    "metric_history",
    "open_store",
    "read_description",
    "read_metrics",
    "read_status",
    "record_vanished",
    "run_descriptions",
    "run_folders",
    "set_status",
    "share_view",
    "sweep_tags",
    "undelivered",
    "unreachable_store",
    "with_credentials",
    "without_credentials",
    "write_atomically",
    "write_description",
    "write_model",
    "write_status",
]
