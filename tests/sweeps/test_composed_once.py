"""What jobs have in common is composed once, and comes out as Hydra alone would compose it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal import config_loader_impl
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

import composed_once

CONF = Path(__file__).parents[2] / "conf"
Composer = Callable[..., DictConfig]

by_overrides = pytest.mark.parametrize(
    "overrides",
    [
        "",
        "seed=3 learner.lr=0.5 policy.hidden=[7]",
        "env=pendulum learner=replay +env.kwargs.g=9",
        "env=cartpole steps=7",
        "env=lqr estimator=reparameterised learner=on_policy ~tuned",
        "+sweep=pilot seed=2 variance=full",
        "+sweep=smoke hydra.job.name=other",
    ],
)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Composer:
    """Return a function that composes as Hydra does without `composed_once`."""

    def composer(*overrides: str) -> DictConfig:
        with monkeypatch.context() as patch:
            patch.setattr(ConfigRepository, "load_config", composed_once._load)
            patch.setattr(ConfigLoaderImpl, composed_once._merge.__name__, composed_once._merge)
            name = "create_defaults_list"
            patch.setattr(config_loader_impl, name, composed_once.create_defaults_list)
            return composed(*overrides)

    return composer


@pytest.fixture(autouse=True)
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composed_once, "_kept", {})
    composed_once.compose_once()


def composed(*overrides: str, conf: Path = CONF) -> DictConfig:
    with initialize_config_dir(str(conf), version_base="1.3"):
        return compose("config", list(overrides), return_hydra_config=True)


def plain(config: DictConfig) -> Any:
    return OmegaConf.to_container(config)


@by_overrides
def test_it_is_what_hydra_alone_composes(overrides: str, alone: Composer) -> None:
    expected = plain(alone(*overrides.split()))
    assert composed_once._kept == {}
    for _ in range(2):
        found = composed(*overrides.split())
        assert repr(plain(found)) == repr(expected)
        assert OmegaConf.is_struct(found)
        # What one job does with its configuration is not seen by the next.
        found.gamma = 0.123
        found.hydra.runtime.choices["env"] = "none"


def test_jobs_of_the_same_words_read_no_file_again(monkeypatch: pytest.MonkeyPatch) -> None:
    composed("env=pendulum", "seed=1")
    monkeypatch.setattr(OmegaConf, "load", lambda *_: pytest.fail("a file was read"))
    assert composed("env=pendulum", "seed=2", "gamma=0.5").seed == 2


def test_other_words_come_from_their_own_files() -> None:
    choices = [composed(f"squash={word}").squash._target_ for word in ("clip", "tanh", "clip")]
    assert choices == [
        f"gausspg.policies.squash.{word}" for word in ("clip.Clip", "tanh.Tanh", "clip.Clip")
    ]


def test_another_folder_has_its_own_settings(tmp_path: Path) -> None:
    other = shutil.copytree(CONF, tmp_path / "conf") / "config.yaml"
    other.write_text(other.read_text().replace("\nseed: 0 ", "\nseed: 5 "))
    assert [composed().seed, composed(conf=other.parent).seed, composed().seed] == [0, 5, 0]


@pytest.mark.parametrize(
    "overrides",
    ["env=nope", "learner.speed=3", "+seed=1", "variance=null", "seed=1,2", "+env=lqr", "~nope"],
)
def test_what_hydra_refuses_is_refused_in_its_words(overrides: str, alone: Composer) -> None:
    messages = []
    for composer in (alone, composed, composed):
        with pytest.raises((HydraException, ValueError)) as refused:
            composer(*overrides.split())
        messages.append(str(refused.value))
    assert messages == messages[:1] * 3
