"""Taking in runs that somebody else exported: their folders, as training leaves them, and a store.

A run's folder is made aside and then moved to its place, as that of a run which has ended while its
store was away; the store then receives it as `sync.py` would send it. So an import that is killed
goes on when it is repeated, and one that is repeated adds nothing.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from filelock import FileLock, Timeout

from gausspg.records import reading, shared
from gausspg.records.reading import RecordError
from gausspg.records.shared import SharedError, SharedRun
from gausspg.tracking import (
    ServerAwayError,
    deliver,
    open_store,
    read_status,
    run_folders,
    without_credentials,
    write_description,
    write_status,
)

_ASIDE = ".importing"
_DESCRIPTION = ("name", "params", "tags", "experiment")


@dataclass(frozen=True)
class Imported:
    """What an import found and did.

    Attributes:
        new: folders of runs that were not here before.
        known: number of runs that were.
    """

    new: Sequence[Path]
    known: int


def take_in(
    folder: Path, runs: Path, uri: str, tell: Callable[[str], object] = lambda line: None
) -> Imported:
    """Add the runs of a shared folder to those in `runs`, and to the store.

    Args:
        folder: that `gausspg.records.exported.export` wrote.
        runs: the folder of all runs.
        uri: of the store.
        tell: receives a line per run that has arrived there.

    Raises:
        SharedError: the folder is not whole, or a run's place is taken; nothing was added.
        StoreError: the store does not take it. If it cannot be opened nothing was added; else
            repeat the import.
        OSError: the runs that were added by then are whole; repeat the import.
    """
    found = shared.read(folder)
    for run in found:
        _check(folder / run.folder)
    runs.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(runs / f"{_ASIDE}.lock", timeout=0):
            return _take_in(folder, found, runs, uri, tell)
    except Timeout as error:
        raise SharedError(f"another import into {runs} is at work: wait for its end") from error


def _check(folder: Path) -> None:
    """Refuse what could not be used later, before anything is written."""
    run = shared.run_in(folder)
    shared.to_lines(folder / shared.METRICS)
    if run["status"] == "FINISHED" and run["tags"].get("kind") != "sweep":
        try:
            reading.from_folder(folder)
        except RecordError as error:
            raise SharedError(str(error)) from error


def _take_in(
    folder: Path,
    found: Sequence[SharedRun],
    runs: Path,
    uri: str,
    tell: Callable[[str], object],
) -> Imported:
    here = _here(runs)
    known = {run.id: here[run.id] for run in found if run.id in here}
    new = _places([run for run in found if run.id not in known], known, runs)
    for experiment in {shared.run_in(folder / run.folder)["experiment"] for run in found}:
        try:
            open_store(uri, runs, experiment)
        except ServerAwayError as error:
            print(f"the tracking server is away, python src/sync.py sends it what is new ({error})")
    aside = runs / _ASIDE
    shutil.rmtree(aside, ignore_errors=True)
    try:
        for run in found:
            if run.id in new:
                _build(folder / run.folder, run, aside / run.folder, uri)
                (aside / run.folder).replace(new[run.id])
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    for path in (known | new).values():
        if read_status(path).get("awaits_store") or read_status(path).get("unsent"):
            tell(f"{path.name}: {deliver(path)}")
    return Imported(list(new.values()), len(known))


def _here(runs: Path) -> dict[str, Path]:
    """Return the folders of all runs by every id they ever had."""
    found: dict[str, Path] = {}
    for path in run_folders(runs):
        status = read_status(path)
        found |= {str(status[key]): path for key in ("run_id", "begun_as") if status.get(key)}
    return found


def _places(found: Sequence[SharedRun], known: Mapping[str, Path], runs: Path) -> dict[str, Path]:
    """Return where each run's folder is to lie; those of a sweep in the sweep's."""
    places: dict[str, Path] = {}
    for run in found:
        above = runs if run.parent is None else {**known, **places}[run.parent]
        places[run.id] = above / run.folder
        if places[run.id].exists():
            raise SharedError(f"{places[run.id]} belongs to another run: move it away")
    return places


def _build(source: Path, run: SharedRun, target: Path, uri: str) -> None:
    """Make a run's folder as its training left it, but for checkpoints and the animation."""
    target.mkdir(parents=True)
    sent = [name for name in shared.ARTIFACTS if name in run.files]
    for name in (*sent, *({shared.TABLE} & set(run.files))):
        shutil.copyfile(source / name, target / name)
    (target / "metrics.jsonl").write_bytes(shared.to_lines(source / shared.METRICS))
    recorded = shared.run_in(source)
    described = {name: recorded[name] for name in _DESCRIPTION}
    write_description(target, **described, parent_run_id=run.parent)
    labels = [f"artifact {name}" for name in sent]
    labels += [f"table {shared.TABLE}"] if shared.TABLE in run.files else []
    is_whole = recorded["status"] == "FINISHED" and recorded["tags"].get("kind") != "sweep"
    write_status(
        target, status=recorded["status"], error=recorded.get("error"), name=recorded["name"],
        run_id=run.id, store=without_credentials(uri), pid=None, host=None,
        started=recorded["started"], ended=recorded.get("ended"), unsent_from_byte=0,
        unsent=[*labels, "status"], awaits_store=True,
        # Only a finished run is there to be found again: to go on, others lack their checkpoint.
        identity=_identity(source) if is_whole else None,
    )  # fmt: skip


def _identity(source: Path) -> dict[str, str]:
    content = yaml.safe_load((source / shared.PROVENANCE).read_text("utf-8"))
    return {name: str(content["identity"][name]) for name in ("config", "source", "environment")}
