"""The settings of one run, typed and range-checked.

The axes (`env`, `variance`, ...) are nodes whose `_target_` knows its own settings; those are
checked when `gausspg.training.build` builds them. All other settings are checked here.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from gausspg.ranges import Count, Fraction, Natural
from gausspg.training.build import SettingsError, describe

Node = dict[str, Any]


class Strict(BaseModel):
    """Settings that refuse unknown keys, infinite numbers, and booleans in place of numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _reject_booleans(cls, value: object) -> object:
        # No setting here is a boolean, and Python counts True as a number.
        if isinstance(value, bool):
            raise ValueError("true and false are no values here")
        return value


Kind = TypeVar("Kind", bound=Strict)


class EvaluationSettings(Strict):
    """When and how the policy is evaluated."""

    interval: Count
    episodes: Count
    final_episodes: Count
    solved: float | None
    random_return: float | None
    reference_return: float | None


class TrackingSettings(Strict):
    """Where runs are recorded."""

    uri: str | None
    experiment: Annotated[str, Field(min_length=1)]
    folder: str | None = None  # Runs of older versions lack it.


class VideoSettings(Strict):
    """The short animation of the trained policy."""

    frames: Natural
    width: Count


class Settings(Strict):
    """All settings of one run; one attribute per key of `conf/config.yaml`."""

    seed: Natural
    steps: Count
    gamma: Fraction
    device: Literal["cpu", "cuda"]
    threads: Count
    checkpoint_interval: Count
    evaluation: EvaluationSettings
    tracking: TrackingSettings
    video: VideoSettings
    jobs: Count | None
    sweep_name: str | None
    existing: Literal["skip", "rerun", "refuse"] | None = None
    env: Node
    policy: Node
    estimator: Node
    learner: Node
    variance: Node | None = None
    squash: Node | None = None
    diagnostics: Node | None = None


def check(config: Mapping[str, Any]) -> Settings:
    """Check a resolved configuration.

    Raises:
        SettingsError: the first wrong value, in one line.
    """
    return validated(Settings, config)


def validated(kind: type[Kind], config: Mapping[str, Any]) -> Kind:
    """Check a resolved configuration against any class of settings.

    Raises:
        SettingsError: the first wrong value, in one line.
    """
    refuse_missing(config)
    try:
        return kind.model_validate(config)
    except ValidationError as error:
        raise SettingsError(describe(error)) from error


def refuse_missing(node: Mapping[str, Any], prefix: str = "") -> None:
    """Refuse settings without a value, `???`.

    Raises:
        SettingsError: names the first of them.
    """
    for key, value in node.items():
        if isinstance(value, Mapping):
            refuse_missing(value, f"{prefix}{key}.")
        elif value == "???":
            raise SettingsError(f"{prefix}{key} is missing: add {prefix}{key}=VALUE")
