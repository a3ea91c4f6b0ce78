"""Where a run is kept, and how a job of a sweep learns of it: by one override.

`tracking.folder` is the run's folder below `runs/`. A sweep gives it to each of its jobs; it begins
with the sweep's own folder, in which the record of the sweep tells the rest. A job that is started
again with the same overrides, because a cluster had taken it off, finds its own run there.
"""

import json
import re
import shlex
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Quote, QuotedString

from gausspg.tracking import (
    location,
    read_description,
    read_status,
    without_credentials,
    write_atomically,
)
from gausspg.training.build import SettingsError

NAMES = "names.json"
"""A sweep's file with the name of the run in each of its folders."""


def new_folder(parent: Path, name: str) -> Path:
    """Return a folder that is not there yet: the time sorts, the random part tells apart."""
    readable = re.sub(r"[^\w.=]+", "-", name).strip("-")[:100]
    return parent / f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:12]}-{readable}"


def write_names(parent: Path, names: Mapping[Path, str]) -> None:
    """Note in a sweep's folder how its runs are called, before they begin."""
    content = json.dumps({folder.name: name for folder, name in names.items()}, indent=0)
    write_atomically(parent / NAMES, content.encode())


def given_name(folder: Path) -> str | None:
    """Return how the sweep around a run's folder calls it, None outside a sweep."""
    path = folder.parent / NAMES
    found: str | None = json.loads(path.read_text()).get(folder.name) if path.is_file() else None
    return found


def override(folder: Path) -> str:
    """Return the override that gives a job its folder."""
    path = folder.relative_to(location.runs_folder()).as_posix()
    return f"tracking.folder={QuotedString(path, Quote.single).with_quotes()}"


def given_folder(config: Mapping[str, Any]) -> Path | None:
    """Return the folder that `tracking.folder` names, None if it does not.

    Raises:
        SettingsError: it lies outside `runs/`.
    """
    name = config["tracking"]["folder"]
    if name is None:
        return None
    path = Path(name)
    if path.is_absolute() or ".." in path.parts:
        raise SettingsError(
            f"tracking.folder={name} is not below {location.runs_folder()}: "
            "a sweep sets it, leave it out"
        )
    return location.runs_folder() / path


def tags_and_parent(
    folder: Path, script: str, overrides: Sequence[str]
) -> tuple[dict[str, str], str | None]:
    """Return the tags of a run and the id of its sweep's run, which lies around its folder.

    Outside a sweep its command is the one that runs it alone.
    """
    sweep = read_description(folder.parent).get("tags", {})
    if "sweep_id" in sweep:
        tags = {key: sweep[key] for key in ("sweep", "sweep_id", "command")}
        return tags, read_status(folder.parent).get("run_id")
    typed = [word for word in overrides if not word.startswith("tracking.folder=")]
    return {"command": without_credentials(shlex.join(["python", script, *typed]))}, None
