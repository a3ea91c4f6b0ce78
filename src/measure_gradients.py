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
from omegaconf import DictConfig

from run import ROOT, composed_or_told, plain_values

os.environ.setdefault("GAUSSPG_CONF", str(ROOT / "conf"))
_TOUR = "+sweep=gradients/tour"
_composed: list[tuple[dict[str, Any], dict[str, str]]] = []


@hydra.main(config_path="../conf/laboratory", config_name="config", version_base="1.3")
def compose(config: DictConfig) -> None:
    """Collect the configuration of one measurement."""
    _composed.append(plain_values(config))


def main() -> int:
    """Compose, check, measure; return the exit status."""
    if len(sys.argv) == 1:
        print(f"python src/{Path(__file__).name} {_TOUR}")
        sys.argv.append(_TOUR)
    if not composed_or_told(compose):
        return 2
    if not _composed:
        return 0
    from gausspg.sweeps import preload
    from gausspg.sweeps.jobs import prepare
    from gausspg.training.memory import nothing_collected

    if len(_composed) > 1:
        prepare(preload.MEASURING)
    with nothing_collected():
        from gausspg.laboratory.session import run

    return run(_composed, command=["python", "src/measure_gradients.py", *sys.argv[1:]])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
