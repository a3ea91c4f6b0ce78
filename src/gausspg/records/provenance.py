"""Where a run comes from: its source as a commit and a patch, versions, machine, command.

It holds no environment variables and no paths, so a record can be published.
"""

import hashlib
import importlib.metadata
import os
import platform
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
# Folders that decide a run's results and record; changes elsewhere do not count as dirty.
_TRACKED = ("src", "conf", "sweeps")
_SOURCE = (".py", ".yaml")


@dataclass(frozen=True)
class Source:
    """The package's source as git knows it.

    Attributes:
        commit: the one that is checked out; None outside a repository.
        patch: the difference from it to the present files, including untracked ones; may be empty.
    """

    commit: str | None
    patch: bytes

    @property
    def dirty(self) -> bool:
        """Whether the files differ from the commit."""
        return bool(self.patch)


@cache
def source() -> Source:
    """Return the present source; determined once per process, before anything is trained."""
    root = PACKAGE.parents[1]
    # Installed from a wheel, the package may lie in an environment inside somebody else's clone.
    cloned = (root / "conf" / "config.yaml").is_file()
    commit = _git(root, "rev-parse", "HEAD") if cloned else None
    if commit is None:
        return Source(None, b"")
    index = _git(root, "rev-parse", "--git-path", "index")
    with tempfile.TemporaryDirectory() as temporary:
        # A copy of the index, so that untracked files can be added without changing the real one.
        copy = Path(temporary) / "index"
        if index is not None and (root / index.decode().strip()).exists():
            shutil.copyfile(root / index.decode().strip(), copy)
        there = [name for name in _TRACKED if (root / name).exists()]
        # Tracked files, and of untracked ones only source: others may be private notes or keys.
        _git(root, "add", "--update", "--", *there, index=copy)
        for kind in (f":(glob){name}/**/*{suffix}" for name in there for suffix in _SOURCE):
            _git(root, "add", "--", kind, index=copy)
        patch = _git(root, "diff", "--cached", "--binary", "HEAD", "--", *there, index=copy)
    return Source(commit.decode().strip(), patch or b"")


def collect(config: Mapping[str, Any], command: str) -> dict[str, Any]:
    """Return the provenance of a run that is about to start, as plain values."""
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
        "environment": environment(config),
        "packages": packages(),
    }


@cache
def packages() -> dict[str, str]:
    """Return the versions of all installed distributions."""
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
    """Return the output of a git command, or None without git or a repository."""
    more = {} if index is None else {"GIT_INDEX_FILE": str(index)}
    try:
        return subprocess.run(
            ["git", *arguments], cwd=root, env=os.environ | more, check=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=_GIT_SECONDS,
        ).stdout  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
