"""Where a run comes from: its source as a commit and a patch, versions, machine, command.

No environment variables and no paths: a record can be given to anybody.
"""

import hashlib
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from gausspg.records.identity import PACKAGE, environment, identify

_GIT_SECONDS = 20.0
# What a run's bits and record come from; data and figures beside it may be dirty.
_TRACKED = ("src", "conf", "sweeps")
_SOURCE = (".py", ".yaml")


@dataclass(frozen=True)
class Source:
    """The package's source as git knows it.

    Attributes:
        commit: the one that is checked out; None outside a repository.
        patch: what leads from it to the present files, untracked ones too; empty if nothing does.
    """

    commit: str | None
    patch: bytes

    @property
    def dirty(self) -> bool:
        """Whether the files differ from the commit."""
        return bool(self.patch)


@cache
def source() -> Source:
    """Return the present source; asked once per process, before anything is trained."""
    root = PACKAGE.parents[1]
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:
        return Source(None, b"")
    index = _git(root, "rev-parse", "--git-path", "index")
    with tempfile.TemporaryDirectory() as temporary:
        # In an index of its own, so that untracked files are seen and the real one stays.
        copy = Path(temporary) / "index"
        if index is not None and (root / index.decode().strip()).exists():
            shutil.copyfile(root / index.decode().strip(), copy)
        there = [name for name in _TRACKED if (root / name).exists()]
        # What git knows, and of the rest what can be source: a note or a key may lie beside it.
        _git(root, "add", "--update", "--", *there, index=copy)
        for kind in (f":(glob){name}/**/*{suffix}" for name in there for suffix in _SOURCE):
            _git(root, "add", "--", kind, index=copy)
        patch = _git(root, "diff", "--cached", "--binary", "HEAD", "--", *there, index=copy)
    return Source(commit.decode().strip(), patch or b"")


def collect(config: Mapping[str, Any], command: str) -> dict[str, Any]:
    """Return the provenance of a run that is about to begin, as plain values."""
    present = source()
    return {
        "command": command,
        "identity": asdict(identify(config)),
        "commit": present.commit,
        "dirty": present.dirty,
        "patch_sha256": hashlib.sha256(present.patch).hexdigest() if present.dirty else None,
        "seed": config["seed"],
        "threads": config["threads"],
        "device": config["device"],
        "cpu": cpu(),
        "environment": environment(),
        "packages": packages(),
    }


def without_credentials(command: str) -> str:
    """Return a command with what stands before the @ of an address taken out."""
    return re.sub(r"(?<=://)[^/@\s]+@", "", command)


@cache
def packages() -> dict[str, str]:
    """Return the versions of everything that is installed."""
    # Each is read once; `version` would read the same file again.
    every = (one.metadata for one in importlib.metadata.distributions())
    found = {one["Name"]: one["Version"] for one in every}
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


@cache
def cpu() -> str:
    """Return the processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _git(root: Path, *arguments: str, index: Path | None = None) -> bytes | None:
    """Return what git prints, or None where there is no git or no repository."""
    more = {} if index is None else {"GIT_INDEX_FILE": str(index)}
    try:
        return subprocess.run(
            ["git", *arguments], cwd=root, env=os.environ | more, check=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=_GIT_SECONDS,
        ).stdout  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
