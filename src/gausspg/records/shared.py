"""The format of a folder of exported runs: writing, reading and checking it.

    manifest.json            {"format": 1, "runs": [{"id": run id, "folder": name, "parent": id of
                             the sweep or null, "files": {name: SHA-256}}]}
    <folder>/run.json        description of the run for a store, its status, and when it ran
    <folder>/metrics.parquet one row per recorded value: line, step, time, metric, value
    <folder>/...             config.yaml, provenance.json, source.patch, result.json, final.pt,
                             best.pt, episodes.csv; of a sweep its plan and its table

The data sets of the analysis (`analysis/export.py`) are another thing: two frames, for figures.
These are whole records, of which a store can be filled; the store then gives the same frames.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd

from gausspg.tracking import FINAL_TABLE
from gausspg.training import trainer

FORMAT = 1
MANIFEST, RUN, METRICS = "manifest.json", "run.json", "metrics.parquet"
CONFIG, PROVENANCE, PATCH = "config.yaml", "provenance.json", "source.patch"
RESULT = "result.json"
ARTIFACTS = (
    CONFIG, PROVENANCE, PATCH, RESULT, trainer.FINAL, trainer.BEST, trainer.EPISODES, "plan.json",
    "summary.csv", "summary.md",
)  # fmt: skip
TABLES = ("summary.json", FINAL_TABLE)
_FILES = (RUN, METRICS, *ARTIFACTS, *TABLES)
_ID = re.compile(r"[\w\-]{1,64}", re.ASCII)
_COLUMNS = {
    "line": "int32", "step": "int64", "time": "float64", "metric": "category", "value": "float64",
}  # fmt: skip


class SharedError(ValueError):
    """An exported folder cannot be used or written; the message is one line."""


@dataclass(frozen=True)
class SharedRun:
    """One run of an exported folder.

    Attributes:
        id: in the store it comes from.
        folder: name of its folder.
        parent: id of its sweep, if that is exported too.
        files: name -> SHA-256 of the files in its folder.
    """

    id: str
    folder: str
    parent: str | None
    files: Mapping[str, str]


def to_parquet(lines: bytes, path: Path) -> None:
    """Write the lines of a `metrics.jsonl` as a table; `to_lines` gives the same bytes back."""
    rows = [
        (number, record["step"], record["time"], name, value)
        for number, record in enumerate(map(json.loads, lines.splitlines()))
        for name, value in record["metrics"].items()
    ]
    frame = pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)
    frame.to_parquet(path, index=False, compression="zstd")


def to_lines(path: Path) -> bytes:
    """Return the lines of a `metrics.jsonl` from the table that `to_parquet` wrote.

    Raises:
        SharedError: the file is no such table.
    """
    try:
        frame = pd.read_parquet(path, columns=list(_COLUMNS)).astype(_COLUMNS)
    except Exception as error:
        # What is wrong with a file shows in many ways, of which Arrow tells in several lines.
        raise SharedError(f"{path} is no table of metrics: ask for the folder again") from error
    rows = zip(*(frame[name].tolist() for name in _COLUMNS), strict=True)
    found = b""
    for (_, step, time), group in groupby(rows, key=lambda row: row[:3]):
        record = {"step": step, "time": time, "metrics": {row[3]: row[4] for row in group}}
        found += json.dumps(record, separators=(",", ":")).encode() + b"\n"
    return found


def hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a run's folder, by name."""
    return {path.name: file_hash(path) for path in sorted(folder.iterdir())}


def write_manifest(folder: Path, runs: Sequence[SharedRun]) -> None:
    """Write the manifest of a folder."""
    content = {"format": FORMAT, "runs": [asdict(run) for run in runs]}
    (folder / MANIFEST).write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def read(folder: Path, only: str | None = None) -> list[SharedRun]:
    """Check an exported folder and return its runs, sweeps first.

    Args:
        folder: with a manifest.
        only: the name of the one run to check and return.

    Raises:
        SharedError: it has no manifest, one of a newer format, or files that differ from it.
    """
    runs = _runs(folder)
    if only is not None:
        runs = [run for run in runs if run.folder == only]
        if not runs:
            raise SharedError(f"{folder / MANIFEST} knows no run {only}: ask for the folder again")
    for run in runs:
        for name, expected in run.files.items():
            _check(folder, folder / run.folder / name, expected)
    return sorted(runs, key=lambda run: run.parent is not None)


def run_in(folder: Path) -> dict[str, Any]:
    """Return the content of `run.json` in an exported run's folder.

    Raises:
        SharedError: a field is missing or wrong.
    """
    content = _json(folder / RUN)
    expected = {
        "name": str, "params": dict, "tags": dict, "experiment": str, "status": str,
        "started": float,
    }  # fmt: skip
    wrong = [name for name, kind in expected.items() if not isinstance(content.get(name), kind)]
    if not wrong and content["status"] not in ("FINISHED", "FAILED", "KILLED"):
        wrong = ["status"]
    if not wrong and not all(isinstance(tag, str) for tag in content["tags"].values()):
        wrong = ["tags"]
    if wrong:
        raise SharedError(f"{folder / RUN} does not say {', '.join(wrong)}: ask for it again")
    return content


def _runs(folder: Path) -> list[SharedRun]:
    path = folder / MANIFEST
    content = _json(path)
    newer = content.get("format")
    if isinstance(newer, int) and newer > FORMAT:
        raise SharedError(
            f"{path} is of format {newer} and this gausspg reads {FORMAT}: take a newer one"
        )
    try:
        runs = [SharedRun(**run) for run in content["runs"]]
        if not all(isinstance(run.files, dict) for run in runs):
            raise TypeError
        sweeps = {run.id for run in runs if run.parent is None}
        sound = all(
            _ID.fullmatch(run.id) and _is_name(run.folder) and set(run.files) <= set(_FILES)
            and {RUN, METRICS} <= set(run.files) and run.parent in {None, *sweeps}
            for run in runs
        )  # fmt: skip
        distinct = len({run.id for run in runs}) == len({run.folder for run in runs}) == len(runs)
    except (KeyError, TypeError, AttributeError) as error:
        raise SharedError(f"{path} is no manifest of runs: ask for the folder again") from error
    if not (sound and distinct and newer == FORMAT):
        raise SharedError(
            f"{path} names files that no run has, or outside its folder: nothing was read of them"
        )
    return runs


def _is_name(text: str) -> bool:
    return Path(text).name == text and not text.startswith(".") and text.isprintable()


def _check(folder: Path, path: Path, expected: str) -> None:
    if not path.is_file():
        raise SharedError(f"{path} is missing: ask for the folder again")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise SharedError(f"{path} leads out of the folder: ask for it again, without links")
    found = file_hash(path)
    if found != expected:
        raise SharedError(
            f"{path} has hash {found[:12]} and its manifest says {str(expected)[:12]}: it was "
            "altered, ask for the folder again"
        )


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise SharedError(f"there is no {path}: name a folder that share.py exported") from error
    except (OSError, ValueError) as error:
        raise SharedError(f"{path} cannot be read: ask for the folder again") from error
    if not isinstance(content, dict):
        raise SharedError(f"{path} cannot be read: ask for the folder again")
    return content
