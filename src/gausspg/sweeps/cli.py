"""The command `gausspg`, which is `python src/run.py` in a clone: compose, check, train, table."""

import os
import sys
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from gausspg.sweeps.command import (
    CLONE,
    CONF,
    INTERRUPTED,
    REFUSED,
    as_typed,
    composes,
    follow_parent,
    plain_values,
)

# Torch, MLflow and the rest of the package are imported where they are needed: tab completion runs
# this file.

_single: list[tuple[dict[str, Any], dict[str, str]]] = []


@hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")
def train(config: DictConfig) -> float | None:
    """Train one job of a sweep in the worker of a launcher; note a single run for `main`."""
    composed = plain_values(config, HydraConfig.get())
    if HydraConfig.get().mode == RunMode.RUN:
        _single.append(composed)
        return None
    from gausspg.sweeps.isolated import run_isolated
    from gausspg.sweeps.preload import TRAINING_PROGRAM

    return run_isolated(TRAINING_PROGRAM, composed, list(HydraConfig.get().overrides.task))


def main() -> int:
    """Compose, check, train; return the exit status. A sweep exits with its own.

    0 all runs finished, 1 some did not, 2 nothing was done because a setting is wrong, 130
    interrupted. Runs are kept in `runs/` of the clone; of a wheel, in `runs/` of this folder.
    """
    os.environ.setdefault("GAUSSPG_ROOT", str(CLONE or Path.cwd()))
    # Hydra would print its own report of an error and leave with status 1.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    follow_parent()
    _single.clear()
    try:
        if not composes(train):
            return REFUSED
        if not _single:
            return 0
        print("1 run: loading torch and MLflow", flush=True)
        from gausspg.sweeps.single import run_single

        return run_single(_single[0], command=as_typed("src/run.py"))
    except KeyboardInterrupt:
        # Before any run began; a run that is interrupted records that itself.
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
