"""Create in the store a run that exists only as a folder.

Such a run started while the server was unreachable, or was imported from another store. Until it is
registered it has a provisional id. Afterwards its `status.json` holds the id of the store, and the
provisional one as `begun_as`, which is also a tag: either id finds the run.
"""

from pathlib import Path

from gausspg.tracking.client import StoreError
from gausspg.tracking.folder import read_description, read_status, write_status
from gausspg.tracking.runs import PROVISIONAL_ID, create_run
from gausspg.tracking.store import open_store, sqlite_path


def register_run(folder: Path, uri: str) -> str:
    """Return the id in the store of the run in `folder`; create the run there if it is missing.

    `uri` is the address of the run's store, with the credentials that it requires.

    An interrupted call can be repeated: a run it had created is found by its tag. Only the process
    that holds the folder's `Claim` may call this.

    Raises:
        StoreError: the store cannot be written, or the sweep of the run is not registered yet.
    """
    status = read_status(folder)
    if not status.get("awaits_store"):
        return str(status["run_id"])
    described = read_description(folder)
    tags = described["tags"] | {PROVISIONAL_ID: status["run_id"]}
    parent = _parent(folder, described["parent_run_id"])
    if parent is not None:
        tags["mlflow.parentRunId"] = parent
    database = sqlite_path(uri)
    store = open_store(uri, database.parent if database else folder, described["experiment"])
    run_id = create_run(store, described["name"], described["params"], tags, status["started"])
    write_status(folder, run_id=run_id, begun_as=status["run_id"], awaits_store=False)
    return run_id


def _parent(folder: Path, recorded: str | None) -> str | None:
    """Return the current id in the store of the run's sweep."""
    status = read_status(folder.parent)
    if recorded is None or recorded not in (status.get("run_id"), status.get("begun_as")):
        return recorded
    if status.get("awaits_store"):
        raise StoreError(f"the sweep {folder.parent.name} is not there yet")
    return str(status["run_id"])
