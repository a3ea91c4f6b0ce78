"""Patches that come with the runs of others: whose they are, and what they touch."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gausspg.records.reading import RecordError
from gausspg.records.shared import PATCH
from gausspg.tracking import read_status, run_folders


@dataclass(frozen=True)
class Touched:
    """A file that a patch makes, changes or removes; `-` in place of the lines of a binary one."""

    path: str
    added: str
    removed: str


def is_own(patch: bytes, runs: Path) -> bool:
    """Tell whether a run that was trained here, below `runs`, has this very patch.

    An imported run has no process of this machine.
    """
    return any(
        (folder / PATCH).is_file() and (folder / PATCH).read_bytes() == patch
        for folder in run_folders(runs)
        if read_status(folder).get("pid") is not None
    )


def touched(patch: bytes) -> list[Touched]:
    """Return the files that a patch touches, in its order; nothing is applied.

    Raises:
        RecordError: git cannot read it.
    """
    # Names end in a zero byte and stand as they are, whatever is in them.
    done = subprocess.run(
        ["git", "apply", "--numstat", "-z", "-"], input=patch, capture_output=True, check=False
    )
    if done.returncode:
        reason = " ".join(done.stderr.decode(errors="replace").split())
        raise RecordError(f"the recorded patch cannot be read, so nothing was run: {reason}")
    entries = done.stdout.decode(errors="replace").split("\0")[:-1]
    return [
        Touched(_printable(path), added, removed)
        for added, removed, path in (entry.split("\t", 2) for entry in entries)
    ]


def summary(files: Sequence[Touched]) -> str:
    """Return how many lines in how many files."""
    lines = sum(int(one.added) + int(one.removed) for one in files if one.added.isdigit())
    return f"{lines} changed lines in {len(files)} files"


def _printable(path: str) -> str:
    # A name may hold what moves the cursor.
    return "".join(char if char.isprintable() else "?" for char in path)
