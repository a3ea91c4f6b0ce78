"""What belongs to no axis is typed and range-checked; every refusal is one line with the value."""

import copy
from typing import Any

import pytest
from pydantic import ValidationError

from gausspg.training.build import SettingsError
from gausspg.training.settings import check

NODE = {"_target_": "gausspg.anything"}


def config() -> dict[str, Any]:
    return {
        "seed": 0, "steps": 10, "gamma": 0.99, "device": "cpu", "threads": 1,
        "checkpoint_interval": 5, "jobs": None, "sweep_name": None,
        "evaluation": {
            "interval": 5, "episodes": 1, "final_episodes": 2, "solved": None,
            "random_return": None, "reference_return": None,
        },
        "tracking": {"uri": None, "experiment": "tests"},
        "video": {"frames": 0, "width": 10},
        **{axis: dict(NODE) for axis in ("env", "policy", "estimator", "learner")},
        "variance": None, "squash": None,
    }  # fmt: skip


def changed(name: str, value: object) -> dict[str, Any]:
    whole = config()
    *path, key = name.split(".")
    node = whole
    for part in path:
        node = node[part]
    node[key] = value
    return whole


def test_values_arrive_as_they_are_set() -> None:
    settings = check(config())
    assert (settings.seed, settings.steps, settings.gamma) == (0, 10, 0.99)
    assert settings.evaluation.final_episodes == 2
    assert settings.env == NODE
    assert settings.variance is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("steps", 1), ("seed", 0), ("gamma", 0), ("gamma", 1), ("video.frames", 0), ("jobs", 1)],
)
def test_the_ends_of_a_range_belong_to_it(name: str, value: object) -> None:
    check(changed(name, value))


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("steps", -5, "should be greater than or equal to 1"),
        ("steps", 0, "should be greater than or equal to 1"),
        ("steps", 1.5, "should be a valid integer"),
        ("steps", None, "should be a valid integer"),
        ("seed", -1, "should be greater than or equal to 0"),
        ("seed", "", "should be a valid integer"),
        ("gamma", 1.5, "should be less than or equal to 1"),
        ("gamma", -0.1, "should be greater than or equal to 0"),
        ("gamma", float("nan"), "should be a finite number"),
        ("gamma", "abc", "should be a valid number"),
        ("device", "gpu", "should be 'cpu' or 'cuda'"),
        ("threads", 0, "should be greater than or equal to 1"),
        ("jobs", 0, "should be greater than or equal to 1"),
        ("checkpoint_interval", 0, "should be greater than or equal to 1"),
        ("evaluation.episodes", 0, "should be greater than or equal to 1"),
        ("tracking.uri", 3, "should be a valid string"),
        ("video.width", 0, "should be greater than or equal to 1"),
        ("env", None, "should be a valid dictionary"),
        ("learner", "on_policy", "should be a valid dictionary"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name(name: str, value: object, reason: str) -> None:
    with pytest.raises(SettingsError) as refused:
        check(changed(name, value))
    assert str(refused.value).startswith(f"{name}={value}: {reason}")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["sted", "evaluation.episode", "video.colour"])
def test_an_unknown_key_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}=3: "):
        check(changed(name, 3))


@pytest.mark.parametrize("name", ["steps", "env.id", "evaluation.episodes"])
def test_a_value_nobody_gave_is_asked_for(name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} is missing: add {name}=VALUE$"):
        check(changed(name, "???"))


def test_checking_changes_nothing_and_settings_cannot_be_changed() -> None:
    whole = config()
    before = copy.deepcopy(whole)
    settings = check(whole)
    assert whole == before
    with pytest.raises(ValidationError, match="frozen"):
        settings.seed = 3  # type: ignore[misc]
