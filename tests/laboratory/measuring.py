"""Measurements composed from `conf/laboratory`, and all that its words allow."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from gausspg.laboratory.measure import Measurement, measure
from gausspg.laboratory.settings import Settings, assemble, check
from gausspg.streams import Streams
from gausspg.training.build import SettingsError

CONF = Path(__file__).parents[2] / "conf"
# What a run id is needed for is tested on its own.
PROBLEMS = sorted({path.stem for path in (CONF / "problem").glob("*.yaml")} - {"policy"})
ESTIMATORS = sorted(path.stem for path in (CONF / "laboratory" / "estimator").glob("*.yaml"))
RIGHT = [word for word in ESTIMATORS if not word.startswith("wrong_")]
VARIANCES = sorted(path.stem for path in (CONF / "variance").glob("*.yaml"))
SQUASHES = sorted(path.stem for path in (CONF / "squash").glob("*.yaml"))


def settings_of(*overrides: str) -> Settings:
    """Compose `conf/laboratory` with `overrides`, as on the command line."""
    os.environ["GAUSSPG_CONF"] = str(CONF)
    with initialize_config_dir(str(CONF / "laboratory"), version_base="1.3"):
        config = compose("config", list(overrides))
    plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)
    assert isinstance(plain, dict)
    return check({str(key): value for key, value in plain.items()})


def measured(*overrides: str) -> Measurement:
    """Make the measurement that `overrides` describe."""
    return measurement(settings_of(*overrides))


def measurement(settings: Settings, rows: int | None = None) -> Measurement:
    """Make the measurement that settings describe, with another number of rows if one is given."""
    problem, policy, recipe = assemble(settings)
    streams = Streams(settings.seed)
    return measure(problem, policy, recipe, rows or settings.rows, settings.chunk, streams)


def variants(problem: str, estimator: str) -> Iterator[tuple[str, Settings]]:
    """Yield words and settings of every variance and squash that go with problem and estimator.

    A squash other than the problem's usual one only where the actions have bounds.
    """
    squashes = SQUASHES if problem.startswith("bounded") else [""]
    for variance, squash in itertools.product(VARIANCES, squashes):
        words = [f"problem={problem}", f"estimator={estimator}", f"variance={variance}"]
        words += [f"squash={squash}"] if squash else []
        try:
            settings = settings_of(*words)
            assemble(settings)
        except SettingsError:
            continue
        yield " ".join(words), settings
