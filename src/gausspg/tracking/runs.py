"""Create, delete and reopen MLflow runs, and change them from outside the run's process."""

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from gausspg.tracking.client import StoreError, connect, first_line
from gausspg.tracking.folder import read_status, write_status
from gausspg.tracking.liveness import VANISHED, Claim
from gausspg.tracking.store import Store, is_server

Parameter = str | int | float | bool | None
FinalStatus = Literal["FINISHED", "FAILED", "KILLED"]

PROVISIONAL_ID = "begun_as"
"""Tag with the id of a run from before this store had it: its server was unreachable, or the run
was imported."""

NOTE = "mlflow.note.content"
"""The tag that MLflow's page shows as a run's description, in Markdown."""

LONGEST_TAG = 5000
_LONGEST_PARAMETER = 6000
_PARAMETERS_PER_BATCH = 100


def create_run(
    store: Store,
    name: str,
    params: Mapping[str, Parameter],
    tags: Mapping[str, str],
    started: float,
) -> str:
    """Create a run with its parameters and tags and return its id; on failure nothing is left.

    `started` is in seconds since the epoch. If the tags hold a provisional id and the store already
    has a run with that tag, left by an interrupted attempt, that run is used.

    Raises:
        StoreError: the store does not accept it.
    """
    from mlflow.entities import Param

    entries = [Param(key, str(value)[:_LONGEST_PARAMETER]) for key, value in params.items()]
    run_id: str | None = None
    try:
        client = connect(store.uri)
        known = (
            find_by_provisional_id(store, tags[PROVISIONAL_ID]) if PROVISIONAL_ID in tags else None
        )
        run_id = known or str(
            client.create_run(
                str(store.experiment_id), int(started * 1000), dict(tags), name
            ).info.run_id
        )
        for first in range(0, len(entries), _PARAMETERS_PER_BATCH):
            client.log_batch(run_id, params=entries[first : first + _PARAMETERS_PER_BATCH])
    except Exception as error:
        # What a server has of it is found again by its tag; to delete that may fail as well.
        if run_id is not None and not is_server(store.uri):
            delete_run(store, run_id)
        raise StoreError(
            f"run {name} cannot be recorded in {store.uri} ({first_line(error)}), so it was not "
            "begun; see that the store answers and start again"
        ) from error
    return run_id


def find_by_provisional_id(store: Store, run_id: str) -> str | None:
    """Return the id in the store of the run with the provisional id `run_id`, or None."""
    found = connect(store.uri).search_runs(
        [str(store.experiment_id)], f"tags.{PROVISIONAL_ID} = '{run_id}'", max_results=1
    )
    return str(found[0].info.run_id) if found else None


def delete_run(store: Store, run_id: str) -> None:
    """Delete a run that could not be started; errors of the store are ignored."""
    with suppress(Exception):
        connect(store.uri).delete_run(run_id)


def reopen_run(store: Store, run_id: str) -> None:
    """Set a run that ended to RUNNING and remove its error tag; raises `StoreError`."""
    try:
        client = connect(store.uri)
        client.update_run(run_id, status="RUNNING")
        if "error" in client.get_run(run_id).data.tags:
            client.delete_tag(run_id, "error")
    except Exception as error:
        raise StoreError(
            f"run {run_id} cannot go on in {store.uri} ({first_line(error)}); if it was deleted "
            "there, run it again from the start with existing=rerun"
        ) from error


def add_artifacts(store_uri: str, run_id: str, folder: Path, path: str) -> None:
    """Add the files of a folder to a run's artifacts below `path`; the run may have ended.

    Raises `StoreError` if the store does not take them.
    """
    try:
        connect(store_uri).log_artifacts(run_id, str(folder), path)
    except Exception as problem:
        raise StoreError(
            f"the store {store_uri} did not take {folder} for run {run_id} "
            f"({first_line(problem)}); the folder is complete, add it again when the store answers"
        ) from problem


def send_file(client: Any, run_id: str, folder: Path, name: str) -> None:
    """Log the file `folder/name` as the artifact `name`, which may have folders in it."""
    above = Path(name).parent.as_posix()
    client.log_artifact(run_id, str(folder / name), None if above == "." else above)


def send_dataset(client: Any, run_id: str, dataset: Mapping[str, str]) -> None:
    """Log what a run trains on as its input; `dataset` has the fields of MLflow's `Dataset`."""
    from mlflow.entities import Dataset, DatasetInput

    client.log_inputs(run_id, datasets=[DatasetInput(Dataset(**dataset))])


def send_table(client: Any, run_id: str, path: Path) -> None:
    """Log a JSON file of columns as a table for the UI, unless the run already has it."""
    if path.name not in {entry.path for entry in client.list_artifacts(run_id)}:
        client.log_table(run_id, json.loads(path.read_text("utf-8")), path.name)


def add_text(store_uri: str, run_id: str, name: str, content: str) -> None:
    """Add a text to a run's artifacts; the run may have ended. Raises `StoreError`."""
    try:
        connect(store_uri).log_text(run_id, content, name)
    except Exception as problem:
        raise StoreError(
            f"the store {store_uri} did not take {name} for run {run_id} ({first_line(problem)})"
        ) from problem


def add_to_note(store_uri: str, run_id: str, heading: str, content: str) -> None:
    """Put a section at the end of a run's description, in place of one of the same heading.

    Raises `StoreError` if the store does not take it.
    """
    try:
        client = connect(store_uri)
        before = client.get_run(run_id).data.tags.get(NOTE, "").partition(f"## {heading}")[0]
        section = f"\n\n## {heading}\n\n{content}"[:LONGEST_TAG]
        note = before.rstrip()[: LONGEST_TAG - len(section)] + section
        client.set_tag(run_id, NOTE, note.strip())
    except Exception as problem:
        raise StoreError(
            f"the store {store_uri} did not take the description of run {run_id} "
            f"({first_line(problem)})"
        ) from problem


def set_status(
    store: Store, run_id: str, status: FinalStatus, error: str | None, folder: Path | None = None
) -> None:
    """Set the final status of a run whose process was killed before it could.

    With `folder` its `status.json` is corrected too; that is all where the store does not know the
    run yet. Raises `StoreError` if the store does not
    take it.
    """
    if folder is not None and folder.is_dir():
        write_status(folder, status=status, error=error, ended=time.time())
        if read_status(folder).get("awaits_store"):
            return
    try:
        client = connect(store.uri)
        if error is not None:
            client.set_tag(run_id, "error", error[:LONGEST_TAG])
        client.set_terminated(run_id, status)
    except Exception as problem:
        raise StoreError(
            f"the store {store.uri} did not take status {status} of run {run_id} "
            f"({first_line(problem)}); it keeps the old one until the store answers"
        ) from problem


def record_vanished(store: Store, folder: Path) -> dict[str, Any]:
    """Record a run as KILLED if its process vanished; return the status of the run.

    A run that has ended or resumed in the meantime keeps its status.

    Raises:
        StoreError: the store cannot be written.
        OSError: the run's folder cannot be written.
    """
    with suppress(BlockingIOError), Claim(folder):
        status = read_status(folder)
        if status["status"] == "RUNNING":
            set_status(store, status["run_id"], "KILLED", VANISHED["error"], folder)
    return read_status(folder)
