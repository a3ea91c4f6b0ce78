"""An evaluation depends on the policy and the evaluation seed, and on nothing else."""

import numpy as np
import pytest
import torch

from composing import SMALL, equal, run_of, tiny
from gausspg.envs.evaluation import Evaluation, evaluate

WORDS = {
    "pendulum": ("env=pendulum", "variance.initial_std=1.0", *SMALL),
    "cartpole": ("env=cartpole", *SMALL),
}


def returns(words: tuple[str, ...], seed: int, episodes: int, deterministic: bool) -> np.ndarray:
    run = run_of(*words)
    return evaluate(run.policy, run.environment, seed, episodes, deterministic).returns


@pytest.mark.parametrize("deterministic", [True, False])
def test_it_is_a_pure_function(deterministic: bool) -> None:
    run = run_of(*WORDS["pendulum"])
    before = {key: value.clone() for key, value in run.policy.state_dict().items()}
    first = evaluate(run.policy, run.environment, 5, 3, deterministic)
    state = torch.get_rng_state()
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002  the global generator is what must not matter
    second = evaluate(run.policy, run.environment, 5, 3, deterministic)
    torch.set_rng_state(state)
    assert np.array_equal(first.returns, second.returns)
    assert np.array_equal(first.lengths, second.lengths)
    assert equal(dict(run.policy.state_dict()), before)
    assert len(set(first.returns)) == 3, "episodes differ from one another"


def test_it_leaves_the_global_generators_alone() -> None:
    run = run_of(*WORDS["pendulum"])
    before, numpy_before = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
    evaluate(run.policy, run.environment, 5, 2, deterministic=False)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpy_before[1])  # noqa: NPY002


@pytest.mark.parametrize("word", ["pendulum", "cartpole"])
@pytest.mark.parametrize("deterministic", [True, False])
def test_the_first_episodes_do_not_depend_on_how_many_there_are(
    word: str, deterministic: bool
) -> None:
    many = returns(WORDS[word], 5, 27, deterministic)
    for few in (1, 10):
        assert np.array_equal(returns(WORDS[word], 5, few, deterministic), many[:few])


def test_another_seed_gives_another_evaluation() -> None:
    assert not np.array_equal(
        returns(WORDS["pendulum"], 5, 2, True), returns(WORDS["pendulum"], 6, 2, True)
    )


def test_every_episode_and_every_seed_has_noise_of_its_own() -> None:
    run = tiny("Bandit")
    chosen = [evaluate(run.policy, run.environment, seed, 6, False).returns for seed in (1, 2)]
    assert len(set(np.concatenate(chosen))) == 12, "nothing but the noise differs in the bandit"
    assert len(set(evaluate(run.policy, run.environment, 1, 6, True).returns)) == 1


def test_deterministic_and_stochastic_differ() -> None:
    for word in ("pendulum", "cartpole"):
        deterministic, stochastic = (returns(WORDS[word], 5, 3, kind) for kind in (True, False))
        assert not np.array_equal(deterministic, stochastic)


def test_it_does_not_depend_on_how_environments_were_used_before() -> None:
    run = run_of("env=bipedal_walker", *SMALL)
    before = evaluate(run.policy, run.environment, 5, 2, deterministic=False)
    with run.environment.batch([np.random.default_rng(0)]) as env:
        env.reset()
        for action in np.random.default_rng(0).uniform(-1.0, 1.0, (100, 1, 4)):
            env.step(action)
    after = evaluate(run.policy, run.environment, 5, 2, deterministic=False)
    assert np.array_equal(before.returns, after.returns)


def test_returns_are_in_the_environments_own_reward_under_the_frozen_normaliser() -> None:
    run = run_of(*WORDS["cartpole"])
    run.policy.normaliser.update(torch.randn(50, 4, generator=torch.Generator().manual_seed(0)))
    count = run.policy.normaliser.count.clone()
    result = evaluate(run.policy, run.environment, 5, 3, deterministic=False)
    assert np.array_equal(result.returns, result.lengths), "CartPole earns 1 a step"
    assert torch.equal(run.policy.normaliser.count, count)


def test_metrics_summarise_the_episodes() -> None:
    metrics = Evaluation(np.array([1.0, 3.0]), np.array([10, 20])).metrics("eval/x")
    assert metrics == {
        "eval/x_return_mean": 2.0,
        "eval/x_return_std": 1.0,
        "eval/x_return_min": 1.0,
        "eval/x_return_max": 3.0,
        "eval/x_length_mean": 15.0,
    }


@pytest.mark.parametrize("solved, share", [(0.5, 1.0), (3.0, 0.5), (3.1, 0.0)])
def test_solved_episodes_reach_the_return(solved: float, share: float) -> None:
    evaluation = Evaluation(np.array([1.0, 3.0]), np.array([10, 20]))
    assert evaluation.metrics("eval/x", solved)["eval/x_solved_share"] == share
