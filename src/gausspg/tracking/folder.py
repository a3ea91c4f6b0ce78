"""The files of a run's folder: the metrics file, `status.json`, and `run.json`.

The folder is the primary record and needs no store. `run.json` holds the description of the run
(name, parameters, tags, the parent's id, experiment), which can be sent to a store at any time.
`metrics.jsonl` holds one line per call of `MetricsFile.append`: `{"step": int, "time": seconds
since the epoch, "metrics": {name: value}}`, with NaN and Infinity spelled as Python's json reads
them.
"""

import json
import os
import re
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

METRICS = "metrics.jsonl"
STATUS = "status.json"
DESCRIPTION = "run.json"
PROVENANCE_FILES = ("source.patch", "config.yaml", "provenance.json")
"""Files that say where a run comes from, also sent as artifacts; the last is written last."""

# The mirror's thread and the run's own thread both write the status.
_writing = threading.RLock()

_LEGAL_NAME = re.compile(r"[\w\-. :/]{1,250}", re.ASCII)


class MetricsFile:
    """Appends lines to a run's metrics file, unbuffered: `append` returns after the write."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / METRICS
        self._legal: set[str] = set()
        _drop_incomplete_line(self.path)
        self._file = self.path.open("ab", buffering=0)
        self._size = self._file.tell()

    def append(self, step: int, metrics: Mapping[str, float]) -> None:
        """Write one line.

        Raises `ValueError` for a name that MLflow would refuse (one with parentheses, say), and
        `OSError` with the path if the file cannot be written; no part of the line then stays.
        """
        for name in metrics.keys() - self._legal:
            if not _LEGAL_NAME.fullmatch(name):
                raise ValueError(
                    f"metric name {name!r} cannot be stored by MLflow; use letters, digits, "
                    "spaces and _ - . : / only"
                )
            self._legal.add(name)
        values = {name: float(value) for name, value in metrics.items()}
        record = {"step": int(step), "time": round(time.time(), 3), "metrics": values}
        self._write(json.dumps(record, separators=(",", ":")).encode() + b"\n")

    def close(self) -> None:
        """Close the file. Nothing is buffered, so a full disk raises no error here."""
        self._file.close()

    def _write(self, line: bytes) -> None:
        written = 0
        try:
            while written < len(line):
                written += self._file.write(line[written:]) or 0
        except OSError as error:
            self._undo()
            raise OSError(error.errno, os.strerror(error.errno or 0), str(self.path)) from error
        self._size += len(line)

    def _undo(self) -> None:
        # Not a regular file, or the disk is gone: a reader skips the broken line.
        with suppress(OSError):
            self._file.truncate(self._size)


def _drop_incomplete_line(path: Path) -> None:
    """Remove an incomplete last line, left by a crash; a resumed run writes it again."""
    if path.exists():
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(path, whole)


def read_metrics(folder: Path) -> list[tuple[int, dict[str, float]]]:
    """Return (step, metrics) of every complete line of the metrics file; empty without one."""
    path = folder / METRICS
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    return [(record["step"], record["metrics"]) for record in map(json.loads, lines)]


def make_folder(folder: Path) -> list[Path]:
    """Create `folder` and its parents; return those that were created, innermost first."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return made


def remove_folders(made: Sequence[Path]) -> None:
    """Undo `make_folder`: remove the innermost with its content, the others only if empty.

    Another run may have started to use the outer ones in the meantime.
    """
    for path in made[:1]:
        shutil.rmtree(path, ignore_errors=True)
    for path in made[1:]:
        with suppress(OSError):
            path.rmdir()


def run_folders(runs: Path) -> Iterator[Path]:
    """Yield the folders below `runs` that have a status, in order of their names.

    They belong to single runs, to sweeps, and to the runs of a sweep, which follow it directly.
    """
    yield from sorted(
        status.parent for pattern in ("*", "*/*") for status in runs.glob(f"{pattern}/{STATUS}")
    )


def write_status(folder: Path, **fields: Any) -> None:
    """Update fields of `status.json`, atomically; other fields stay."""
    _update(folder / STATUS, fields)


def read_status(folder: Path) -> dict[str, Any]:
    """Return the content of `status.json`; empty if there is none or it cannot be read."""
    return _read(folder / STATUS)


def write_description(folder: Path, **fields: Any) -> None:
    """Update fields of `run.json`, atomically; other fields stay."""
    _update(folder / DESCRIPTION, fields)


def read_description(folder: Path) -> dict[str, Any]:
    """Return the content of `run.json`; empty for runs of older versions, which lack it."""
    return _read(folder / DESCRIPTION)


def _update(path: Path, fields: dict[str, Any]) -> None:
    with _writing:
        write_atomically(path, (json.dumps(_read(path) | fields, indent=2) + "\n").encode())


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file atomically: a reader never sees part of it."""
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_bytes(content)
    temporary.replace(path)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
