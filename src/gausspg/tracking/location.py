"""Where runs are kept: `runs/` in the clone, independent of the current directory."""

import os
from pathlib import Path

ROOT_VARIABLE = "GAUSSPG_ROOT"
"""Environment variable: the folder that holds `runs/`; by default the clone."""


def root() -> Path:
    """Return `$GAUSSPG_ROOT`, else the clone this package lies in."""
    named = os.environ.get(ROOT_VARIABLE)
    return Path(named).absolute() if named else Path(__file__).resolve().parents[3]


def runs_folder() -> Path:
    """Return the folder of all runs and of the default tracking store."""
    return root() / "runs"
