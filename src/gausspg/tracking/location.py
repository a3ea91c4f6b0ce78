"""Where runs are kept: `runs/` in the clone, wherever a command is started from."""

import os
from pathlib import Path

VARIABLE = "GAUSSPG_ROOT"
"""Environment variable with the folder in which `runs/` is kept; the clone otherwise."""


def root() -> Path:
    """Return `$GAUSSPG_ROOT`, else the clone this package lies in."""
    named = os.environ.get(VARIABLE)
    return Path(named).absolute() if named else Path(__file__).resolve().parents[3]


def runs() -> Path:
    """Return the folder of all runs and of the default tracking store."""
    return root() / "runs"
