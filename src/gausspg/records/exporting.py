"""Export runs from their folders into a new folder, for somebody else."""

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from gausspg.records import reading, shared
from gausspg.records.reading import RecordError
from gausspg.records.shared import SharedError, SharedRun
from gausspg.tracking import (
    VANISHED,
    StoreError,
    is_running,
    read_description,
    read_status,
    run_descriptions,
    run_folders,
    with_credentials,
)

Described = Mapping[Path, Mapping[str, Any]]


def export_runs(runs: Path, what: str, out: Path) -> list[SharedRun]:
    """Write the runs of a sweep, or one run, into a new folder: completely or not at all.

    Args:
        runs: the folder of all runs.
        what: the name of a sweep, including all parts if it was started more than once; the id of
            one part; or the id of a run.
        out: the folder to write; it must be empty or missing.

    Raises:
        SharedError: no run matches, a run is still running or its record incomplete, or the folder
            cannot be written.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise SharedError(f"{out} holds something already: name a new folder")
    chosen = _choose(_all(runs), what)
    draft = out.with_name(f"{out.name}.partial")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        draft.mkdir(parents=True)
        found = [
            _write(folder, description, chosen, draft) for folder, description in chosen.items()
        ]
        shared.write_manifest(draft, found)
        draft.replace(out)
    except OSError as error:
        raise SharedError(f"{out} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return found


def _all(runs: Path) -> dict[Path, Mapping[str, Any]]:
    """Return the description of every recorded run, by folder."""
    found: dict[Path, Mapping[str, Any]] = {}
    older: dict[str, dict[str, Path]] = {}
    for folder in run_folders(runs):
        status = read_status(folder)
        found[folder] = read_description(folder)
        if not found[folder] and status.get("run_id"):
            older.setdefault(with_credentials(status["store"]), {})[status["run_id"]] = folder
    # Runs of older versions have their description in the store only.
    for uri, folders in older.items():
        try:
            for run_id, description in run_descriptions(uri, folders).items():
                found[folders[run_id]] = description
        except StoreError as error:
            print(f"warning: {len(folders)} runs are left out: {error}")
    return {folder: description for folder, description in found.items() if description}


def _choose(known: Described, what: str) -> Described:
    def ids(folder: Path) -> set[str]:
        status = read_status(folder)
        return {str(status.get("run_id")), str(status.get("begun_as"))}

    alone = {folder: description for folder, description in known.items() if what in ids(folder)}
    if alone and next(iter(alone.values()))["tags"].get("kind") != "sweep":
        return alone
    if alone:
        what = next(iter(alone.values()))["tags"]["sweep_id"]
    chosen = {
        folder: description for folder, description in known.items()
        if what in (description["tags"].get("sweep"), description["tags"].get("sweep_id"))
    }  # fmt: skip
    if all(description["tags"].get("kind") == "sweep" for description in chosen.values()):
        names = sorted(
            {
                description["tags"]["sweep"]
                for description in known.values()
                if "sweep" in description["tags"]
            }
        )
        raise SharedError(
            f"no run is, or belongs to a sweep, {what!r}; sweeps that are here: "
            f"{', '.join(names) or 'none'}"
        )
    return chosen


def _write(
    folder: Path, description: Mapping[str, Any], chosen: Iterable[Path], out: Path
) -> SharedRun:
    running, status, target = is_running(folder), read_status(folder), out / folder.name
    if running:
        raise SharedError(f"run {status['run_id']} is still running: export it when it has ended")
    is_sweep = description["tags"].get("kind") == "sweep"
    if status["status"] == "FINISHED" and not is_sweep:
        try:
            reading.from_folder(folder)
        except RecordError as error:
            raise SharedError(str(error)) from error
    target.mkdir()
    for name in (*shared.ARTIFACTS, *shared.TABLES):
        if (folder / name).is_file():
            shutil.copyfile(folder / name, target / name)
    _remove_store_uri(target / shared.CONFIG)
    _write_metrics(folder, target)
    params = {k: None if k == "tracking.uri" else v for k, v in description["params"].items()}
    ended = {name: status.get(name) for name in ("status", "error", "started", "ended")}
    if ended["status"] == "RUNNING":
        ended |= VANISHED
    content = {**description, "params": params, **ended}
    (target / shared.RUN).write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    parent = read_status(folder.parent).get("run_id") if folder.parent in chosen else None
    return SharedRun(status["run_id"], folder.name, parent, shared.hashes(target))


def _remove_store_uri(config: Path) -> None:
    """Remove the address of the store: it is private, and not part of a run's identity."""
    if not config.is_file():
        return
    content = yaml.safe_load(config.read_text("utf-8"))
    if content["tracking"]["uri"] is not None:
        content["tracking"]["uri"] = None
        config.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")


def _write_metrics(folder: Path, target: Path) -> None:
    path = folder / "metrics.jsonl"
    content = path.read_bytes() if path.is_file() else b""
    lines = content[: content.rfind(b"\n") + 1]
    shared.to_parquet(lines, target / shared.METRICS)
    if shared.to_lines(target / shared.METRICS) != lines:
        raise SharedError(f"{path} was not written by this package: it cannot be given away whole")
