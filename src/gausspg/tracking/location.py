"""Where runs are kept: `runs/` in the clone, wherever one is; without a clone, `./runs`."""

import os
from pathlib import Path

ROOT_VARIABLE = "GAUSSPG_ROOT"
"""Environment variable: the folder that holds `runs/`; by default the clone, or the current one."""


def root() -> Path:
    """Return `$GAUSSPG_ROOT`, else the clone this package lies in, else the current folder."""
    named = os.environ.get(ROOT_VARIABLE)
    if named:
        return Path(named).absolute()
    clone = Path(__file__).resolve().parents[3]
    return clone if (clone / "conf" / "config.yaml").is_file() else Path.cwd()


def runs_folder() -> Path:
    """Return the folder of all runs and of the default tracking store."""
    return root() / "runs"
