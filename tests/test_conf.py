"""Every word composes and works with every other, or is refused in one sentence."""

import copy
import importlib.util
from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from cli import AXES, ROOT, words
from gausspg import worker
from gausspg.actions import BoxActions
from gausspg.build import SettingsError
from gausspg.factory import build_environment
from gausspg.settings import check

CONF = ROOT / "conf"
# `env=any` is nothing without an id; the rest of conf/env is found by its file names.
ANY = ("env.id=MountainCarContinuous-v0",)
MUJOCO = importlib.util.find_spec("mujoco") is not None

Config = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def hydra() -> Iterator[None]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


@cache
def composed(*overrides: str) -> Config:
    config = OmegaConf.to_container(compose("config", list(overrides)), resolve=True)
    assert isinstance(config, dict)
    return {str(key): value for key, value in config.items()}


def environment_words(word: str) -> tuple[str, ...]:
    if "mujoco extra" in (CONF / "env" / f"{word}.yaml").read_text() and not MUJOCO:
        pytest.skip("the mujoco extra is not installed")
    return (f"env={word}", *(ANY if word == "any" else ()))


def refusal(config: Config) -> str | None:
    try:
        worker.refuse_what_cannot_work(config)
    except SettingsError as error:
        return str(error)
    return None


def test_the_axes_are_the_folders() -> None:
    assert set(AXES) == {path.name for path in CONF.iterdir() if path.is_dir()} - {"sweep"}


@pytest.mark.parametrize(("axis", "word"), [(a, w) for a in AXES for w in words(a)])
def test_a_word_is_the_name_of_its_file_and_names_a_class(axis: str, word: str) -> None:
    config = compose("config", [f"{axis}={word}"], return_hydra_config=True)
    assert config.hydra.runtime.choices[axis] == word
    module, _, _ = config[axis]._target_.rpartition(".")
    assert importlib.util.find_spec(module) is not None
    assert module.startswith("gausspg.")


def test_the_defaults_work() -> None:
    assert refusal(composed()) is None


@pytest.mark.parametrize("env", words("env"))
def test_checking_a_configuration_leaves_it_as_it_was(env: str) -> None:
    config = composed(*environment_words(env))
    before = copy.deepcopy(config)
    assert refusal(config) is None
    assert config == before


@pytest.mark.parametrize("env", words("env"))
def test_what_goes_together_works_and_what_does_not_is_refused(
    env: str, refused_pairs: set[tuple[str, str]]
) -> None:
    base = composed(*environment_words(env))
    actions = build_environment(check(base)).actions
    continuous = isinstance(actions, BoxActions)
    nodes = {axis: {word: composed(f"{axis}={word}")[axis] for word in words(axis)}
             for axis in AXES if axis != "env"}  # fmt: skip
    if not continuous:
        nodes["variance"] = nodes["squash"] = {"null": None}
    wrong = []
    pairs = product(nodes["variance"], nodes["squash"])
    for (variance, squash), estimator, learner in product(
        pairs, nodes["estimator"], nodes["learner"]
    ):
        config = base | {
            "variance": nodes["variance"][variance],
            "squash": nodes["squash"][squash],
            "estimator": nodes["estimator"][estimator],
            "learner": nodes["learner"][learner],
        }
        alone = isinstance(actions, BoxActions) and len(actions.low) == 1
        expected = (variance, squash) in refused_pairs or (alone and variance.startswith("full"))
        message = refusal(config)
        if (message is not None) != expected or "\n" in (message or ""):
            wrong.append((variance, squash, estimator, learner, message))
    assert wrong == []


@pytest.mark.parametrize("env", words("env"))
def test_a_policy_for_other_actions_is_refused(env: str) -> None:
    names = environment_words(env)
    own = composed(*names)["policy"]["_target_"]
    others = [word for word in words("policy") if f".{word}." not in own]
    assert len(others) == len(words("policy")) - 1
    for policy in others:
        message = refusal(composed(*names, f"policy={policy}"))
        assert str(message).startswith(f"policy={policy} does not serve the ")


REINFORCE = (
    "estimator.weight=total_return", "estimator.baseline=none", "estimator.standardise=false",
    "estimator.surrogate=plain", "learner.rollout_steps=null", "learner.epochs=1",
    "learner.minibatch_rows=null", "learner.max_grad_norm=null",
)  # fmt: skip


def test_the_settings_that_the_estimators_file_calls_reinforce_work() -> None:
    text = " ".join((CONF / "estimator" / "score_function.yaml").read_text().split("#"))
    assert all(setting in text.split() for setting in REINFORCE)
    assert refusal(composed("env=pendulum", *REINFORCE)) is None


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("variance=full squash=clip_mass", r"squash=clip_mass needs .* variance=full are not"),
        ("variance=full_global squash=clip_mass", r"needs .* of variance=full_global are not"),
        ("env=pendulum variance=full", "variance=full needs at least 2 action dimensions"),
        ("env=pendulum variance=full_global", "variance=full_global needs at least 2 action"),
        ("env=cartpole variance=learned", "variance has no meaning for policy=categorical"),
        ("env=cartpole squash=tanh", "squash has no meaning for policy=categorical"),
        ("env=cartpole policy=gaussian", r"does not serve .* set policy=categorical$"),
        ("env=pendulum policy=categorical", r"does not serve .* set policy=gaussian$"),
        ("estimator.baseline=none", r"baseline=none does not go with estimator\.weight=gae"),
        ("estimator.weight=reward_to_go estimator.gae_lambda=0.9", r"gae_lambda=0\.9 has no effec"),
        ("estimator.surrogate=plain estimator.clip_ratio=0.1", r"clip_ratio=0\.1 has no effect"),
        ("estimator.weight=reward_to_go estimator.baseline=mean", "baseline=mean has no effect"),
        ("estimator.weight=total_return", "rollout_steps=128 cuts episodes"),
        ("policy.hidden=[] variance.trunk=separate", "trunk=separate has no effect on a linear"),
        ("variance.initial_std=5", r"variance\.initial_std=5\.0 must lie between"),
        ("variance.initial_std=[1,1]", "initial_std has 2 entries and the action has 4 dimensions"),
    ],
)
def test_what_cannot_work_or_has_no_effect_is_refused(overrides: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as refused:
        worker.refuse_what_cannot_work(composed(*overrides.split()))
    assert "\n" not in str(refused.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_refused() -> None:
    assert refusal(composed("device=cuda")) == (
        "device=cuda and torch finds no CUDA device here: set device=cpu"
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_device_that_is_there_works() -> None:
    assert refusal(composed("device=cuda")) is None
