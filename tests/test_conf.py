"""Every word composes and works with every other, or is refused in one sentence."""

import copy
import importlib.util
import math
from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any

import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from cli import AXES, ROOT, words
from gausspg.policies.actions import BoxActions
from gausspg.sweeps import worker
from gausspg.training import factory
from gausspg.training.build import SettingsError, find
from gausspg.training.settings import check

CONF = ROOT / "conf"
TUNED = sorted((CONF / "tuned").glob("*.yaml"))
SMALL = ("policy.hidden=[4]", "learner.critic_hidden=[4]")
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
    others = {"sweep", "tuned", "laboratory", "problem", "hydra"}
    assert set(AXES) == {path.name for path in CONF.iterdir() if path.is_dir()} - others


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


def must_be_refused(config: Config, actions: object, pairs: set[tuple[str, str]]) -> bool:
    """Tell by what the parts can do whether they go together with the environment's actions."""
    estimator = find(config["estimator"], "estimator")
    if not isinstance(actions, BoxActions):
        return estimator.differentiates_samples
    squash, variance = (find(config[axis], axis) for axis in ("squash", "variance"))
    bounded = all(map(math.isfinite, (*actions.low, *actions.high)))
    words = tuple(part.__module__.rpartition(".")[2] for part in (variance, squash))
    return (
        words in pairs
        or (squash.bounds_actions and not bounded)
        or variance.minimum_action_dim > len(actions.low)
    )


@pytest.mark.parametrize("env", words("env"))
def test_what_goes_together_works_and_what_does_not_is_refused(
    env: str, refused_pairs: set[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = environment_words(env)
    environment = factory.build_environment(check(composed(*names)))
    # What is made for its spaces is the same every time, and dear.
    monkeypatch.setattr(factory, "build_environment", lambda settings: environment)
    # These files set one node each; those of estimators and learners bring more.
    nodes = {axis: {word: composed(f"{axis}={word}")[axis] for word in words(axis)}
             for axis in ("variance", "squash")}  # fmt: skip
    if not isinstance(environment.actions, BoxActions):
        nodes = {"variance": {"": None}, "squash": {"": None}}
    wrong, outcomes = [], set()
    for estimator, learner in product(words("estimator"), words("learner")):
        base = composed(*names, f"estimator={estimator}", f"learner={learner}", *SMALL)
        for variance, squash in product(nodes["variance"], nodes["squash"]):
            config = base | {
                "variance": nodes["variance"][variance],
                "squash": nodes["squash"][squash],
            }
            expected = must_be_refused(config, environment.actions, refused_pairs)
            message = refusal(config)
            outcomes.add(message is None)
            if (message is not None) != expected or "\n" in (message or ""):
                wrong.append((variance, squash, estimator, learner, message))
    assert wrong == []
    assert outcomes == {True, False}


@pytest.mark.parametrize("env", words("env"))
def test_a_policy_for_other_actions_is_refused(env: str) -> None:
    names = environment_words(env)
    actions = factory.build_environment(check(composed(*names))).actions
    kinds = {word: find(composed(f"policy={word}")["policy"], "policy") for word in words("policy")}
    others = [word for word, kind in kinds.items() if not isinstance(actions, kind.actions_type)]
    assert 0 < len(others) < len(kinds)
    for policy in others:
        message = refusal(composed(*names, f"policy={policy}"))
        assert str(message).startswith(f"policy={policy} does not serve the ")


def chosen(*overrides: str) -> dict[str, str | None]:
    """Return the word that each axis has in the end."""
    choices = compose("config", list(overrides), return_hydra_config=True).hydra.runtime.choices
    return {axis: choices[axis] for axis in AXES}


@pytest.mark.parametrize(
    ("typed", "brought"),
    [
        ("learner=replay", "squash=tanh"),
        ("estimator=reparameterised", "learner=replay squash=tanh"),
        ("env=cartpole", "policy=categorical variance=null squash=null"),
        ("policy=categorical", "variance=null squash=null"),
        ("env=lqr", "squash=none"),
        ("env=lqr estimator=reparameterised", "learner=replay squash=none"),
        ("env=cartpole learner=replay", "policy=categorical variance=null squash=null"),
    ],
)
def test_a_word_brings_others_which_give_way_to_what_is_typed(typed: str, brought: str) -> None:
    found = chosen(*typed.split())
    pairs = [pair.split("=") for pair in brought.split()]
    assert {axis: str(found[axis]).replace("None", "null") for axis, _ in pairs} == dict(pairs)
    for axis, word in pairs:
        other = next(other for other in words(axis) if other != word)
        assert chosen(*typed.split(), f"{axis}={other}")[axis] == other


def test_what_a_learner_brings_beside_its_word_gives_way_too() -> None:
    usual, with_replay = composed()["policy"], composed("learner=replay")["policy"]
    assert with_replay["activation"] != usual["activation"]
    assert composed("learner=replay", "policy.activation=elu")["policy"]["activation"] == "elu"
    assert composed("estimator=reparameterised", "learner=on_policy")["policy"] == usual
    assert composed("env=lqr", "learner=replay")["policy"]["hidden"] == []
    assert composed("env=lqr", "learner=replay", "policy.hidden=[3]")["policy"]["hidden"] == [3]


def leaves(node: Config, prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in node.items():
        deeper = isinstance(value, dict)
        found |= leaves(value, f"{prefix}{key}.") if deeper else {f"{prefix}{key}": value}
    return found


def test_there_are_tuned_settings() -> None:
    assert TUNED


@pytest.mark.parametrize("path", TUNED, ids=lambda path: path.stem)
def test_tuned_settings_belong_to_a_learner_and_an_environment_or_sweep(path: Any) -> None:
    pairs = {f"{env}_{learner}": (f"env={env}", f"learner={learner}")
             for env, learner in product(words("env"), words("learner"))}  # fmt: skip
    files = [file.stem for file in (ROOT / "sweeps").glob("*.yaml")]
    sweeps = {f"{sweep}_{learner}": (f"+sweep={sweep}", f"learner={learner}")
              for sweep, learner in product(files, words("learner"))}  # fmt: skip
    settings = leaves(yaml.safe_load(path.read_text()))
    assert path.read_text().startswith("# @package _global_\n")
    pair = (pairs | sweeps)[path.stem]
    found = leaves(composed(*pair))
    assert settings.keys() <= found.keys()
    assert found == found | settings, "they do not arrive"
    if path.stem in pairs:
        plain = leaves(composed(*pair, "~tuned"))
        assert found == plain | settings, "they bring more than they say"
    assert leaves(composed(*pair, "steps=7"))["steps"] == 7
    if pair[0].startswith("env="):
        environment_words(pair[0].removeprefix("env="))  # skips where its package is missing
    assert refusal(composed(*pair)) is None


def test_where_nothing_is_tuned_nothing_changes() -> None:
    names = {path.stem for path in TUNED}
    plain = {(env, learner) for env, learner in product(words("env"), words("learner"))
             if f"{env}_{learner}" not in names and env != "any"}  # fmt: skip
    for env, learner in sorted(plain)[::6]:
        pair = (f"env={env}", f"learner={learner}")
        assert composed(*pair) == composed(*pair, "~tuned")


REINFORCE = (
    "estimator.weight=total_return", "estimator.baseline=none", "estimator.standardise=false",
    "estimator.surrogate=plain", "learner.rollout_steps=null", "learner.epochs=1",
    "learner.minibatch_rows=null", "learner.max_grad_norm=null",
)  # fmt: skip


NO_VALUE = "estimator.weight=reward_to_go estimator.baseline=none learner.rollout_steps=null"
PATHWISE = "estimator=reparameterised learner=on_policy"
DYNAMICS = f"env=lqr estimator.through=dynamics {PATHWISE}"
WHOLE = f"{DYNAMICS} learner.rollout_steps=null"


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
        (
            "estimator.baseline=none estimator.weight=gae",
            r"baseline=none does not go with estimator\.weight=gae",
        ),
        ("estimator.surrogate=plain estimator.clip_ratio=0.1", r"clip_ratio=0\.1 has no effect"),
        ("estimator.weight=reward_to_go estimator.baseline=mean", "baseline=mean has no effect"),
        ("estimator.weight=total_return", "rollout_steps=128 cuts episodes"),
        ("policy.hidden=[] variance.trunk=separate", "trunk=separate has no effect on a linear"),
        ("variance.initial_std=5", r"variance\.initial_std=5\.0 must lie between"),
        ("learner.gae_lambda=1.5", r"gae_lambda=1\.5: should be less than or equal to 1"),
        (
            "estimator.baseline=leave_one_out estimator.weight=reward_to_go",
            "has one action in each",
        ),
        ("learner.action_samples=3", r"learner\.action_samples=3 has no effect"),
        ("learner.target_kl=0.1 learner.epochs=1", r"learner\.target_kl=0\.1 has no effect"),
        (f"{NO_VALUE} learner.critic_lr=0.1", r"learner\.critic_lr=0\.1 has no effect"),
        (f"{NO_VALUE} learner.critic=state_value", r"learner\.critic=state_value has no effect"),
        ("learner.critic=action_value estimator.weight=gae", r"weight=gae needs trajectories"),
        ("learner.critic=state_value estimator.weight=action_value", "needs action values and"),
        ("learner=replay estimator.weight=gae", r"weight=gae needs trajectories and this learner"),
        ("learner=replay estimator.baseline=value", "baseline=value does not go with"),
        ("learner=replay learner.action_samples=1", "action_samples=1 leaves no other action"),
        ("learner=replay learner.warmup_steps=500_000", r"warmup_steps=500000 leaves nothing"),
        (
            "learner=replay variance=fixed squash=clip learner.temperature=0.2",
            "have no effect on a p",
        ),
        (
            "learner=replay learner.target_rate=0",
            r"learner\.target_rate=0: should be greater than 0",
        ),
        (
            "env=lqr learner=on_policy estimator=reparameterised estimator.through=dynamics "
            "estimator.horizon=200",
            r"estimator\.horizon=200 is longer than learner\.rollout_steps=128",
        ),
        ("learner=replay learner.buffer_steps=3", r"buffer_steps=3 cannot hold one step of env"),
        ("learner=replay estimator.surrogate=ppo_clip", "ppo_clip have no effect with"),
        (
            "learner=replay learner.target_entropy=-1 learner.temperature=0",
            r"y=-1\.0 has no effect",
        ),
        (f"{PATHWISE} learner.critic=state_value", "needs a critic of states and actions"),
        (f"{PATHWISE} estimator.horizon=5", r"estimator\.horizon=5 has no effect with"),
        (f"{PATHWISE} estimator.through=dynamics", "needs an environment that can be differentia"),
        (f"{DYNAMICS} learner=replay", "and a learner that follows its trajectories"),
        (f"{DYNAMICS} learner.critic=action_value", "and a learner that follows its trajector"),
        (f"{DYNAMICS}", "rollout_steps=128 cuts episodes"),
        (f"{WHOLE} learner.critic_lr=0.1", r"learner\.critic_lr=0\.1 has no effect"),
        (f"{WHOLE} learner.target_kl=0.1", r"learner\.target_kl=0\.1 has no effect"),
        (f"{WHOLE} learner.action_samples=3", r"learner\.action_samples=3 has no effect"),
        (
            f"{WHOLE} diagnostics=gradients",
            r"through=dynamics learns from neither: set diagnostics=n",
        ),
        ("diagnostics=gradients diagnostics.rows=1", r"diagnostics\.rows=1 does not scatter"),
        (
            "learner=replay diagnostics=gradients diagnostics.action_samples=1",
            r"diagnostics\.action_samples=1 leaves no other action",
        ),
        (
            "diagnostics=gradients diagnostics.action_samples=3",
            r"action_samples=3 has no effect without a critic of states and actions",
        ),
        ("diagnostics=gradients diagnostics.interval=0", r"interval=0: should be greater than or"),
        ("env=cartpole estimator=reparameterised", "those of policy=categorical cannot be"),
        ("env=lqr squash=tanh", "squash=tanh needs finite action bounds"),
        ("variance.initial_std=[1,1]", "initial_std has 2 entries and the action has 4 dimensions"),
    ],
)
def test_what_cannot_work_or_has_no_effect_is_refused(overrides: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as refused:
        worker.refuse_what_cannot_work(composed(*overrides.split()))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "overrides",
    [
        NO_VALUE,
        "learner=replay",
        "learner=replay variance=fixed learner.temperature=0",
        "learner.critic=action_value learner.gae_lambda=0.9 learner.action_samples=3",
        PATHWISE,
        WHOLE,
        "diagnostics=gradients",
        "learner=replay diagnostics=gradients diagnostics.action_samples=3",
        "env=cartpole learner=replay diagnostics=gradients",
        f"{DYNAMICS} estimator.horizon=5 learner.gae_lambda=0.9 learner.critic_lr=0.1",
    ],
)
def test_close_to_what_is_refused_there_is_something_that_works(overrides: str) -> None:
    assert refusal(composed(*overrides.split())) is None


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_refused() -> None:
    assert refusal(composed("device=cuda")) == (
        "device=cuda and torch finds no CUDA device here: set device=cpu"
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_device_that_is_there_works() -> None:
    assert refusal(composed("device=cuda")) is None
