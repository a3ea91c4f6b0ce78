"""Save and load checkpoints and policies: written atomically, loaded without running code."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from gausspg.policies.base import Policy


def save(path: Path, content: dict[str, Any], keep_previous: bool = False) -> None:
    """Write tensors and plain values; after a crash or on a full disk the old file is intact.

    With `keep_previous` the old file stays as `previous(path)`: one of the two is always complete.

    Raises:
        OSError: the file could not be written; the half-written one is removed.
    """
    with _complete(path) as temporary:
        with temporary.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        if keep_previous and path.exists():
            path.replace(previous(path))


def save_text(path: Path, text: str) -> None:
    """Write a text file atomically: a reader never sees part of it.

    Raises:
        OSError: the file could not be written; the half-written one is removed.
    """
    with _complete(path) as temporary:
        temporary.write_text(text, "utf-8")


@contextmanager
def _complete(path: Path) -> Iterator[Path]:
    """Give the block another file to write, which takes the place of `path` when it is complete."""
    temporary = path.with_suffix(path.suffix + ".partial")
    try:
        yield temporary
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        temporary.unlink(missing_ok=True)
        # torch reports a failed write of its archive as a RuntimeError.
        raise OSError(f"{path} could not be written: {error}; free some space") from error


def previous(path: Path) -> Path:
    """Return where `save` keeps the file before."""
    return path.with_suffix(f".previous{path.suffix}")


def load_latest(path: Path) -> tuple[dict[str, Any], str | None]:
    """Read `path`, or if it is missing or damaged the file before it, and say so.

    Returns:
        The content, and why it is not the latest, or None.

    Raises:
        ValueError: neither can be read.
    """
    problems = []
    for candidate in (path, previous(path)):
        try:
            content = load(candidate)
        except (OSError, ValueError) as error:
            problems.append(f"{candidate.name}: {' '.join(str(error).split())}")
            continue
        return content, problems[0] if problems else None
    raise ValueError(f"no checkpoint in {path.parent} can be read ({'; '.join(problems)})")


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
