"""What a rollout stores, checked against the environments and the policy it came from."""

import numpy as np
import pytest
import torch

from composing import SMALL, run_of, tiny
from gausspg.envs.rollout import collect_episodes, collect_steps

WIDE = ("variance=fixed", "variance.initial_std=5.0")


@pytest.mark.parametrize("squash", ["none", "clip", "tanh"])
def test_the_latent_is_stored_and_not_the_action(squash: str) -> None:
    run = tiny("Clockwork", f"squash={squash}", *WIDE)
    noise = run.policy.draw_noise(torch.Generator().manual_seed(0), 6, 4)
    with run.batch() as env:
        rollout = collect_steps(env, run.policy, noise)
    mean = run.policy(rollout.observations).mode()
    torch.testing.assert_close(rollout.latents, mean + 5.0 * noise)
    assert rollout.latents.abs().max() > 1.0, "an action would lie within the bounds"


def test_the_environment_is_sent_the_action_of_the_stored_latent() -> None:
    run = tiny("Bandit", "squash=tanh", *WIDE)
    noise = run.policy.draw_noise(torch.Generator().manual_seed(0), 6, 4)
    with run.batch() as env:
        rollout = collect_steps(env, run.policy, noise)
    of_action = -(rollout.latents.tanh().squeeze(-1) - 0.3).square()
    torch.testing.assert_close(rollout.rewards, of_action)
    of_latent = -(rollout.latents.squeeze(-1) - 0.3).square()
    assert not torch.allclose(rollout.rewards, of_latent)


@pytest.mark.parametrize("words", [("env=pendulum", "squash=tanh"), ("env=cartpole",)])
def test_the_density_is_reproduced_from_what_is_stored(words: tuple[str, ...]) -> None:
    run = run_of(*words, *SMALL)
    noise = run.policy.draw_noise(torch.Generator().manual_seed(0), 20, 4)
    densities = []
    original = type(run.policy).forward

    def spying(observations: torch.Tensor) -> object:
        distribution = original(run.policy, observations)
        densities.append(distribution.log_prob(distribution.sample(noise[len(densities)])))
        return distribution

    with run.batch() as env, pytest.MonkeyPatch.context() as patch:
        patch.setattr(run.policy, "forward", spying)
        rollout = collect_steps(env, run.policy, noise)
    normalised = run.policy.normaliser(rollout.observations)
    again = run.policy(normalised).log_prob(rollout.latents)
    assert len(densities) == 20
    torch.testing.assert_close(again, torch.stack(densities).clone(), rtol=1e-5, atol=1e-5)
    other = run.policy(normalised).log_prob(rollout.latents.flip(0))
    assert not torch.allclose(again, other, atol=1e-3)


def test_steps_run_through_the_ends_of_episodes() -> None:
    run = tiny("Clockwork", "+env.kwargs.length=3")
    noise = run.policy.draw_noise(torch.Generator().manual_seed(0), 7, 4)
    with run.batch() as env:
        rollout = collect_steps(env, run.policy, noise)
        assert rollout.last_observations[:, 1].tolist() == [1.0] * 4
    assert rollout.observations[:, 0, 1].tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert rollout.truncated[:, 0].tolist() == [False, False, True, False, False, True, False]
    assert not rollout.terminated.any()
    assert rollout.valid.all()
    assert (rollout.steps, len(rollout.episodes)) == (28, 8)


def test_truncated_observations_are_in_the_order_of_nonzero() -> None:
    run = tiny("Clockwork", "+env.kwargs.length=3")
    noise = run.policy.draw_noise(torch.Generator().manual_seed(0), 7, 4)
    with run.batch() as env:
        rollout = collect_steps(env, run.policy, noise)
    names = rollout.observations[..., 0][rollout.truncated]
    assert len(names.unique()) > 4
    assert torch.equal(rollout.truncated_observations[:, 0], names)
    assert (rollout.truncated_observations[:, 1] == 3.0).all()


def test_terminated_episodes_leave_no_truncated_observations() -> None:
    run = tiny("Clockwork", "+env.kwargs.length=3", "+env.kwargs.terminates=true")
    noise = run.policy.draw_noise(torch.Generator().manual_seed(0), 7, 4)
    with run.batch() as env:
        rollout = collect_steps(env, run.policy, noise)
    assert rollout.truncated_observations.shape == (0, 2)
    assert rollout.terminated.sum() == 8
    assert not rollout.truncated.any()


def test_whole_episodes_are_valid_up_to_their_own_end() -> None:
    run = run_of("env=cartpole", *SMALL)
    generator = torch.Generator().manual_seed(0)
    with run.batch() as env:
        rollout = collect_episodes(env, run.policy, lambda _: run.policy.draw_noise(generator, 4))
    lengths = {episode.env: episode.length for episode in rollout.episodes}
    assert len(set(lengths.values())) > 1, "episodes of one length would show nothing"
    time = torch.arange(len(rollout.valid)).unsqueeze(-1)
    expected = time < torch.tensor([lengths[index] for index in range(4)])
    assert torch.equal(rollout.valid, expected)
    assert rollout.steps == sum(lengths.values())
    ends = rollout.terminated | rollout.truncated
    assert ends.sum(0).tolist() == [1, 1, 1, 1]
    assert rollout.rewards.sum(0).tolist() == [float(lengths[index]) for index in range(4)]
    assert not rollout.rewards[~rollout.valid].any()


def test_empty_noise_takes_the_mode() -> None:
    run = tiny("Clockwork", *WIDE)
    with run.batch() as env:
        rollout = collect_episodes(env, run.policy, lambda _: torch.empty(0))
    torch.testing.assert_close(rollout.latents, run.policy(rollout.observations).mode())


def test_a_rollout_can_take_part_in_a_gradient_and_carries_none() -> None:
    run = tiny("Clockwork")
    noise = run.policy.draw_noise(torch.Generator().manual_seed(0), 2, 4)
    with run.batch() as env:
        rollout = collect_steps(env, run.policy, noise)
    assert not rollout.latents.requires_grad
    run.policy(rollout.observations).log_prob(rollout.latents).sum().backward()
    assert any(p.grad is not None and np.any(p.grad.numpy()) for p in run.policy.parameters())
