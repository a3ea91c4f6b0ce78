"""Measure gradient estimators on problems whose gradient is known, and record it in MLflow.

    python src/measure_gradients.py                        a tour: estimators on a few problems
    python src/measure_gradients.py problem=cosine estimator=reparameterised variance=fixed
    python src/measure_gradients.py -m problem=quadratic,cosine estimator=score_function,mixture
    python src/measure_gradients.py +sweep=gradients/NAME  a sweep file of sweeps/gradients/

Exit status: 0 all measured, 1 some were not, 2 nothing was done because a setting is wrong, 130
interrupted.
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

ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault("GAUSSPG_ROOT", str(ROOT))
os.environ.setdefault("GAUSSPG_CONF", str(ROOT / "conf"))
# Hydra would print its own report of an error and leave with status 1.
os.environ["HYDRA_FULL_ERROR"] = "1"
_TOUR = "+sweep=gradients/tour"

_single: list[tuple[dict[str, Any], dict[str, str]]] = []


@hydra.main(config_path="../conf/laboratory", config_name="config", version_base="1.3")
def measure(config: DictConfig) -> float | None:
    """Make one measurement of a sweep in the worker of a launcher; note a single one for `main`."""
    composed = plain_values(config, HydraConfig.get())
    if HydraConfig.get().mode == RunMode.RUN:
        _single.append(composed)
        return None
    from gausspg.sweeps.isolated import run_isolated
    from gausspg.sweeps.preload import MEASURING_PROGRAM

    return run_isolated(MEASURING_PROGRAM, composed, list(HydraConfig.get().overrides.task))


def main() -> int:
    """Compose, check, measure; return the exit status. A sweep exits with its own."""
    if len(sys.argv) == 1:
        print(f"python src/{Path(__file__).name} {_TOUR}")
        sys.argv.append(_TOUR)
    if not composes(measure):
        return REFUSED
    if not _single:
        return 0
    from gausspg.laboratory.program import run_single

    return run_single(_single[0], command=["python", "src/measure_gradients.py", *sys.argv[1:]])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
