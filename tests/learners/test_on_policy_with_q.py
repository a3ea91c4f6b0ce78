"""The on-policy learner with a critic of states and actions: targets, and one swap at a time."""

import numpy as np
import pytest
import torch
from torch import Tensor

from by_hand import action_values, flat, spy_on_fresh_actions
from composing import REINFORCE, SMALL, run_of, tiny
from gausspg.learners.critics import ActionValue

WITH_Q = ("learner=on_policy", "learner.critic=action_value")
WHOLE = ("learner.epochs=1", "learner.minibatch_rows=null")
ESTIMATORS = ("reparameterised", "score_function")


def lambda_returns(
    rewards: np.ndarray, after: np.ndarray, ends: np.ndarray, gamma: float, trace: float
) -> np.ndarray:
    """The mixture of n-step returns, each summed up on its own; `after` is the next state's value.

    What is left of the weights falls to the longest return, that of the episode or of the rollout.
    """
    targets = np.zeros_like(rewards)
    for t, n in np.ndindex(*rewards.shape):
        total, left, earned = 0.0, 1.0, 0.0
        for k in range(t, len(rewards)):
            earned += gamma ** (k - t) * rewards[k, n]
            n_step = earned + gamma ** (k - t + 1) * after[k, n]
            if ends[k, n] or k == len(rewards) - 1:
                total += left * n_step
                break
            total += left * (1.0 - trace) * n_step
            left *= trace
        targets[t, n] = total
    return targets


@pytest.mark.parametrize("ending", ["truncates", "terminates"])
@pytest.mark.parametrize("trace", [None, 0.3])
def test_q_is_fitted_to_lambda_returns(
    ending: str, trace: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[Tensor, Tensor, Tensor]] = []
    fit = ActionValue.fit

    def spying(self: ActionValue, *rows: Tensor) -> Tensor:
        given.append(rows)
        return fit(self, *rows)

    monkeypatch.setattr(ActionValue, "fit", spying)
    kwargs = [f"+env.kwargs.{way}={way == ending}" for way in ("truncates", "terminates")]
    words = (*kwargs, f"learner.gae_lambda={0.95 if trace is None else trace}", "gamma=0.9")
    run = tiny("Clockwork", *WITH_Q, *WHOLE, *words, "learner.rollout_steps=12")
    rollout, critic = run.rollout(12), flat(run.learner.state_dict()["critic"])
    noises = run.streams.torch("value_noise", 0)

    @torch.no_grad()
    def values(observations: Tensor) -> np.ndarray:
        rows = observations.flatten(0, -2)
        normal = run.policy(rows).normal
        noise = torch.randn(4, len(rows), 1, generator=noises)
        actions = (normal.mean + normal.std * noise).clamp(-1.0, 1.0)
        q = action_values(critic, 1, [8], "tanh", rows, actions)[0].mean(0)
        return q.view(observations.shape[:-1]).double().numpy()

    before = values(rollout.observations)
    after = np.concatenate([before[1:], values(rollout.last_observations)[None]])
    after[rollout.truncated.numpy()] = values(rollout.truncated_observations)
    after[rollout.terminated.numpy()] = 0.0
    ends = (rollout.terminated | rollout.truncated).numpy()
    assert ends.sum() == 8
    run.iterate(1)
    ((rows, features, targets),) = given
    assert torch.equal(rows, rollout.observations.flatten(0, 1))
    assert torch.equal(features, rollout.latents.flatten(0, 1).clamp(-1.0, 1.0))
    for other, same in ((0.95 if trace is None else trace, True), (0.6, False)):
        expected = lambda_returns(rollout.rewards.double().numpy(), after, ends, 0.9, other)
        assert np.allclose(targets.view(12, 4), expected, rtol=1e-4, atol=1e-4) == same


def test_both_estimators_see_the_same_states_noise_and_critic(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen, first = spy_on_fresh_actions(monkeypatch), []
    words = ("env=pendulum", *SMALL, *WITH_Q, "learner.rollout_steps=16", "learner.epochs=1")
    for word, seed in ((ESTIMATORS[0], 0), (ESTIMATORS[1], 0), (ESTIMATORS[1], 1)):
        seen.clear()
        run = run_of(*words, f"estimator={word}", f"seed={seed}", "learner.minibatch_rows=32")
        run.iterate(1)
        first.append(seen[:])
    one, two, other = (calls[0] for calls in first)
    assert one.noise.shape == (4, 32, 1)
    for name in ("modes", "noise", "values"):
        assert torch.equal(getattr(one, name), getattr(two, name))
        assert not torch.equal(getattr(one, name), getattr(other, name))
    assert not torch.equal(first[0][1].modes, first[1][1].modes), "only the gradients differ"
    assert torch.equal(first[0][1].noise, first[1][1].noise)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("samples", [2, 7])
def test_there_are_as_many_fresh_actions_as_asked_for(
    estimator: str, samples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = spy_on_fresh_actions(monkeypatch)
    words = (*WITH_Q, *WHOLE, f"learner.action_samples={samples}", "learner.rollout_steps=4")
    metrics = tiny("Clockwork", f"estimator={estimator}", *words).iterate(1)
    assert [call.noise.shape for call in seen] == [(samples, 16, 1)]
    assert {"critic/loss", "gradient/critic_norm", "gradient/policy_norm"} <= metrics.keys()


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_both_estimators_find_the_best_mean(estimator: str) -> None:
    run = tiny(
        "Bandit", f"estimator={estimator}", *WITH_Q, "env.num_envs=32", "policy.hidden=[]",
        "squash=none", "variance=fixed", "learner.critic_hidden=[16]", "learner.rollout_steps=8",
        "learner.lr=0.01", "learner.minibatch_rows=64", "learner.lr_schedule=constant",
    )  # fmt: skip

    def mean() -> float:
        with torch.no_grad():
            return float(run.policy(torch.ones(1, 1)).mode())

    assert abs(mean()) < 0.05
    run.iterate(12)
    assert mean() == pytest.approx(0.3, abs=0.06)


def test_the_estimator_decides_which_critic_there_is() -> None:
    def parameters(*words: str) -> int:
        critic = tiny("Bandit", "learner=on_policy", *words).learner.state_dict()["critic"]
        return sum(one.numel() for one in critic.values())

    # One input, and with Q the action too, to 8 hidden units and one output.
    of_q, of_v = (2 * 8 + 8) + (8 + 1), (8 + 8) + (8 + 1)
    assert parameters("learner.critic=action_value") == of_q
    assert parameters("estimator=reparameterised") == of_q
    assert parameters() == parameters("learner.critic=state_value") == of_v
    assert parameters(*REINFORCE) == 0
