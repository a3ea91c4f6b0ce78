"""Bringing an MLflow run into being, taking it back, and setting its status from outside."""

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

from gausspg.tracking.client import StoreError, connect, explain
from gausspg.tracking.folder import write_status
from gausspg.tracking.store import Store

Parameter = str | int | float | bool | None
FinalStatus = Literal["FINISHED", "FAILED", "KILLED"]

LONGEST_TAG = 5000
_LONGEST_PARAMETER = 6000
_PARAMETERS_PER_BATCH = 100


def create_run(
    store: Store, name: str, params: Mapping[str, Parameter], tags: Mapping[str, str]
) -> str:
    """Create a run with its parameters and tags, or nothing and a `StoreError`."""
    from mlflow.entities import Param

    entries = [Param(key, str(value)[:_LONGEST_PARAMETER]) for key, value in params.items()]
    run_id: str | None = None
    try:
        client = connect(store.uri)
        run_id = str(
            client.create_run(store.experiment_id, tags=dict(tags), run_name=name).info.run_id
        )
        for first in range(0, len(entries), _PARAMETERS_PER_BATCH):
            client.log_batch(run_id, params=entries[first : first + _PARAMETERS_PER_BATCH])
    except Exception as error:
        if run_id is not None:
            forget_run(store, run_id)
        raise StoreError(
            f"run {name} cannot be recorded in {store.uri} ({explain(error)}), so it was not "
            "begun; see that the store answers and start again"
        ) from error
    return run_id


def forget_run(store: Store, run_id: str) -> None:
    """Delete a run that could not be begun, as far as the store lets us."""
    with suppress(Exception):
        connect(store.uri).delete_run(run_id)


def reopen_run(store: Store, run_id: str) -> None:
    """Let a run that ended be RUNNING again, or raise `StoreError`."""
    try:
        connect(store.uri).update_run(run_id, status="RUNNING")
    except Exception as error:
        raise StoreError(
            f"run {run_id} cannot go on in {store.uri} ({explain(error)}); if it was deleted "
            "there, run it anew with existing=rerun"
        ) from error


def add_artifacts(store_uri: str, run_id: str, folder: Path, path: str) -> None:
    """Add the files of a folder to a run's artifacts below `path`, after it has ended too.

    Raises `StoreError` if the store does not take them.
    """
    try:
        connect(store_uri).log_artifacts(run_id, str(folder), path)
    except Exception as problem:
        raise StoreError(
            f"the store {store_uri} did not take {folder} for run {run_id} ({explain(problem)}); "
            "the folder is complete, add it again when the store answers"
        ) from problem


def add_text(store_uri: str, run_id: str, name: str, content: str) -> None:
    """Add a text to a run's artifacts, after it has ended too; `StoreError` if it is not taken."""
    try:
        connect(store_uri).log_text(run_id, content, name)
    except Exception as problem:
        raise StoreError(
            f"the store {store_uri} did not take {name} for run {run_id} ({explain(problem)})"
        ) from problem


def set_status(
    store: Store, run_id: str, status: FinalStatus, error: str | None, folder: Path | None = None
) -> None:
    """Set right a run whose own process could not, because it was killed.

    With `folder` its `status.json` is corrected too. Raises `StoreError` if the store does not
    take it.
    """
    if folder is not None and folder.is_dir():
        write_status(folder, status=status, error=error, ended=time.time())
    try:
        client = connect(store.uri)
        if error is not None:
            client.set_tag(run_id, "error", error[:LONGEST_TAG])
        client.set_terminated(run_id, status)
    except Exception as problem:
        raise StoreError(
            f"the store {store.uri} did not take status {status} of run {run_id} "
            f"({explain(problem)}); it keeps the old one until the store answers"
        ) from problem
