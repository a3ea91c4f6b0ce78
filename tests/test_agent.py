"""A loaded policy acts as the trained one did; whatever else is loaded is refused in one line."""

import pickle
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from composing import SMALL, Run, run_of, tiny
from gausspg.agent import Agent, load
from gausspg.envs.evaluation import evaluate
from gausspg.streams import Streams
from gausspg.tracking import StoreError
from gausspg.training import checkpoints

WORDS = {
    "pendulum": ("env=pendulum", "variance.initial_std=1.0", "squash=tanh"),
    "full": ("env=bipedal_walker", "variance=full"),
    "cartpole": ("env=cartpole",),
}
SEED = 5


@pytest.fixture(scope="module", params=WORDS)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a run after two iterations, and the file its policy is saved in."""
    run = run_of(*WORDS[request.param], *SMALL, "learner.rollout_steps=16", "learner.epochs=1")
    run.iterate(2)
    path = tmp_path_factory.mktemp("agent") / "final.pt"
    checkpoints.save_policy(path, run.policy, run.spec)
    return run, path


@pytest.fixture(autouse=True)
def no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAUSSPG_ROOT", str(tmp_path / "root"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def some_observations(run: Run, number: int = 6) -> np.ndarray:
    generator = np.random.default_rng(0)
    return generator.normal(0.0, 2.0, (number, run.environment.observation_dim))


def test_it_earns_what_the_trained_policy_earned(trained: tuple[Run, Path]) -> None:
    """On raw observations of a bare environment: normalisation and squash are inside."""
    run, path = trained
    expected = evaluate(run.policy, run.environment, SEED, 1, deterministic=True)
    agent, env = load(path), gym.make(run.environment.id)
    seed = int(Streams(SEED).numpy("evaluation_environment", 0).integers(2**31))
    observation, _ = env.reset(seed=seed)
    total, length, over = 0.0, 0, False
    while not over:
        observation, reward, terminated, truncated, _ = env.step(agent.act(observation))
        total, length, over = total + float(reward), length + 1, terminated or truncated
    env.close()
    assert length == expected.lengths[0]
    assert total == pytest.approx(expected.returns[0], rel=1e-4)
    assert run.policy.normaliser.count > 0


def test_a_batch_is_its_rows(trained: tuple[Run, Path]) -> None:
    run, path = trained
    agent, observations = load(path), some_observations(trained[0])
    batch = agent.act(observations)
    rows = np.stack([agent.act(list(row)) for row in observations])
    np.testing.assert_allclose(batch, rows, rtol=1e-5, atol=1e-6)
    space = gym.make(run.environment.id).action_space
    assert batch.shape == (6, *(space.shape or ()))
    assert batch.dtype == (np.float32 if isinstance(space, gym.spaces.Box) else np.int64)
    assert len(np.unique(batch)) > 1


def test_the_mode_is_the_same_every_time_and_a_sample_is_not(trained: tuple[Run, Path]) -> None:
    run, path = trained
    agent, again = load(path), load(str(path))
    many = np.tile(some_observations(run, 1), (200, 1))
    samples = agent.act(many, deterministic=False)
    assert len(np.unique(agent.act(many), axis=0)) == 1
    assert len(np.unique(samples, axis=0)) > 1
    assert np.array_equal(again.act(many, deterministic=False), samples)
    assert not np.array_equal(agent.act(many, deterministic=False), samples)
    other = Agent(again.policy, run.environment.actions, seed=1)
    assert not np.array_equal(other.act(many, deterministic=False), samples)


def test_an_observation_of_another_size_is_refused(trained: tuple[Run, Path]) -> None:
    run, path = trained
    agent, dims = load(path), run.environment.observation_dim
    for shape in ((dims + 1,), (2, dims + 1), (1, 1, dims), ()):
        with pytest.raises(ValueError, match=rf"do not fit a policy trained on \[{dims}\]"):
            agent.act(np.zeros(shape))


def test_acting_learns_nothing(trained: tuple[Run, Path]) -> None:
    _, path = trained
    agent = load(path)
    before = {key: value.clone() for key, value in agent.policy.state_dict().items()}
    agent.act(some_observations(trained[0]), deterministic=False)
    assert all(torch.equal(before[key], value) for key, value in agent.policy.state_dict().items())


def test_discrete_actions_count_from_the_first_of_the_space(tmp_path: Path) -> None:
    run = tiny("Offset", "policy=categorical", "learner.rollout_steps=16")
    checkpoints.save_policy(tmp_path / "p.pt", run.policy, run.spec)
    actions = load(tmp_path / "p.pt").act(np.ones((100, 1)), deterministic=False)
    assert set(actions.tolist()) == {5, 6, 7}
    assert load(tmp_path / "p.pt").act(np.ones(1)) in (5, 6, 7)


class Boom:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return exec, ("raise SystemExit('the file was run')",)


def save_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps({"spec": Boom(), "state_dict": {}}))


def save_torch(path: Path) -> None:
    torch.save({"spec": Boom(), "state_dict": {}}, path)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (save_pickle, "of which nothing was run"),
        (save_torch, "of which nothing was run"),
        (lambda path: path.write_text("not a policy"), "is not a file of this package"),
        (lambda path: path.write_bytes(b""), "is not a file of this package"),
        (lambda path: checkpoints.save(path, {"step": 3}), r"holds no policy: pass final\.pt or"),
        (lambda path: checkpoints.save(path, {"spec": {}, "state_dict": {}}), "holds no policy"),
        (lambda path: checkpoints.save(path, {"spec": 3, "state_dict": 3}), "holds no policy"),
    ],
)
def test_a_file_that_is_no_policy_is_refused(write: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "final.pt"
    write(path)
    with pytest.raises(ValueError, match=message) as refused:
        load(path)
    assert "\n" not in str(refused.value)
    assert str(path) in str(refused.value)


def test_weights_of_another_policy_are_refused(trained: tuple[Run, Path], tmp_path: Path) -> None:
    content = checkpoints.load(trained[1])
    content["state_dict"].popitem()
    checkpoints.save(tmp_path / "final.pt", content)
    with pytest.raises(ValueError, match="holds no policy") as refused:
        load(tmp_path / "final.pt")
    assert "\n" not in str(refused.value)


def test_a_target_outside_the_package_is_not_run(trained: tuple[Run, Path], tmp_path: Path) -> None:
    content = checkpoints.load(trained[1])
    content["spec"]["policy"]["_target_"] = "os.system"
    checkpoints.save(tmp_path / "final.pt", content)
    with pytest.raises(ValueError, match=r"_target_=os\.system is not part of gausspg"):
        load(tmp_path / "final.pt")


@pytest.mark.parametrize("source", ["runs/nope/final.pt", "nope.pt", "runs/nope"])
def test_a_wrong_path_is_called_so(source: str) -> None:
    with pytest.raises(FileNotFoundError, match=f"there is no policy file {source}$"):
        load(source)


def test_a_run_id_without_a_store_is_refused_and_makes_none(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no tracking store at"):
        load("0123456789abcdef")
    assert not (tmp_path / "root").exists()
