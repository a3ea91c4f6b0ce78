"""Read the record of one run from a store or a folder, as plain data, and check it.

The folder is a run's own, or an exported one (`gausspg.records.shared`).
"""

import hashlib
import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gausspg.records import shared
from gausspg.records.identity import Identity, config_hash
from gausspg.records.shared import CONFIG, PATCH, PROVENANCE, RESULT, SharedError
from gausspg.tracking import (
    FINAL_TABLE,
    StoreError,
    artifact_file,
    current_id,
    find_runs,
    metric_history,
    read_metrics,
)
from gausspg.training import checkpoints, trainer

Points = dict[tuple[int, str], float]


class RecordError(RuntimeError):
    """A record cannot be used: missing, altered or unfinished; the message is one line."""


@dataclass(frozen=True)
class Record:
    """The record of a finished run.

    Attributes:
        name: run id or folder, for messages.
        config: resolved.
        identity: of the run.
        provenance: see `gausspg.records.provenance.collect`.
        patch: the difference from the commit to the source of the run.
        points: every recorded value except times, by step and metric.
        final: content of the trained policy's file.
        points_hash: of the points when the run ended; None for runs of older versions.
    """

    name: str
    config: Mapping[str, Any]
    identity: Identity
    provenance: Mapping[str, Any]
    patch: bytes
    points: Points
    final: Mapping[str, Any]
    points_hash: str | None


def from_store(uri: str, run_id: str) -> Record:
    """Read a run's record from a tracking store.

    Raises:
        RecordError: there is no such run, it has not finished, or its record is incomplete.
    """
    try:
        runs, run_id = find_runs(uri), current_id(uri, run_id)
        runs = runs[runs["run_id"] == run_id]
        if runs.empty:
            raise RecordError(f"run {run_id} is not in the store {uri}: give another id or --store")
        history = metric_history(uri, [run_id], None)
    except StoreError as error:
        raise RecordError(str(error)) from error

    def artifact(name: str) -> Path:
        try:
            return artifact_file(uri, run_id, name)
        except StoreError as error:
            raise RecordError(f"the record of run {run_id} is not whole: {error}") from error

    points = _timeless(
        ((int(step), str(metric)), float(value))
        for step, metric, value in zip(
            history["step"], history["metric"], history["value"], strict=True
        )
    ) | _points_of_table(uri, run_id, int(history["step"].max()) if len(history) else 0)
    return _checked(run_id, str(runs["status"].iloc[0]), points, artifact)


def _points_of_table(uri: str, run_id: str, step: int) -> Points:
    """Return the metrics of a run's end that the store has no curve of; none of older versions."""
    try:
        table = json.loads(artifact_file(uri, run_id, FINAL_TABLE).read_text("utf-8"))
    except StoreError:
        return {}
    return {(step, str(name)): float(value) for name, value in table["data"]}


def from_folder(folder: Path) -> Record:
    """Read a run's record from its own folder, or from an exported one; see `from_store`."""
    if (folder / shared.MANIFEST).is_file() or (folder / shared.METRICS).is_file():
        folder, status, points = _exported(folder)
    elif (folder / "status.json").is_file():
        try:
            status = json.loads((folder / "status.json").read_text("utf-8"))["status"]
            points = points_in(folder)
        except (ValueError, KeyError, TypeError) as error:
            raise RecordError(f"the record in {folder} is broken: {error}") from error
    else:
        raise RecordError(f"{folder} holds no run: name the folder of one, or a run id")

    def artifact(name: str) -> Path:
        if not (folder / name).is_file():
            raise RecordError(f"the record in {folder} is not whole: {name} is missing")
        return folder / name

    return _checked(str(folder), status, points, artifact)


def _exported(folder: Path) -> tuple[Path, str, Points]:
    """Return the folder, status and points of an exported run, after its files were checked."""
    try:
        if (folder / shared.MANIFEST).is_file():
            runs = shared.read(folder)
            if len(runs) != 1:
                raise RecordError(
                    f"{folder} holds {len(runs)} runs: name the folder of one of them"
                )
            folder = folder / runs[0].folder
        else:
            shared.read(folder.absolute().parent, only=folder.absolute().name)
        lines = shared.to_lines(folder / shared.METRICS).splitlines()
        status = str(shared.run_in(folder)["status"])
    except SharedError as error:
        raise RecordError(str(error)) from error
    return (
        folder,
        status,
        _timeless(
            ((record["step"], name), value)
            for record in map(json.loads, lines)
            for name, value in record["metrics"].items()
        ),
    )


def _checked(name: str, status: str, points: Points, artifact: Any) -> Record:
    if status != "FINISHED":
        reason = f"ended as {status}"
        if status == "RUNNING":
            reason = "is still running, or its process vanished (its own command goes on with it)"
        raise RecordError(f"run {name} {reason}: only a finished run can be reproduced")
    try:
        return _read(name, points, artifact)
    except (ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())[:200]
        raise RecordError(
            f"the record of run {name} cannot be read ({type(error).__name__}: {reason}): it is "
            "broken, or of another version of the package"
        ) from error


def _read(name: str, points: Points, artifact: Any) -> Record:
    config = yaml.safe_load(artifact(CONFIG).read_text("utf-8"))
    provenance = json.loads(artifact(PROVENANCE).read_text("utf-8"))
    identity = Identity(**provenance["identity"])
    patch = artifact(PATCH).read_bytes() if provenance["dirty"] else b""
    if config_hash(config) != identity.config:
        raise RecordError(f"{CONFIG} of run {name} was altered: it is not the one that was trained")
    if provenance["dirty"] and hashlib.sha256(patch).hexdigest() != provenance["patch_sha256"]:
        raise RecordError(f"{PATCH} of run {name} was altered: its hash is not the recorded one")
    result = _result(artifact)
    if result.get("final_sha256") not in (None, shared.file_hash(artifact(trainer.FINAL))):
        raise RecordError(
            f"{trainer.FINAL} of run {name} was altered: its hash is not the recorded one"
        )
    try:
        final = checkpoints.load(artifact(trainer.FINAL))
    except ValueError as error:
        raise RecordError(str(error)) from error
    if not isinstance(final["state_dict"], Mapping):
        raise TypeError(f"{trainer.FINAL} holds no parameters")
    recorded = result.get("points_sha256")
    return Record(name, config, identity, provenance, patch, points, final, recorded)


def _result(artifact: Any) -> dict[str, Any]:
    try:
        path = artifact(RESULT)
    except RecordError:
        return {}  # Runs of older versions have none.
    content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return content


def record_hashes(folder: Path) -> dict[str, Any]:
    """Return the hashes by which a later change of the record of a run in `folder` is detected."""
    points = points_in(folder)
    return {
        "points": len(points),
        "points_sha256": points_hash(points),
        "final_sha256": shared.file_hash(folder / trainer.FINAL),
    }


def points_hash(points: Points) -> str:
    """Return the SHA-256 of points, in the order of their steps and names."""
    found = hashlib.sha256()
    for (step, name), value in sorted(points.items()):
        found.update(f"{step} {name} ".encode() + bits(value))
    return found.hexdigest()


def bits(value: float) -> bytes:
    """Return the bits of a value; the same for every NaN, as a store does not keep which it was."""
    return struct.pack("<d", value) if value == value else b"nan"


def points_in(folder: Path) -> Points:
    """Return every value in a metrics file except times, which differ between any two runs."""
    return _timeless(
        ((step, name), value)
        for step, metrics in read_metrics(folder)
        for name, value in metrics.items()
    )


def _timeless(points: Iterable[tuple[tuple[int, str], float]]) -> Points:
    return {key: value for key, value in points if not key[1].startswith("time/")}
