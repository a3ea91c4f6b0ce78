"""Train one policy, or with -m many, and record every run in MLflow.

    python src/run.py                                       one run with the defaults
    python src/run.py variance=full squash=tanh env=pendulum seed=3
    python src/run.py -m variance=fixed,learned seed=0,1,2  a sweep, on all cores
    python src/run.py +sweep=NAME                           a sweep file of sweeps/

Hydra composes the configuration of every run first; all of them are checked before any is trained.
Exit status: 0 all runs finished, 1 some did not, 2 nothing was done because a setting is wrong,
130 interrupted.
"""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.plugins.sweeper import Sweeper
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from composed_once import compose_once

ROOT = Path(__file__).resolve().parent.parent
# Torch, MLflow and the package are imported where they are needed: tab completion runs this file.

os.environ.setdefault("GAUSSPG_ROOT", str(ROOT))
# Hydra would print its own report of an error and leave with status 1.
os.environ["HYDRA_FULL_ERROR"] = "1"

_composed: list[tuple[dict[str, Any], dict[str, str]]] = []
_PLAIN = "hydra._internal.core_plugins."
_compose_all = Sweeper.validate_batch_is_legal


@hydra.main(config_path="../conf", config_name="config", version_base="1.3")
def compose(config: DictConfig) -> float | None:
    """Collect the configuration of one run; run it at once where Hydra waits for its score."""
    named, words = plain_values(config)
    if _hydra_only_composes():
        _composed.append((named, words))
        return None
    from gausspg.training.memory import nothing_collected

    with nothing_collected():
        from gausspg.sweeps.launch import launch_one

    return launch_one(named, words, ["python", "src/run.py", *HydraConfig.get().overrides.task])


def plain_values(config: DictConfig) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the configuration of one job as plain values, and the words it was made of."""
    OmegaConf.set_readonly(config, True)
    # A value nobody gave stays ???, and is refused with the other wrong ones.
    plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)
    assert isinstance(plain, dict)
    choices = HydraConfig.get().runtime.choices
    # `tuned` only brings settings, and has a word also where there is no such file.
    words = {
        str(axis): str(word)
        for axis, word in choices.items()
        if word and "hydra/" not in axis and axis != "tuned"
    }
    return {str(key): value for key, value in plain.items()}, words


def composed_or_told(compose: Callable[[], object]) -> bool:
    """Let Hydra compose; say in one line what is wrong, if anything, and return whether not."""
    try:
        compose()
    except (HydraException, OmegaConfBaseException) as error:
        print(f"error: {in_one_line(error)}", file=sys.stderr)
        return False
    except (RuntimeError, ValueError) as error:
        if type(error).__module__.partition(".")[0] == "gausspg":
            # Of a job that another launcher ran at once, where what is told has one line too.
            print(f"error: {error}", file=sys.stderr)
            return False
        # Of all values of an axis, null alone gets no exception of Hydra's own.
        if "Config group override" not in str(error):
            raise
        print(f"error: {error}; ~AXIS leaves an axis out", file=sys.stderr)
        return False
    return True


def _hydra_only_composes() -> bool:
    """Tell whether the plain launcher and sweeper are at work, here and one job after the other.

    Others (joblib, submitit, an optimiser) call for each job where it is to run and may want its
    result.
    """
    hydra_config = HydraConfig.get()
    targets = (hydra_config.launcher._target_, hydra_config.sweeper._target_)
    return all(target.startswith(_PLAIN) for target in targets)


def _compose_all_if_launched(sweeper: Sweeper, batch: Sequence[Sequence[str]]) -> None:
    """See that every job of a sweep can be composed, unless that is all its launcher will do.

    Hydra does it for all launchers, and then again.
    """
    if not type(sweeper.launcher).__module__.startswith(_PLAIN):
        _compose_all(sweeper, batch)


setattr(Sweeper, _compose_all.__name__, _compose_all_if_launched)
compose_once()


def main() -> int:
    """Compose, check, train; return the exit status."""
    if not composed_or_told(compose):
        return 2
    if not _composed:
        return 0
    from gausspg.sweeps import preload
    from gausspg.sweeps.jobs import prepare
    from gausspg.sweeps.labels import of_sweep
    from gausspg.training.memory import nothing_collected

    if of_sweep(_composed):
        # Before torch is imported here: what the server of the jobs imports takes as long.
        prepare(preload.TRAINING)
    with nothing_collected():
        from gausspg.sweeps.launch import launch

    return launch(_composed, command=["python", "src/run.py", *sys.argv[1:]])


def in_one_line(error: BaseException) -> str:
    """Say what Hydra or OmegaConf found wrong, without their advice on config files."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    options = next((i for i, line in enumerate(lines) if line.startswith("Available options")), 0)
    if options:
        end = next(i for i, line in enumerate(lines) if line.startswith("Config search path"))
        return f"{lines[0]}; it can be: {', '.join(lines[options + 1 : end])}"
    if lines[0].startswith("Could not override"):
        return f"{lines[0].rstrip('.')}: there is no such setting; --cfg job shows those there are"
    return "; ".join(lines)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        # Before any run began; a run that is interrupted records that itself.
        sys.exit(130)
