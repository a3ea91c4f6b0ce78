"""Environments as people write them are trained rightly, or refused in one sentence."""

from pathlib import Path

import numpy as np
import pytest
from gymnasium.spaces import Box
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

import strange
from composing import CONF, SMALL, run_of, settings_of
from gausspg.envs.answers import EnvironmentFailedError, observation_as_declared, reward_as_number
from gausspg.envs.environment import LONGEST_EPISODE, Environment
from gausspg.envs.evaluation import evaluate
from gausspg.envs.mujoco_messages import _tell
from gausspg.envs.spaces import describe_actions, native_actions
from gausspg.sweeps import worker
from gausspg.training.build import SettingsError
from gausspg.training.factory import build_environment

BRIEF = (
    *SMALL, "env.rebuild_at_reset=false", "learner.rollout_steps=4", "learner.epochs=1", "steps=64",
    "checkpoint_interval=64", "evaluation.interval=64", "evaluation.episodes=1",
    "evaluation.final_episodes=1",
)  # fmt: skip
TRAINED, REFUSED, FAILED = (
    pytest.mark.parametrize(
        "case",
        [case for case in strange.CASES if case.outcome == outcome],
        ids=lambda case: "-".join([case.name, *case.words]),
    )
    for outcome in ("trained", "refused", "failed")
)


def environment_of(*overrides: str) -> Environment:
    environment = build_environment(settings_of(*overrides))
    assert isinstance(environment, Environment)
    return environment


@REFUSED
def test_one_sentence_refuses_it(case: strange.Case) -> None:
    with pytest.raises(SettingsError) as caught:
        build_environment(settings_of(*case.overrides))
    message = str(caught.value)
    assert message.startswith(f"env.id=strange:{case.name}-v0 ")
    assert case.told in message
    assert "\n" not in message


@REFUSED
def test_it_is_refused_where_a_run_is_checked(case: strange.Case) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = OmegaConf.to_container(compose("config", list(case.overrides)), resolve=True)
    assert isinstance(config, dict)
    with pytest.raises(SettingsError, match=r"env\.id=strange"):
        worker.refuse_what_cannot_work({str(key): value for key, value in config.items()})


@TRAINED
def test_it_is_trained(case: strange.Case, tmp_path: Path) -> None:
    words = () if case.words or case.name != "Endless" else ("env.max_episode_steps=20",)
    run = run_of(*case.overrides, *BRIEF, *words)
    metrics = list(run.trainer(tmp_path).run())[-1][1]
    assert np.isfinite(metrics["eval/final_deterministic_return_mean"])


@FAILED
def test_what_goes_wrong_later_names_environment_step_and_exception(
    case: strange.Case, tmp_path: Path
) -> None:
    run = run_of(*case.overrides, *BRIEF)
    with pytest.raises(EnvironmentFailedError) as caught:
        list(run.trainer(tmp_path).run())
    message = str(caught.value)
    assert message.startswith(f"after step 16: strange:Later-v0 {case.told}")
    assert message.endswith("the run stops, the state of step 0 is kept in checkpoint.pt")
    assert "\n" not in message
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    ("scaled", "sent"), [(-3.4, -3), (-2.5, -2), (0.49, 0), (0.51, 1), (7.6, 8), (8.0, 8)]
)
def test_integers_are_rounded_to_the_nearest(scaled: float, sent: int) -> None:
    seen: list[np.ndarray] = []

    class Watched(strange.Integers):
        def reward(self, action: np.ndarray) -> float:
            seen.append(action)
            return 0.0

    environment = environment_of("env=any", "env.id=strange:Integers-v0")
    with environment.batch([np.random.default_rng(0)]) as env:
        env._envs = [Watched()]  # type: ignore[attr-defined]
        env.reset()
        env.step(np.full((1, 2), scaled, np.float32))
    assert seen[0].dtype == np.int64
    assert seen[0].tolist() == [sent, sent]


def test_integers_without_bounds_do_not_come_out_at_the_other_end() -> None:
    space = Box(0, 255, (1,), np.uint8)
    sent = native_actions(np.array([[-3.0], [300.0]]), space)
    assert [action.tolist() for action in sent] == [[0], [255]]
    assert np.array([-3.0]).astype(np.int64).astype(np.uint8).tolist() == [253]
    endless = Box(-np.inf, np.inf, (1,), np.int32)
    assert describe_actions(endless, "Test-v0").low == (-np.inf,)


def test_an_episode_without_a_limit_ends() -> None:
    environment = environment_of("env=any", "env.id=strange:Endless-v0")
    assert environment.max_episode_steps == LONGEST_EPISODE
    assert len(environment.remarks) == 1
    limited = environment_of(
        "env=any", "env.id=strange:Endless-v0", "env.max_episode_steps=7", *SMALL
    )
    assert limited.remarks == ()
    run = run_of("env=any", "env.id=strange:Endless-v0", "env.max_episode_steps=7", *SMALL)
    assert evaluate(run.policy, limited, 0, 2, deterministic=True).lengths.tolist() == [7, 7]
    env = environment.make()
    env.reset(seed=0)
    over = [env.step(np.zeros(2, np.float32))[3] for _ in range(LONGEST_EPISODE)]
    assert over.index(True) == LONGEST_EPISODE - 1


def test_a_limit_replaces_that_of_the_registration_and_is_given_once() -> None:
    words = ("env=pendulum", "env.max_episode_steps=9")
    assert environment_of(*words).max_episode_steps == 9
    assert environment_of("env=pendulum").max_episode_steps == 200
    with pytest.raises(SettingsError, match="say the same twice"):
        build_environment(settings_of(*words, "+env.kwargs.max_episode_steps=9"))


def test_one_number_would_be_repeated_in_place_of_three() -> None:
    repeated = np.zeros(3)
    repeated[:] = np.ones(1)
    assert repeated.tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(ValueError, match="an observation of shape"):
        observation_as_declared(np.ones(1), 3)


@pytest.mark.parametrize("reward", [2, 2.0, np.float32(2), np.array(2.0), np.array([[2]]), True])
def test_a_reward_is_one_number(reward: float) -> None:
    assert reward_as_number(reward) == float(np.asarray(reward).item())


@pytest.mark.parametrize("reward", [None, "2", np.zeros(0), np.zeros(2), 2j])
def test_what_is_no_number_is_no_reward(reward: object) -> None:
    with pytest.raises(ValueError, match="where one number is needed"):
        reward_as_number(reward)  # type: ignore[arg-type]


def test_mujoco_warns_once_and_not_of_what_its_models_have_to_change(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for time in (1, 2):
        _tell("compiler attribute 'x' is deprecated and will be removed")
        _tell(f"Nan, Inf or huge value in QACC at DOF 0. Time = 0.{time}000.")
    assert capsys.readouterr().err == (
        "warning: MuJoCo: Nan, Inf or huge value in QACC at DOF 0.\n"
    )
