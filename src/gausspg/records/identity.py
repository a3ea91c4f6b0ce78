"""What decides the bits of a run, as three hashes: its configuration, this package, and the rest.

Two runs of one identity give the same metrics and parameters, bit for bit. So a finished one need
not run again, an interrupted one can go on, and a recorded one can be checked by running it again.
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

# How a run is recorded and shown, and how many run at once, changes nothing of what is computed.
_INCIDENTAL = ("existing", "jobs", "sweep_name", "tracking", "video")
_DISTRIBUTIONS = ("torch", "numpy", "gymnasium", "box2d", "box2d-py", "mujoco")


@dataclass(frozen=True)
class Identity:
    """Hashes of 16 hexadecimal digits each.

    Attributes:
        config: of the resolved configuration, without what is incidental.
        source: of the package's files.
        environment: of what `environment` returns.
    """

    config: str
    source: str
    environment: str

    @property
    def key(self) -> str:
        """All three as one."""
        return _digest(asdict(self))

    def differs_in(self, other: "Identity") -> list[str]:
        """Return which of `config`, `source` and `environment` differ."""
        mine, theirs = asdict(self), asdict(other)
        return [name for name in mine if mine[name] != theirs[name]]


def identify(config: Mapping[str, Any]) -> Identity:
    """Return the identity that a run of a resolved configuration has here and now.

    Device and thread count are part of the configuration.
    """
    return Identity(config_hash(config), source_hash(), _digest(environment(config)))


def config_hash(config: Mapping[str, Any]) -> str:
    """Return the hash of what a resolved configuration says of the run's bits."""
    return _digest(counted(config))


def counted(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a resolved configuration, nested or flat, decides the run's bits."""
    return {key: value for key, value in config.items() if key.partition(".")[0] not in _INCIDENTAL}


@cache
def source_hash(package: Path = PACKAGE) -> str:
    """Return the hash of the package's source, names and contents."""
    found = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        content = path.read_bytes()
        found.update(f"{path.relative_to(package).as_posix()} {len(content)}\n".encode() + content)
    return found.hexdigest()[:16]


def environment(config: Mapping[str, Any]) -> dict[str, str]:
    """Return what else decides the bits of a resolved configuration: versions, and the processor.

    The name of the processor is not among them: equal capabilities give equal instructions.
    """
    return _environment((config.get("env") or {}).get("backend", "gymnasium"))


@cache
def _environment(backend: str) -> dict[str, str]:
    # A backend has the name of its distribution; those that are not used decide nothing.
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
