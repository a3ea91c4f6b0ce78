"""What a study has laid down before its first run: the file `sweeps/<study>/study.yaml`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from reading.recorded import DataError

SWEEPS = Path(__file__).parents[2] / "sweeps"
FILE = "study.yaml"

Words = Mapping[str, Any]
"""Settings as on the command line, each with a value or a list of them."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Environment(_Strict):
    """What an environment is called, which runs are of it, and its scale."""

    title: str
    where: Words
    random_return: float
    reference_return: float

    @model_validator(mode="after")
    def _scale(self) -> Self:
        if not self.reference_return > self.random_return:
            raise ValueError(
                f"{self.title}: reference_return {self.reference_return:g} is not above "
                f"random_return {self.random_return:g}: nothing could be normalised"
            )
        return self


class Contrast(_Strict):
    """The mean of some groups of runs less that of others, within each seed.

    One group on either side is a difference, two on either side an interaction. `over` are the
    settings whose values are averaged over, those that both sides have.
    """

    title: str
    plus: tuple[Words, ...]
    minus: tuple[Words, ...]
    block: str = ""
    question: str = ""
    sweeps: tuple[str, ...] = ()
    over: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ("with noise", "without noise")
    confirmatory: bool = True
    seeds: Mapping[str, int] = {}

    @model_validator(mode="after")
    def _balanced(self) -> Self:
        if not self.plus or len(self.plus) != len(self.minus):
            raise ValueError(
                f"{self.title}: {len(self.plus)} groups against {len(self.minus)}: give as many "
                "in minus as in plus"
            )
        return self


class Preregistration(_Strict):
    """A study as its file lays it down."""

    question: str
    smallest_difference: Annotated[float, Field(gt=0.0)]
    level: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.05
    reporting_seeds: tuple[int, int]
    tuning_seeds: tuple[int, int]
    looks: tuple[int, ...] = ()
    tuning_sweeps: tuple[str, ...] = ()
    environments: Mapping[str, Environment]
    contrasts: Mapping[str, Contrast]
    aggregate: Words = {}

    @model_validator(mode="after")
    def _sound(self) -> Self:
        (first, last), (begin, end) = self.reporting_seeds, self.tuning_seeds
        if first <= end and begin <= last:
            raise ValueError(
                f"tuning seeds {begin} to {end} are among the reporting seeds {first} to {last}: "
                "what was chosen with a seed cannot be judged with it"
            )
        if list(self.looks) != sorted(set(self.looks)) or any(look < 2 for look in self.looks):
            raise ValueError(f"looks are {self.looks}: give ascending numbers of seeds from 2 on")
        for name, contrast in self.contrasts.items():
            for environment in contrast.environments:
                if environment not in self.environments:
                    raise ValueError(
                        f"contrast {name} is of environment {environment}, which has no scale: "
                        "add it to environments"
                    )
        return self


def is_study(name: str, folder: Path = SWEEPS) -> bool:
    """Tell whether a name is that of a study."""
    return Path(name).name == name and (folder / name / FILE).is_file()


def sweeps_of(name: str, folder: Path = SWEEPS) -> list[str]:
    """Return the names of the sweeps of a study: its other files, however deep."""
    found = sorted(path.stem for path in (folder / name).rglob("*.yaml") if path.name != FILE)
    if not found:
        raise DataError(f"the study {name} has no sweep: add sweeps/{name}/<sweep>.yaml")
    return found


def read_preregistration(path: Path) -> Preregistration:
    """Read the file of a study.

    Raises:
        DataError: it is none; one line with the first thing that is wrong.
    """
    try:
        return Preregistration.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError) as error:
        raise DataError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        said = str(first["msg"]).removeprefix("Value error, ")
        value = "" if first["type"] == "value_error" else f", not {first['input']!r:.60}"
        raise DataError(f"{path.parent.name}/{path.name}: {place}: {said}{value}") from error
