"""Files a run leaves behind: written whole or not at all, read as data."""

import os
from pathlib import Path
from typing import Any

import torch

from gausspg.policies.base import Policy


def save(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain values; a crash or a full disk leaves the file that was there.

    Raises:
        OSError: the file could not be written; the half-written one is removed.
    """
    temporary = path.with_suffix(path.suffix + ".partial")
    try:
        with temporary.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        temporary.unlink(missing_ok=True)
        # torch reports a failed write of its archive as a RuntimeError.
        raise OSError(f"{path} could not be written: {error}; free some space") from error


def load(path: Path) -> dict[str, Any]:
    """Read what `save` wrote; nothing is unpickled but tensors and plain values.

    Raises:
        ValueError: the file is not such a file.
        OSError: there is none, or it cannot be read.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:
        # torch's own text is long and proposes to run what the file holds.
        raise _foreign(path) from error
    if not isinstance(content, dict):
        raise _foreign(path)
    return content


def _foreign(path: Path) -> ValueError:
    return ValueError(
        f"{path} is not a file of this package: it is damaged, or holds more than tensors and "
        "plain values, of which nothing was run"
    )


def save_policy(path: Path, policy: Policy, spec: dict[str, Any]) -> None:
    """Write a policy with what is needed to build it again."""
    save(path, {"spec": spec, "state_dict": policy.state_dict()})
