"""The settings of one run, typed and range-checked.

The axes (`env`, `variance`, ...) are nodes whose `_target_` knows its own settings; those are
checked when `gausspg.build` builds them. What belongs to no axis is checked here.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from gausspg.build import SettingsError, describe
from gausspg.ranges import Count, Fraction, Natural

Node = dict[str, Any]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: object) -> object:
        # None of these settings is a switch, and Python counts true among the numbers.
        if isinstance(value, bool):
            raise ValueError("true and false are no values here")
        return value


class EvaluationSettings(_Strict):
    """When and how the policy is evaluated."""

    interval: Count
    episodes: Count
    final_episodes: Count
    solved: float | None = None  # Runs recorded before it was a setting lack it.
    seed: Natural


class TrackingSettings(_Strict):
    """Where runs are recorded."""

    uri: str | None
    experiment: Annotated[str, Field(min_length=1)]


class VideoSettings(_Strict):
    """The short animation of the trained policy."""

    frames: Natural
    width: Count


class Settings(_Strict):
    """Everything that is set for one run; one attribute per key of `conf/config.yaml`."""

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


def check(config: Mapping[str, Any]) -> Settings:
    """Check a resolved configuration.

    Raises:
        SettingsError: the first wrong value, in one line.
    """
    _refuse_missing(config, "")
    try:
        return Settings.model_validate(config)
    except ValidationError as error:
        raise SettingsError(describe(error)) from error


def _refuse_missing(node: Mapping[str, Any], prefix: str) -> None:
    for key, value in node.items():
        if isinstance(value, Mapping):
            _refuse_missing(value, f"{prefix}{key}.")
        elif value == "???":
            raise SettingsError(f"{prefix}{key} is missing: add {prefix}{key}=VALUE")
