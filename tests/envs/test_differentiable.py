"""Environments in torch: the batch's contract, and which gradients pass through it."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gausspg.envs.batch import Episode, NonFiniteError
from gausspg.envs.differentiable import DifferentiableBatch, DifferentiableEnvironment
from gausspg.envs.lqr import LQR
from gausspg.envs.pendulum_torch import PendulumTorch


def lqr(horizon: int = 6) -> LQR:
    return LQR(
        num_envs=3, normalise_observation=False, normalise_reward=False, state_dim=3, action_dim=2,
        horizon=horizon, spectral_radius=1.05, action_cost=0.1, disturbance_std=0.2, system_seed=4,
    )  # fmt: skip


def pendulum() -> PendulumTorch:
    return PendulumTorch(3, False, False, 0)


BOTH = pytest.mark.parametrize("environment", [lqr(), pendulum()], ids=lambda found: found.id)


def generators(*seeds: int) -> list[np.random.Generator]:
    return [np.random.default_rng(seed) for seed in seeds]


def begun(environment: DifferentiableEnvironment, *seeds: int) -> DifferentiableBatch:
    env = environment.batch(generators(*seeds))
    env.reset()
    return env


def actions_for(environment: DifferentiableEnvironment, steps: int, batch: int) -> np.ndarray:
    shape = (steps, batch, len(environment.actions.low))
    return np.random.default_rng(5).uniform(-3.0, 3.0, shape).astype(np.float32)


def play_alone(
    environment: DifferentiableEnvironment, seed: int, actions: np.ndarray
) -> list[tuple[Any, ...]]:
    """Step one environment as Gymnasium does; each entry: seen next, reward, ends, last one."""
    generator, env = np.random.default_rng(seed), environment.make()
    observation, _ = env.reset(seed=int(generator.integers(2**31)))
    entries: list[tuple[Any, ...]] = [(observation,)]
    for action in actions:
        last, reward, terminated, truncated, _ = env.step(action)
        observation = last
        if terminated or truncated:
            observation, _ = env.reset(seed=int(generator.integers(2**31)))
        entries.append((observation, np.float32(reward), terminated, truncated, last))
    env.close()
    return entries


@BOTH
@pytest.mark.parametrize("differentiably", [False, True])
def test_a_batch_equals_its_environments_stepped_one_by_one(
    environment: DifferentiableEnvironment, differentiably: bool
) -> None:
    seeds, steps = (11, 12, 13), 2 * environment.max_episode_steps + 3
    actions = actions_for(environment, steps, len(seeds))
    alone = [play_alone(environment, seed, actions[:, i]) for i, seed in enumerate(seeds)]
    env, episodes = begun(environment, *seeds), list[Episode]()
    assert np.array_equal(env.observations, [entries[0][0] for entries in alone])
    for t in range(steps):
        now, rewards, terminated, truncated, last = zip(*(one[t + 1] for one in alone), strict=True)
        if differentiably:
            taken = env.advance(torch.from_numpy(actions[t]))
            found = (taken.rewards, taken.terminated, taken.truncated)
            ended, shown = taken.episodes, taken.next_observations.numpy()
        else:
            step, ended = env.step(actions[t])
            found = (step.rewards, step.terminated, step.truncated)
            shown = env.observations.copy()
            assert list(step.last_observations) == [episode.env for episode in ended]
            for index, observation in step.last_observations.items():
                shown[index] = observation
        assert np.array_equal(env.observations, now)
        assert np.array_equal(env.current.numpy(), now)
        for one, other in zip(found, (rewards, terminated, truncated), strict=True):
            assert np.array_equal(one, other)
        assert np.array_equal(shown, last)
        episodes += ended
    assert [episode.env for episode in episodes] == [0, 1, 2] * 2
    for episode in episodes[:3]:
        earned = [entry[1] for entry in alone[episode.env][1 : episode.length + 1]]
        assert episode.length == environment.max_episode_steps
        assert episode.total_return == pytest.approx(np.sum(earned, dtype=float), rel=1e-12)
    ends = {(bool(t), bool(c)) for one in alone for _, _, t, c, _ in one[1:] if t or c}
    assert ends == {(environment.terminates, not environment.terminates)}


@BOTH
def test_what_happens_in_one_environment_has_no_influence_on_another(
    environment: DifferentiableEnvironment,
) -> None:
    steps = environment.max_episode_steps + 5
    actions = actions_for(environment, steps, 2)
    other = actions.copy()
    other[:, 0] *= -0.5
    seen = []
    for chosen, seeds in ((actions, (1, 2)), (other, (3, 2)), (other[:, 1:], (2,))):
        env = begun(environment, *seeds)
        # The neighbour is out of step too: it ends, and draws anew, earlier.
        if seeds == (3, 2):
            env.step(chosen[0], active=[0])
        seen.append([(env.observations[-1].copy(), env.step(a)[0].rewards[-1]) for a in chosen])
    for one, changed, alone in zip(*seen, strict=True):
        assert np.array_equal(one[0], changed[0])
        assert np.array_equal(one[0], alone[0])
        assert one[1] == changed[1] == alone[1]


@BOTH
def test_every_episode_is_another_one(environment: DifferentiableEnvironment) -> None:
    env = begun(environment, 1, 2)
    first = env.observations.copy()
    for action in actions_for(environment, environment.max_episode_steps, 2):
        env.step(action)
    assert len(np.unique(np.concatenate([first, env.observations]), axis=0)) == 4


@BOTH
def test_only_active_environments_are_stepped_and_none_of_them_is_reset(
    environment: DifferentiableEnvironment,
) -> None:
    horizon = environment.max_episode_steps
    env = begun(environment, 1, 2)
    still = env.observations[0].copy()
    actions = actions_for(environment, horizon, 2)
    actions[:, 0] = np.nan
    for t in range(horizon):
        step, episodes = env.step(actions[t], active=[1])
        assert step.rewards[0] == 0.0
        assert np.array_equal(env.observations[0], still)
    assert [(episode.env, episode.length) for episode in episodes] == [(1, horizon)]
    assert np.array_equal(env.observations[1], step.last_observations[1])
    last = env.observations[1].copy()
    step, _ = env.step(np.zeros_like(actions[0]), active=[0])
    assert np.array_equal(env.observations[1], last)
    assert not np.array_equal(env.observations[0], still)


def gradients_of(total: Tensor, leaves: list[Tensor]) -> np.ndarray:
    """Return |gradient| of a sum, `[steps, envs]`."""
    found = torch.autograd.grad(total.sum(), leaves, allow_unused=True, retain_graph=True)
    zero = torch.zeros_like(leaves[0])
    return np.stack([(zero if g is None else g).abs().sum(-1).numpy() for g in found])


@BOTH
def test_a_reset_cuts_the_gradient_of_its_own_row_and_of_no_other(
    environment: DifferentiableEnvironment,
) -> None:
    env = begun(environment, 1, 2)
    for action in 0.1 * actions_for(environment, environment.max_episode_steps - 2, 2):
        env.step(action, active=[1])
    env.detach()
    leaves = [torch.full((2, len(environment.actions.low)), 0.1, requires_grad=True)
              for _ in range(4)]  # fmt: skip
    taken = [env.advance(leaf) for leaf in leaves]
    # Environment 1 ends with its second step here, environment 0 goes on.
    assert [[episode.env for episode in step.episodes] for step in taken] == [[], [1], [], []]
    reached = [gradients_of(step.rewards, leaves) > 0.0 for step in taken]
    assert reached[1].tolist() == [[True, True], [True, True], [False, False], [False, False]]
    assert reached[3].tolist() == [[True, False], [True, False], [True, True], [True, True]]
    # The last observation of an episode still belongs to it; what is shown next does not.
    assert (gradients_of(taken[1].next_observations[1], leaves)[:2, 1] > 0.0).all()
    shown = gradients_of(env.current, leaves) > 0.0
    assert shown.tolist() == [[True, False], [True, False], [True, True], [True, True]]


@BOTH
def test_gradients_of_a_batch_are_those_of_its_rows(environment: DifferentiableEnvironment) -> None:
    actions = torch.from_numpy(0.5 * actions_for(environment, 5, 3)).requires_grad_()
    together = begun(environment, 1, 2, 3)
    sum(together.advance(a).rewards.sum() for a in actions).backward()
    for index, seed in enumerate((1, 2, 3)):
        alone = begun(environment, seed)
        total = sum(alone.advance(a[[index]]).rewards.sum() for a in actions)
        (grad,) = torch.autograd.grad(total, actions)
        torch.testing.assert_close(grad[:, index], actions.grad[:, index], rtol=1e-6, atol=0.0)


@BOTH
def test_detach_cuts_the_gradient_and_changes_nothing_else(
    environment: DifferentiableEnvironment,
) -> None:
    envs = [begun(environment, 1) for _ in range(2)]
    before, after = (torch.full((1, len(environment.actions.low)), 0.1) for _ in range(2))
    before.requires_grad_()
    for env in envs:
        env.advance(before)
    assert gradients_of(envs[0].current, [before]).item() > 0.0
    envs[0].detach()
    assert not envs[0].current.requires_grad
    assert not envs[0].state.requires_grad
    rewards = [env.advance(after).rewards for env in envs]
    assert torch.equal(*rewards)
    assert [reward.requires_grad for reward in rewards] == [False, True]
    assert np.array_equal(envs[0].observations, envs[1].observations)


@BOTH
def test_a_graph_may_follow_steps_in_inference_mode(environment: DifferentiableEnvironment) -> None:
    env = environment.batch(generators(1))
    with torch.inference_mode():
        env.reset()
        for action in actions_for(environment, environment.max_episode_steps + 1, 1):
            env.step(action)
    action = torch.full((1, len(environment.actions.low)), 0.1, requires_grad=True)
    env.advance(action)
    env.advance(action).rewards.sum().backward()
    assert action.grad.abs().sum() > 0.0


@BOTH
def test_a_state_can_be_put_in(environment: DifferentiableEnvironment) -> None:
    env = begun(environment, 1, 2)
    state = torch.randn(env.state.shape, generator=torch.Generator().manual_seed(0))
    env.state = state.requires_grad_()
    assert torch.equal(env.current, environment.observe(state))
    assert np.array_equal(env.observations, env.current.detach())
    rewards = env.advance(torch.zeros(2, len(environment.actions.low))).rewards
    assert torch.autograd.grad(rewards.sum(), state)[0].abs().sum(-1).min() > 0.0


@BOTH
def test_what_is_not_finite_is_named(environment: DifferentiableEnvironment) -> None:
    actions = np.zeros((2, len(environment.actions.low)), np.float32)
    actions[1, 0] = np.nan
    for stop in (lambda env: env.step(actions), lambda env: env.advance(torch.from_numpy(actions))):
        with pytest.raises(NonFiniteError, match=rf"of {environment.id} .* at index \[1") as caught:
            stop(begun(environment, 1, 2))
        assert "\n" not in str(caught.value)
    env = begun(environment, 1, 2)
    env.state = torch.full_like(env.state, torch.nan)
    with pytest.raises(NonFiniteError, match="are not finite at index"):
        env.advance(torch.zeros(actions.shape))


@BOTH
def test_time_in_steps_is_counted(environment: DifferentiableEnvironment) -> None:
    env = environment.batch(generators(1))
    seen = [env.seconds_in_step]
    action = np.zeros((1, len(environment.actions.low)), np.float32)
    for act in (env.reset, lambda: env.step(action), lambda: env.advance(torch.from_numpy(action))):
        act()
        seen.append(env.seconds_in_step)
    assert seen[0] == 0.0
    assert all(np.diff(seen) > 0.0)


@BOTH
def test_no_row_depends_on_how_many_there_are(environment: DifferentiableEnvironment) -> None:
    generator = torch.Generator().manual_seed(0)
    states = 4.0 * torch.randn(40, len(environment.begin(0)[0]), generator=generator)
    actions = torch.randn(40, len(environment.actions.low), generator=generator)
    disturbances = environment.begin(0)[1][:1].expand(40, -1)
    every = (*environment.step(states, actions, disturbances), environment.observe(states),
             environment.terminal_reward(states))  # fmt: skip
    for number in (1, 2, 3, 8, 25):
        part = states[:number].clone()
        step = environment.step(part, actions[:number].clone(), disturbances[:number])
        few = (*step, environment.observe(part), environment.terminal_reward(part))
        for one, other in zip(few, every, strict=True):
            assert torch.equal(one, other[:number])
