"""Send a store the data it missed while unreachable, from the folders of runs that have ended."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gausspg.tracking.addresses import with_credentials, without_credentials
from gausspg.tracking.client import StoreError, connect, first_line
from gausspg.tracking.folder import (
    METRICS,
    PROVENANCE_FILES,
    read_description,
    read_status,
    run_folders,
    write_status,
)
from gausspg.tracking.liveness import VANISHED, Claim, is_running
from gausspg.tracking.mirror import BATCH, FINAL_TABLE, read_points, to_entities
from gausspg.tracking.registration import register_run
from gausspg.tracking.runs import send_dataset, send_file, send_table


def undelivered(runs: Path) -> Iterator[Path]:
    """Yield the folders below `runs` of ended runs that the store has not received completely."""
    for folder in run_folders(runs):
        status = read_status(folder)
        lacks = status.get("unsent_from_byte") is not None or status.get("unsent")
        if (
            (lacks or status.get("awaits_store"))
            and status.get("run_id")
            and not is_running(folder)
        ):
            yield folder


def deliver(folder: Path) -> str:
    """Send the unsent data of the run in `folder`; return a summary of it.

    An interrupted call can be repeated: the store keeps one copy of a point with the same time,
    files overwrite each other, and the folder's status changes only at the end.

    Raises:
        StoreError: the store cannot be written; nothing is lost, try again.
    """
    try:
        with Claim(folder):
            status = read_status(folder)
            sent = _send(folder, status)
            write_status(
                folder, unsent_from_byte=None, unsent=[],
                **VANISHED if status["status"] == "RUNNING" else {},
            )  # fmt: skip
    except Exception as error:
        store = read_status(folder).get("store")
        raise StoreError(
            f"the store {store} does not take what it lacks of {folder.name} "
            f"({first_line(error)}); it is kept, try again when the store answers"
        ) from error
    return sent


def _send(folder: Path, status: dict[str, Any]) -> str:
    uri = with_credentials(without_credentials(status["store"]))
    client, run_id = connect(uri), register_run(folder, uri)
    offset, points = status.get("unsent_from_byte"), 0
    with_table = (folder / FINAL_TABLE).is_file()  # Runs of older versions have none.
    while offset is not None:
        batch, used = read_points(folder / METRICS, offset)
        if not used:
            break
        for first in range(0, len(batch), BATCH):
            client.log_batch(run_id, metrics=to_entities(batch[first : first + BATCH], with_table))
        offset, points = offset + used, points + len(batch)
    # A process that vanished left no list of unsent files.
    names = PROVENANCE_FILES if status["status"] == "RUNNING" else _named(status, "artifact")
    files = [name for name in names if (folder / name).is_file()]
    for name in files:
        send_file(client, run_id, folder, name)
    for path in map(folder.joinpath, _named(status, "table")):
        if path.is_file():
            send_table(client, run_id, path)
    described = read_description(folder)
    tags = described.get("tags", {})
    if "dataset" in described and "dataset" in (status.get("unsent") or []):
        send_dataset(client, run_id, described["dataset"])
    for key in _named(status, "tag"):
        if key in tags:
            client.set_tag(run_id, key, tags[key])
    if status.get("error"):
        client.set_tag(run_id, "error", status["error"])
    elif "error" in client.get_run(run_id).data.tags:
        client.delete_tag(run_id, "error")  # It went on while the store was away.
    final = status["status"] if status["status"] != "RUNNING" else VANISHED["status"]
    client.set_terminated(run_id, final, end_time=_milliseconds(status.get("ended")))
    return f"{points} points, {len(files)} files, status {final}"


def _named(status: dict[str, Any], kind: str) -> list[str]:
    """Return the names of the unsent items of a kind, from the labels of the recorder's tasks."""
    labels = [label.partition(" ") for label in status.get("unsent") or []]
    return [name for before, _, name in labels if before == kind]


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1000)
