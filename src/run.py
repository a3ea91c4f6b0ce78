"""Train one policy, or with -m many, and record every run in MLflow.

    python src/run.py                                       one run with the defaults
    python src/run.py variance=full squash=tanh env=pendulum seed=3
    python src/run.py -m variance=fixed,learned seed=0,1,2  a sweep, on all cores
    python src/run.py +sweep=NAME                           a sweep file of sweeps/
    python src/run.py -m hydra/launcher=joblib seed=0,1     elsewhere: see sweeps/CLUSTER.md

Hydra composes the configuration of every run first; all of them are checked before any is trained.
Exit status: 0 all runs finished, 1 some did not, 2 nothing was done because a setting is wrong,
130 interrupted.
"""

import os
import sys
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from gausspg.sweeps.command import INTERRUPTED, REFUSED, composes, plain_values

# Torch, MLflow and the rest of the package are imported where they are needed: tab completion runs
# this file.

os.environ.setdefault("GAUSSPG_ROOT", str(Path(__file__).resolve().parent.parent))
# Hydra would print its own report of an error and leave with status 1.
os.environ["HYDRA_FULL_ERROR"] = "1"

_single: list[tuple[dict[str, Any], dict[str, str]]] = []


@hydra.main(config_path="../conf", config_name="config", version_base="1.3")
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
    """Compose, check, train; return the exit status. A sweep exits with its own."""
    if not composes(train):
        return REFUSED
    if not _single:
        return 0
    from gausspg.sweeps.single import run_single

    return run_single(_single[0], command=["python", "src/run.py", *sys.argv[1:]])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        # Before any run began; a run that is interrupted records that itself.
        sys.exit(INTERRUPTED)
