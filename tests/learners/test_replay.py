"""The replay learner against its formulas written out and problems whose answer is known."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal

from by_hand import action_values, flat, spy_on_fresh_actions, unflat
from composing import REPLAY, SMALL, Run, equal, run_of, tiny
from gausspg.envs.batch import NonFiniteError
from gausspg.learners.replay import Replay
from gausspg.training import checkpoints

PENDULUM = ("env=pendulum", "env.normalise_observation=false", "env.normalise_reward=false", *SMALL)
ESTIMATORS = ("reparameterised", "score_function")
# One update, after 16 steps.
ONCE = ("learner.warmup_steps=15", "learner.updates_per_step=1")


def states(run: Run) -> tuple[dict[str, Any], dict[str, Any]]:
    return dict(run.policy.state_dict()), run.learner.state_dict()


def flats(run: Run) -> tuple[Tensor, Tensor]:
    """Return the parameters of the critic and of its target."""
    state = run.learner.state_dict()
    return flat(state["critic"]), flat(state["target"])


def squashed(policy: Any, rows: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Return actions in +-2 by tanh and their log-densities, from the Gaussian's mean and std."""
    normal = policy(rows).normal
    u = normal.mean + normal.std * noise
    slope = 2.0 * (1.0 - torch.tanh(u).square())
    return 2.0 * torch.tanh(u), (Normal(normal.mean, normal.std).log_prob(u) - slope.log()).sum(-1)


@pytest.mark.parametrize("temperature", [0.0, 0.3])
def test_the_first_update_is_soft_actor_critic_written_out(temperature: float) -> None:
    """With a temperature of 0 it is SVG(0): the gradient of Q alone."""
    run = run_of(
        "estimator=reparameterised", *PENDULUM, *REPLAY, *ONCE, "learner.action_samples=3",
        f"learner.temperature={temperature}", "learner.tune_temperature=false",
    )  # fmt: skip
    assert torch.equal(*flats(run)), "the target begins as a copy"
    state = run.learner.state_dict()
    state["target"] = unflat(0.7 * flat(state["critic"]).flip(0), state["critic"])
    run.learner.load_state_dict(state)
    policy, rollout, (critic, target) = copy.deepcopy(run.policy), run.rollout(4), flats(run)
    run.iterate(1)
    index = torch.randint(16, (16,), generator=run.streams.torch("minibatches", 0))
    noise = torch.randn(1, 4, 16, 1, generator=run.streams.torch("update_noise", 0))[0]
    after = torch.cat([rollout.observations[1:], rollout.last_observations[None]])
    observations, following, latents, rewards = (
        column.flatten(0, 1)[index]
        for column in (rollout.observations, after, rollout.latents, rollout.rewards)
    )

    def q(values: Tensor, rows: Tensor, actions: Tensor) -> Tensor:
        # Pendulum's bounds are +-2.
        return action_values(values, 2, [8], "relu", rows, actions / 2.0)

    with torch.no_grad():
        actions, log_probs = squashed(policy, following, noise[0])
        soft = q(target, following, actions).amin(0) - temperature * log_probs
        targets = rewards + run.settings.gamma * soft
    critic.requires_grad_()
    error = q(critic, observations, 2.0 * torch.tanh(latents)) - targets
    (expected,) = torch.autograd.grad(0.5 * error.square().mean(1).sum(), critic)
    gradient = torch.cat([p.grad.flatten() for p in run.learner._critic.parameters()])
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-5)
    actions, log_probs = squashed(policy, observations, noise[1:])
    gain = q(flats(run)[0], observations, actions).amin(0)
    parameters = list(policy.parameters())
    for weight, same in ((temperature, True), (temperature + 0.1, False)):
        loss = (weight * log_probs - gain).mean()
        expected = torch.autograd.grad(loss, parameters, retain_graph=True)
        found = [parameter.grad for parameter in run.policy.parameters()]
        pairs = zip(found, expected, strict=True)
        assert all(torch.allclose(*pair, rtol=1e-3, atol=1e-6) for pair in pairs) == same


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_same_seed_gives_the_same_bits_and_another_does_not(estimator: str) -> None:
    words = (f"estimator={estimator}", "env=pendulum", *SMALL, *REPLAY)
    runs = [run_of(*words, f"seed={seed}") for seed in (3, 3, 4)]
    for run in runs:
        torch.manual_seed(id(run) % 1000)
        run.iterate(2)
    one, two, other = map(states, runs)
    assert equal(one, two)
    assert not equal(one[0], other[0])


@pytest.mark.parametrize(
    "words",
    [("estimator=reparameterised",), ("estimator=score_function", "variance=fixed")],
)
def test_a_resumed_run_has_the_bits_of_the_uninterrupted_one(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    words = (
        *words, "env=pendulum", *SMALL, *REPLAY, "learner.buffer_steps=60",
        "learner.policy_interval=2", "learner.updates_per_step=0.3",
    )  # fmt: skip
    whole, resumed, without = (run_of(*words) for _ in range(3))
    whole.iterate(3)
    policy, learner = states(whole)
    checkpoints.save(tmp_path / "state.pt", {"policy": policy, "learner": learner})
    whole.iterate(3, first=3, segment=1)
    state = checkpoints.load(tmp_path / "state.pt")
    resumed.policy.load_state_dict(state["policy"])
    resumed.learner.load_state_dict(state["learner"])
    resumed.iterate(3, first=3, segment=1)
    assert equal(states(resumed), states(whole))
    without.policy.load_state_dict(state["policy"])
    without.iterate(3, first=3, segment=1)
    assert not equal(states(without)[0], states(whole)[0])


@pytest.mark.parametrize(
    ("per_step", "warmup", "expected"),
    [
        (1.0, 0, [16, 32, 48]),
        (0.5, 0, [8, 16, 24]),
        (0.125, 0, [2, 4, 6]),
        (2.5, 20, [0, 30, 70]),
        (0.3, 7, [2, 7, 12]),
        (1.0, 47, [0, 0, 1]),
    ],
)
def test_there_are_exactly_as_many_updates_as_asked_for(
    per_step: float, warmup: int, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[object] = []
    monkeypatch.setattr(Replay, "_critic_step", lambda *_: done.append(None) or {})
    monkeypatch.setattr(Replay, "_policy_step", lambda *_: {})
    words = (f"learner.updates_per_step={per_step}", f"learner.warmup_steps={warmup}")
    run, counts = tiny("Clockwork", *REPLAY, *words), []
    for iteration in range(3):
        metrics = run.iterate(1, first=iteration)
        counts.append(len(done))
        assert metrics["train/updates"] == len(done)
    assert counts == expected


def test_no_update_is_lost_to_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Replay, "_critic_step", lambda *_: {})
    monkeypatch.setattr(Replay, "_policy_step", lambda *_: {})
    words = ("learner.rollout_steps=25", "learner.warmup_steps=0", "learner.updates_per_step=0.29")
    assert int(100 * 0.29) == 28
    assert tiny("Clockwork", *REPLAY, *words).iterate(1)["train/updates"] == 29


def test_a_run_ends_with_its_budget() -> None:
    run = tiny("Clockwork", *REPLAY)
    with run.batch() as env:
        assert run.learner.iterate(env, 0, 0.0, 7).steps == 8
        assert run.learner.iterate(env, 1, 0.0, 8).steps == 8
        assert run.learner.iterate(env, 2, 0.0, 10**9).steps == 16


@pytest.mark.parametrize("interval", [1, 3])
def test_the_target_is_a_moving_average_of_the_critic(
    interval: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Tensor, Tensor, Tensor]] = []
    update = Replay._update

    def spying(self: Replay, *rest: Any, **named: Any) -> dict[str, float]:
        metrics = update(self, *rest, **named)
        mean = self._policy.mean.weight.detach().clone()
        seen.append((flat(self._critic.state_dict()), flat(self._target.state_dict()), mean))
        return metrics

    monkeypatch.setattr(Replay, "_update", spying)
    words = ("learner.target_rate=0.25", "learner.lr=0.05", f"learner.policy_interval={interval}")
    run = tiny("Clockwork", *REPLAY, *words)
    _, expected = flats(run)
    mean = run.policy.mean.weight.detach().clone()
    run.iterate(1)
    assert len(seen) == 8
    for number, (critic, target, moved) in enumerate(seen):
        expected = 0.75 * expected + 0.25 * critic
        torch.testing.assert_close(target, expected)
        assert (critic - target).abs().max() > 1e-3
        assert torch.equal(moved, mean) == (number % interval > 0)
        mean = moved


def test_both_estimators_see_the_same_states_noise_and_critic(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen, runs = spy_on_fresh_actions(monkeypatch), []
    words = ("env=pendulum", *SMALL, *REPLAY, "learner.action_samples=3", "learner.lr=0.01")
    for word, seed in ((ESTIMATORS[0], 0), (ESTIMATORS[1], 0), (ESTIMATORS[1], 1)):
        seen.clear()
        run_of(*words, f"estimator={word}", f"seed={seed}").iterate(1)
        runs.append(seen[:])
    one, two, other = (calls[0] for calls in runs)
    assert one.noise.shape == (3, 16, 1)
    for name in ("modes", "noise", "values"):
        assert torch.equal(getattr(one, name), getattr(two, name))
        assert not torch.equal(getattr(one, name), getattr(other, name))
    assert not torch.equal(runs[0][1].modes, runs[1][1].modes), "only the gradients differ"
    assert torch.equal(runs[0][1].noise, runs[1][1].noise)


KNOWN = (
    *REPLAY, "learner.critic_hidden=[16]", "learner.minibatch_rows=64", "learner.target_rate=0.1",
    "learner.lr=0.01", "learner.updates_per_step=1", "learner.temperature=0", "policy.hidden=[]",
)  # fmt: skip


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_both_estimators_find_the_best_mean(estimator: str) -> None:
    words = ("variance=fixed", "squash=none", "learner.action_samples=4")
    run = tiny("Bandit", f"estimator={estimator}", *KNOWN, *words)

    def mean() -> float:
        with torch.no_grad():
            return float(run.policy(torch.ones(1, 1)).mode())

    assert abs(mean()) < 0.05
    run.iterate(25)
    assert mean() == pytest.approx(0.3, abs=0.06)


def test_discrete_actions_learn_the_one_that_pays() -> None:
    words = ("policy=categorical", "~squash", "estimator=score_function")
    run = tiny("Offset", *words, *KNOWN, "learner.lr=0.03")

    def probabilities() -> Tensor:
        with torch.no_grad():
            actions = torch.arange(3.0)[:, None, None]
            return run.policy(torch.ones(1, 1)).log_prob(actions).exp().flatten()

    assert float(probabilities()[1]) == pytest.approx(1 / 3, abs=0.02)
    run.iterate(12)
    assert float(probabilities()[1]) > 0.9


@pytest.mark.parametrize("culprit", ["policy", "critic"])
def test_a_gradient_that_is_not_finite_is_called_by_its_name(culprit: str) -> None:
    run = tiny("Clockwork", *REPLAY, "learner.updates_per_step=0.25")
    run.iterate(1)
    if culprit == "policy":
        run.policy.mean.bias.register_hook(lambda grad: grad * torch.nan)
    else:
        state = run.learner.state_dict()
        state["critic"]["layers.0"][0] = torch.nan
        run.learner.load_state_dict(state)
    parameter = {"policy": "mean.bias", "critic": "layers.0"}[culprit]
    message = rf"^gradient of the {culprit} is not finite \({parameter}\)$"
    with pytest.raises(NonFiniteError, match=message):
        run.iterate(1, first=1)


def test_a_policy_that_broke_between_two_measurements_is_not_blamed_on_the_critic() -> None:
    run = tiny("Clockwork", *REPLAY, "learner.updates_per_step=1", "learner.policy_interval=1")
    run.policy.mean.bias.register_hook(lambda grad: grad * torch.nan)
    with pytest.raises(NonFiniteError, match=r"^parameters of the policy are not finite$"):
        run.iterate(2)


@pytest.mark.parametrize("interval", [1, 2, 3])
def test_the_norm_of_the_policys_gradient_is_measured_whatever_the_interval(interval: int) -> None:
    words = ("learner.updates_per_step=1", "learner.warmup_steps=4")
    run = tiny("Clockwork", *REPLAY, *words, f"learner.policy_interval={interval}")
    assert run.iterate(2)["gradient/policy_norm"] > 0.0


@pytest.mark.parametrize("squash", ["none", "clip", "clip_mass", "tanh"])
def test_a_policy_whose_std_is_constant_has_no_temperature(squash: str) -> None:
    words = (f"squash={squash}", "learner.temperature=null", "learner.lr=1e-9")
    fixed = tiny("Clockwork", *REPLAY, *words, "variance=fixed").iterate(1)
    assert fixed["policy/temperature"] == 0.0
    learned = tiny("Clockwork", *REPLAY, *words, "variance=learned").iterate(1)
    assert learned["policy/temperature"] == pytest.approx(0.1)


@pytest.mark.parametrize("limit", [0.01, None])
def test_gradients_are_scaled_down_to_the_norm(limit: float | None) -> None:
    words = (*REPLAY, *ONCE, f"learner.max_grad_norm={limit or 'null'}")
    run = run_of("estimator=reparameterised", *PENDULUM, *words)
    metrics = run.iterate(1)
    for name, module in (("policy", run.policy), ("critic", run.learner._critic)):
        used = float(torch.cat([p.grad.flatten() for p in module.parameters()]).norm())
        measured = metrics[f"gradient/{name}_norm"]
        assert measured > 0.02
        assert used == pytest.approx(limit or measured, rel=1e-3)


def test_every_variance_works_with_every_squash(pair: tuple[str, str]) -> None:
    variance, squash = pair
    words = (f"variance={variance}", f"squash={squash}", "+env.kwargs.actions=2")
    run = tiny("Clockwork", "estimator=reparameterised", *REPLAY, *words)
    before = copy.deepcopy(run.policy.state_dict())
    metrics = run.iterate(1)
    assert {"critic/loss", "critic/target_mean", "policy/approximate_kl"} <= metrics.keys()
    assert all(torch.tensor(list(metrics.values())).isfinite())
    after = run.policy.state_dict()
    moved = {key.partition(".")[0] for key in before if not torch.equal(before[key], after[key])}
    assert {"trunk", "mean"} <= moved
    assert ("variance" in moved) == (variance != "fixed")
