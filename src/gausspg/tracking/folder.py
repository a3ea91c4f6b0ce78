"""What a run writes into its own folder: metrics file, `status.json`, and `run.json`.

The folder is the truth and needs no store: `run.json` holds the description that a store gets when
the run begins (name, parameters, tags, the parent's id, experiment), so it can be sent later too.
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
ORIGIN = ("source.patch", "config.yaml", "provenance.json")
"""What a run is made of, each a file of its folder and an artifact; the last is written last."""

# The mirror's thread writes into the status of a run whose own thread may be doing so.
_writing = threading.RLock()

_LEGAL_NAME = re.compile(r"[\w\-. :/]{1,250}", re.ASCII)


class MetricsFile:
    """Appends lines to a run's metrics file; each has left the process when `append` returns."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / METRICS
        self._legal: set[str] = set()
        _drop_broken_end(self.path)
        self._file = self.path.open("ab", buffering=0)
        self._size = self._file.tell()

    def append(self, step: int, metrics: Mapping[str, float]) -> None:
        """Write one line.

        Raises `ValueError` for a name MLflow would refuse (parentheses, say), and `OSError` with
        the path if it cannot be written, as on a full disk; then nothing of the line stays.
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
        """Close the file; no error of a full disk comes from here, as nothing is buffered."""
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


def _drop_broken_end(path: Path) -> None:
    """Take away a last line that a crash cut short; it comes again when the run goes on."""
    if path.exists():
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(path, whole)


def read_metrics(folder: Path) -> list[tuple[int, dict[str, float]]]:
    """Return (step, metrics) of every whole line of a run's metrics file; empty without one."""
    path = folder / METRICS
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    return [(record["step"], record["metrics"]) for record in map(json.loads, lines)]


def make_folder(folder: Path) -> list[Path]:
    """Make `folder`; return what that created, innermost first."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return made


def remove_folders(made: Sequence[Path]) -> None:
    """Undo `make_folder`: the innermost with its content, the others only if they are empty.

    Another run may have begun to use the outer ones meanwhile.
    """
    for path in made[:1]:
        shutil.rmtree(path, ignore_errors=True)
    for path in made[1:]:
        with suppress(OSError):
            path.rmdir()


def run_folders(runs: Path) -> Iterator[Path]:
    """Yield the folders below `runs` that have a status, in order of their names.

    Those of runs by themselves, of sweeps, and of the runs of each sweep right after it.
    """
    yield from sorted(
        status.parent for pattern in ("*", "*/*") for status in runs.glob(f"{pattern}/{STATUS}")
    )


def write_status(folder: Path, **fields: Any) -> None:
    """Replace `status.json` in one step, keeping what it held under other names."""
    _update(folder / STATUS, fields)


def read_status(folder: Path) -> dict[str, Any]:
    """What `status.json` holds; empty if there is none or it cannot be read."""
    return _read(folder / STATUS)


def write_description(folder: Path, **fields: Any) -> None:
    """Replace `run.json` in one step, keeping what it held under other names."""
    _update(folder / DESCRIPTION, fields)


def read_description(folder: Path) -> dict[str, Any]:
    """What `run.json` holds; empty for a run recorded before there was one."""
    return _read(folder / DESCRIPTION)


def _update(path: Path, fields: dict[str, Any]) -> None:
    with _writing:
        write_whole(path, (json.dumps(_read(path) | fields, indent=2) + "\n").encode())


def write_whole(path: Path, content: bytes) -> None:
    """Write a file in one step: a reader never sees half of it."""
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_bytes(content)
    temporary.replace(path)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
