"""Backpropagation through dynamics, against plain stepping and finite differences."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from by_hand import unflat
from composing import Run, equal, run_of
from gausspg.envs.differentiable import DifferentiableBatch
from gausspg.envs.rollout import Rollout
from gausspg.learners import on_policy
from gausspg.learners.through_dynamics import Window, as_rollout, unroll

EPISODE, ENVS = 5, 3
ENVIRONMENTS = ("lqr", "pendulum_torch")
THROUGH = ("estimator=reparameterised", "estimator.through=dynamics", "learner=on_policy")

every_environment = pytest.mark.parametrize("env", ENVIRONMENTS)


def through(env: str, *words: str, whole: bool = False) -> Run:
    """Build a run through dynamics, with episodes of 5 steps: lqr terminates, the other truncates.

    Unless `whole` episodes are asked for, windows of 3 steps are cut from rollouts of 7.
    """
    cut = ("learner.rollout_steps=7", "estimator.horizon=3", "learner.critic_hidden=[]")
    run = run_of(
        f"env={env}", *THROUGH, *(("learner.rollout_steps=null",) if whole else cut),
        f"env.num_envs={ENVS}", "env.normalise_observation=false", "env.normalise_reward=false",
        "learner.epochs=1", "learner.max_grad_norm=null", "policy.hidden=[]", "variance=fixed",
        "squash=none", "gamma=0.9", *(("env.horizon=5",) if env == "lqr" else ()), *words,
    )  # fmt: skip
    run.environment.max_episode_steps = EPISODE
    return run


def noise_of(run: Run, steps: int) -> Tensor:
    return run.policy.draw_noise(run.streams.torch("action_noise", 0), steps, ENVS)


def unrolled(run: Run, noise: Tensor, horizon: int) -> list[Window]:
    with run.batch() as env:
        assert isinstance(env, DifferentiableBatch)
        return [unroll(env, run.policy, part) for part in noise.split(horizon)]


def differing(one: Rollout, other: Rollout) -> set[str]:
    def same(name: str) -> bool:
        mine, theirs = getattr(one, name), getattr(other, name)
        if isinstance(mine, Tensor) and mine.is_floating_point():
            return mine.shape == theirs.shape and torch.allclose(mine, theirs, atol=1e-6)
        return equal(mine, theirs)

    return {field.name for field in fields(Rollout) if not same(field.name)}


@every_environment
def test_it_takes_the_steps_that_a_rollout_takes(env: str) -> None:
    run = through(env, "squash=none", "variance=learned")
    noise = noise_of(run, 12)
    (window,), expected = unrolled(run, noise, 12), run.rollout(12)
    found = as_rollout([window])
    assert not differing(found, expected)
    assert not differing(as_rollout(unrolled(run, noise, 5)), expected)
    assert len(found.episodes) == 2 * ENVS
    assert len(found.truncated_observations) == (2 * ENVS if env == "pendulum_torch" else 0)
    assert not any(getattr(found, field.name).requires_grad for field in fields(found)
                   if field.name != "episodes")  # fmt: skip
    distribution = run.policy(expected.observations.flatten(0, 1))
    torch.testing.assert_close(window.entropies.flatten(), distribution.entropy())
    late = {"observations", "latents", "rewards", "last_observations", "episodes"}
    assert late <= differing(as_rollout(unrolled(run, noise + 0.1, 12)), expected)


@every_environment
def test_the_gradient_flows_within_a_window_and_not_into_the_one_before(env: str) -> None:
    run = through(env)
    noise = noise_of(run, 8).requires_grad_()

    def reach(windows: list[Window]) -> Tensor:
        """Which noise the reward of the fourth step depends on."""
        reward = torch.cat([window.rewards for window in windows])[3].sum()
        (grad,) = torch.autograd.grad(reward, noise)
        return grad.abs().sum((1, 2)) > 0.0

    assert reach(unrolled(run, noise, 8)).tolist() == [True] * 4 + [False] * 4
    assert reach(unrolled(run, noise, 2)).tolist() == [False] * 2 + [True] * 2 + [False] * 4


@every_environment
def test_a_window_is_cut_where_rewards_go_on_unseen(env: str) -> None:
    run = through(env)
    (window,) = unrolled(run, noise_of(run, 12), 12)
    truncated = {4, 9} if env == "pendulum_torch" else set()
    assert set(window.cut.all(1).nonzero().flatten().tolist()) == truncated | {11}
    assert torch.equal(window.cut.any(1), window.cut.all(1))
    (whole,) = unrolled(run, noise_of(run, 5), 5)
    assert bool(whole.cut[-1].all()) == (env == "pendulum_torch")


def episodes_of(run: Run) -> list[list[tuple[Tensor, Tensor]]]:
    """Return the first episodes' initial states and disturbances, per environment, in float64."""
    begun = []
    for number in range(ENVS):
        seeds = run.streams.numpy("environment", 0, number)
        pairs = [run.environment.begin(int(seeds.integers(2**31))) for _ in range(3)]
        begun.append([(state.double(), disturbance.double()) for state, disturbance in pairs])
    return begun


def objective(
    run: Run, weight: Tensor, starts: dict[Any, Tensor], horizon: int, bootstrap: Tensor | None,
    after_termination: bool = False,
) -> float:  # fmt: skip
    """Mean over environments and windows of discounted rewards and of V = `bootstrap` . (1, s).

    `starts` holds the state at the beginning of each window; what is missing is written into it.
    """
    environment, begun = run.environment, episodes_of(run)
    noise, bias = noise_of(run, 7).double(), run.policy.mean.bias.detach().double()
    half_range = run.policy.squash.half_range.double()
    total = 0.0
    for number in range(ENVS):
        (state, disturbances), time, discount = begun[number][0], 0, 1.0
        for t in range(7):
            if t % horizon == 0:
                state, discount = starts.setdefault((number, t), state), 1.0
            shown = environment.observe(state[None])
            action = half_range * (shown @ weight.T + bias + 0.5 * noise[t, number])
            following, reward = environment.step(state[None], action, disturbances[time][None])
            time += 1
            over, last = time == EPISODE, (t + 1) % horizon == 0 or t == 6
            if over and environment.terminates:
                reward = reward + environment.terminal_reward(following)
            total += discount * float(reward)
            cut = not environment.terminates or after_termination if over else last
            if cut and bootstrap is not None:
                seen = torch.cat([torch.ones(1).double(), environment.observe(following)[0]])
                total += discount * 0.9 * float(bootstrap @ seen)
            discount, state = 0.9 * discount, following[0]
            if over:
                (state, disturbances), time, discount = begun[number][t // EPISODE + 1], 0, 1.0
    return total / ENVS / -(-7 // horizon)


def differences(run: Run, bootstrap: Tensor, horizon: int = 3, **wrong: Any) -> np.ndarray:
    """Return the gradient of `objective` in the weight, by central differences.

    The states that windows begin in stand still, unless `frozen=False`.
    """
    weight, frozen = run.policy.mean.weight.detach().double(), wrong.pop("frozen", True)
    starts: dict[Any, Tensor] = {}
    objective(run, weight, starts, horizon, bootstrap, **wrong)
    found = np.zeros(weight.shape)
    for place in np.ndindex(*weight.shape):
        for sign in (1.0, -1.0):
            moved = weight.clone()
            moved[place] += sign * 1e-5
            begun = starts if frozen else {}
            found[place] += sign * objective(run, moved, begun, horizon, bootstrap, **wrong) / 2e-5
    return found


@every_environment
def test_the_step_is_along_the_gradient_of_rewards_and_of_values_where_they_are_cut(
    env: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gradients: list[Tensor] = []
    clip = on_policy.clip_gradient

    def spying(module: Any, limit: float | None, name: str) -> float:
        if name == "the policy":
            gradients.append(module.mean.weight.grad.clone())
        return clip(module, limit, name)

    monkeypatch.setattr(on_policy, "clip_gradient", spying)
    run = through(env)
    slopes = torch.linspace(-4.0, 3.0, run.environment.observation_dim)
    state = run.learner.state_dict()
    state["critic"] = unflat(torch.cat([slopes, torch.tensor([2.0])]), state["critic"])
    run.learner.load_state_dict(state)
    value = torch.cat([torch.tensor([2.0]), slopes]).double()
    right = differences(run, value)
    wrong = [
        differences(run, 0.0 * value),
        differences(run, value, frozen=False),
        differences(run, value, horizon=7),
    ]
    if run.environment.terminates:
        wrong.append(differences(run, value, after_termination=True))
    run.iterate(1)
    (found,) = gradients
    np.testing.assert_allclose(-found.numpy(), right, rtol=1e-3, atol=1e-3)
    for other in wrong:
        assert np.abs(right - other).max() > 0.05 * np.abs(right).max()


@every_environment
def test_the_same_seed_gives_the_same_bits(env: str) -> None:
    runs = [through(env, f"seed={seed}") for seed in (3, 3, 4)]
    for run in runs:
        run.iterate(2)
    one, two, other = ({**run.policy.state_dict()} for run in runs)
    assert equal(one, two)
    assert equal(runs[0].learner.state_dict(), runs[1].learner.state_dict())
    assert not equal(one, other)


def test_the_cost_of_a_linear_system_falls() -> None:
    run = through("lqr", "env.num_envs=32", "env.horizon=20", "gamma=1", "learner.lr=0.03",
                  "learner.lr_schedule=constant", "variance.initial_std=0.1",
                  whole=True)  # fmt: skip
    run.environment.max_episode_steps = 20
    system, covariance = run.environment, 0.01 * torch.eye(2, dtype=torch.float64)

    def excess() -> float:
        gain = run.policy.mean.weight.detach().double()
        best = system.cost(system.optimal_gain(), covariance)
        return float(system.cost(gain, covariance) / best - 1.0)

    assert excess() > 5.0
    metrics = run.iterate(20)
    assert excess() < 0.4
    assert not run.learner.state_dict()["critic"]
    assert "gradient/policy_norm" in metrics


def test_a_run_ends_with_its_budget() -> None:
    run = through("pendulum_torch")
    with run.batch() as env:
        assert run.learner.iterate(env, 0, 0.0, 7).steps == 9
        assert run.learner.iterate(env, 1, 0.0, 10**9).steps == 21
