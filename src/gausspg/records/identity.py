"""The identity of a run: hashes of its configuration, its source, and its environment.

Two runs of the same identity give the same metrics and parameters, bit for bit. So a finished run
need not be repeated, an interrupted one can be resumed, and a recorded one can be reproduced.
"""

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

PACKAGE = Path(__file__).parents[1]

# Settings that do not change what is computed: recording, display, number of parallel jobs.
_NOT_COUNTED = ("existing", "jobs", "sweep_name", "tracking", "video")
# Rooms of the package that start, show and record runs. Training imports none of them, so a change
# there changes no number, and what is recorded already stays the same run.
_NOT_COMPUTING = ("__init__.py", "records", "sweeps", "tracking")
_DISTRIBUTIONS = ("torch", "numpy", "gymnasium", "box2d", "box2d-py", "mujoco")


@dataclass(frozen=True)
class Identity:
    """Hashes of 16 hexadecimal digits each.

    Attributes:
        config: of the resolved configuration, without settings that do not change the results.
        source: of the package's files that compute results.
        environment: of what `environment` returns.
    """

    config: str
    source: str
    environment: str

    @property
    def key(self) -> str:
        """One hash of all three."""
        return _digest(asdict(self))

    def differs_in(self, other: "Identity") -> list[str]:
        """Return which of `config`, `source` and `environment` differ."""
        mine, theirs = asdict(self), asdict(other)
        return [name for name in mine if mine[name] != theirs[name]]


def identify(config: Mapping[str, Any]) -> Identity:
    """Return the identity of a run of a resolved configuration, with the present source.

    Device and thread count are part of the configuration.
    """
    return Identity(config_hash(config), source_hash(), _digest(environment(config)))


def config_hash(config: Mapping[str, Any]) -> str:
    """Return the hash of the relevant settings of a resolved configuration."""
    return _digest(relevant_settings(config))


def relevant_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings, nested or flat, that change what a run computes."""
    return {
        key: value for key, value in config.items() if key.partition(".")[0] not in _NOT_COUNTED
    }


@cache
def source_hash(package: Path = PACKAGE) -> str:
    """Return the hash of the source that computes results, names and contents.

    That is all of the package but the rooms that start, show and record runs.
    """
    found = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package)
        if name.parts[0] not in _NOT_COMPUTING:
            content = path.read_bytes()
            found.update(f"{name.as_posix()} {len(content)}\n".encode() + content)
    return found.hexdigest()[:16]


def environment(config: Mapping[str, Any]) -> dict[str, str]:
    """Return versions and processor capabilities, which also decide the bits of a run.

    The processor's name is left out: equal capabilities give equal instructions.
    """
    return _environment((config.get("env") or {}).get("backend", "gymnasium"))


@cache
def _environment(backend: str) -> dict[str, str]:
    # The name of a backend is that of its distribution; unused backends are left out.
    names = dict.fromkeys([*_DISTRIBUTIONS, backend])
    versions = {name: version for name in names if (version := _version(name))}
    return {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "machine": platform.machine(),
        "system": platform.system(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        **versions,
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _digest(content: object) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
