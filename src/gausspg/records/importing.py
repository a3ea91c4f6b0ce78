"""Import runs that somebody else exported: write their folders and send them to a store.

Each run's folder is built in a staging folder and then moved into place, in the state of a run that
ended while its server was unreachable; it is then sent as `sync.py` does. An interrupted import can
be repeated, and a repeated one adds nothing.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from filelock import FileLock, Timeout

from gausspg.records import model, reading, shared
from gausspg.records.reading import RecordError
from gausspg.records.shared import SharedError, SharedRun
from gausspg.tracking import (
    ServerUnreachableError,
    deliver,
    open_store,
    read_status,
    run_folders,
    without_credentials,
    write_description,
    write_status,
)

_STAGING = ".importing"
_DESCRIPTION = ("name", "params", "tags", "experiment")


@dataclass(frozen=True)
class ImportResult:
    """Result of an import.

    Attributes:
        new: folders of the runs that were added.
        known: number of runs that had been imported before.
    """

    new: Sequence[Path]
    known: int


def import_runs(
    folder: Path, runs: Path, uri: str, tell: Callable[[str], object] = lambda line: None
) -> ImportResult:
    """Add the runs of an exported folder to those in `runs`, and to the store.

    Args:
        folder: written by `gausspg.records.exporting.export_runs`.
        runs: the folder of all runs.
        uri: of the store.
        tell: called with one line per run that was sent to the store.

    Raises:
        SharedError: the folder is incomplete, or another run has the same folder; nothing was
            added.
        StoreError: the store cannot be written. If it cannot be opened, nothing was added; else
            repeat the import.
        OSError: a file cannot be written. Runs added so far are complete; repeat the import.
    """
    found = shared.read(folder)
    for run in found:
        _check(folder / run.folder)
    runs.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(runs / f"{_STAGING}.lock", timeout=0):
            return _import_locked(folder, found, runs, uri, tell)
    except Timeout as error:
        raise SharedError(f"another import into {runs} is at work: wait for its end") from error


def _check(folder: Path) -> None:
    """Refuse a run that could not be used later, before anything is written."""
    run = shared.run_in(folder)
    shared.to_lines(folder / shared.METRICS)
    if run["status"] == "FINISHED" and run["tags"].get("kind") != "sweep":
        try:
            reading.from_folder(folder)
        except RecordError as error:
            raise SharedError(str(error)) from error


def _import_locked(
    folder: Path,
    found: Sequence[SharedRun],
    runs: Path,
    uri: str,
    tell: Callable[[str], object],
) -> ImportResult:
    here = _folders_by_id(runs)
    known = {run.id: here[run.id] for run in found if run.id in here}
    new = _target_folders([run for run in found if run.id not in known], known, runs)
    for experiment in {shared.run_in(folder / run.folder)["experiment"] for run in found}:
        try:
            open_store(uri, runs, experiment)
        except ServerUnreachableError as error:
            print(f"the tracking server is away, python src/sync.py sends it what is new ({error})")
    staging = runs / _STAGING
    shutil.rmtree(staging, ignore_errors=True)
    try:
        for run in found:
            if run.id in new:
                _build(folder / run.folder, run, staging / run.folder, uri)
                (staging / run.folder).replace(new[run.id])
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    for path in (known | new).values():
        if read_status(path).get("awaits_store") or read_status(path).get("unsent"):
            tell(f"{path.name}: {deliver(path)}")
    return ImportResult(list(new.values()), len(known))


def _folders_by_id(runs: Path) -> dict[str, Path]:
    """Return the folders of all runs, by current and by provisional id."""
    found: dict[str, Path] = {}
    for path in run_folders(runs):
        status = read_status(path)
        found |= {str(status[key]): path for key in ("run_id", "begun_as") if status.get(key)}
    return found


def _target_folders(
    found: Sequence[SharedRun], known: Mapping[str, Path], runs: Path
) -> dict[str, Path]:
    """Return the folder of each new run by id; runs of a sweep lie in the sweep's folder."""
    places: dict[str, Path] = {}
    for run in found:
        above = runs if run.parent is None else {**known, **places}[run.parent]
        places[run.id] = above / run.folder
        if places[run.id].exists():
            raise SharedError(f"{places[run.id]} belongs to another run: move it away")
    return places


def _build(source: Path, run: SharedRun, target: Path, uri: str) -> None:
    """Write a run's folder as training leaves it, without checkpoints and animation."""
    target.mkdir(parents=True)
    sent = [name for name in shared.ARTIFACTS if name in run.files]
    tables = [name for name in shared.TABLES if name in run.files]
    for name in (*sent, *tables):
        shutil.copyfile(source / name, target / name)
    (target / "metrics.jsonl").write_bytes(shared.to_lines(source / shared.METRICS))
    recorded = shared.run_in(source)
    described = {name: recorded[name] for name in _DESCRIPTION}
    described |= {"dataset": recorded["dataset"]} if "dataset" in recorded else {}
    write_description(target, **described, parent_run_id=run.parent)
    labels = [f"artifact {name}" for name in sent]
    labels += [f"table {name}" for name in tables]
    is_whole = recorded["status"] == "FINISHED" and recorded["tags"].get("kind") != "sweep"
    if is_whole:
        files = [path.relative_to(target).as_posix() for path in model.write(target)]
        labels += [f"artifact {name}" for name in files]
    labels += ["dataset"] if "dataset" in described else []
    write_status(
        target, status=recorded["status"], error=recorded.get("error"), name=recorded["name"],
        run_id=run.id, store=without_credentials(uri), pid=None, host=None,
        started=recorded["started"], ended=recorded.get("ended"), unsent_from_byte=0,
        unsent=[*labels, "status"], awaits_store=True,
        # Others lack their checkpoint and cannot be resumed, so they must not match by identity.
        identity=_identity(source) if is_whole else None,
    )  # fmt: skip


def _identity(source: Path) -> dict[str, str]:
    content = yaml.safe_load((source / shared.PROVENANCE).read_text("utf-8"))
    return {name: str(content["identity"][name]) for name in ("config", "source", "environment")}
