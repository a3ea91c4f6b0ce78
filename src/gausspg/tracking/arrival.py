"""Bringing into a store a run that its folder knows and the store does not.

It began while the server was away, or comes from somebody else's store. Until it arrives it has an
id of its own; then its `status.json` holds the store's, and the former as `begun_as`, which is also
a tag, so that both ids find it.
"""

from pathlib import Path

from gausspg.tracking.client import StoreError
from gausspg.tracking.folder import read_description, read_status, write_status
from gausspg.tracking.runs import BEGUN_AS, create_run
from gausspg.tracking.store import open_store, sqlite_path


def arrive(folder: Path, uri: str) -> str:
    """Return the id in its store of the run in `folder`, which is created if it is not there yet.

    The store is that of the run; `uri` is its address, with the credentials that it asks for.

    To be killed in the middle does no harm: what the store has by then is found by its tag. Only
    the process that has claimed the folder may call this.

    Raises:
        StoreError: the store does not take it, or has not got the sweep it belongs to.
    """
    status = read_status(folder)
    if not status.get("awaits_store"):
        return str(status["run_id"])
    described = read_description(folder)
    tags = described["tags"] | {BEGUN_AS: status["run_id"]}
    parent = _parent(folder, described["parent_run_id"])
    if parent is not None:
        tags["mlflow.parentRunId"] = parent
    database = sqlite_path(uri)
    store = open_store(uri, database.parent if database else folder, described["experiment"])
    run_id = create_run(store, described["name"], described["params"], tags, status["started"])
    write_status(folder, run_id=run_id, begun_as=status["run_id"], awaits_store=False)
    return run_id


def _parent(folder: Path, recorded: str | None) -> str | None:
    """Return the id that the run's sweep has in the store now."""
    status = read_status(folder.parent)
    if recorded is None or recorded not in (status.get("run_id"), status.get("begun_as")):
        return recorded
    if status.get("awaits_store"):
        raise StoreError(f"the sweep {folder.parent.name} is not there yet")
    return str(status["run_id"])
