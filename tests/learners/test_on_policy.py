"""The on-policy learner against hand computations and problems whose answer is known."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from by_hand import action_values, flat
from composing import REINFORCE, SMALL, Run, equal, run_of, tiny
from gausspg.envs.batch import NonFiniteError
from gausspg.estimators.base import Batch, Trajectories
from gausspg.estimators.returns import generalised_advantage, next_values
from gausspg.estimators.score_function import ScoreFunction
from gausspg.learners.base import clip_gradient
from gausspg.learners.on_policy import approximate_kl
from gausspg.training.build import SettingsError

CONSTANT = ("+env.kwargs.constant=true", "learner.critic_hidden=[]", "learner.lr_schedule=constant")
ENDINGS = ("truncates", "terminates")


class Spy:
    """Keeps what the learner hands to the estimator and gets back."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.trajectories: list[Trajectories] = []
        self.given: list[tuple[Tensor, Tensor]] = []
        self.batches: list[Batch] = []
        weights, call = ScoreFunction.weights, ScoreFunction.at_taken_actions

        def spy_weights(estimator: ScoreFunction, seen: Trajectories) -> tuple[Tensor, Tensor]:
            self.trajectories.append(seen)
            self.given.append(weights(estimator, seen))
            return self.given[-1]

        def spy_call(estimator: ScoreFunction, distribution: object, batch: Batch) -> Tensor:
            self.batches.append(batch)
            return call(estimator, distribution, batch)

        patch.setattr(ScoreFunction, "weights", spy_weights)
        patch.setattr(ScoreFunction, "at_taken_actions", spy_call)


def value_by_hand(critic: Tensor, observations: Tensor) -> np.ndarray:
    no_codes = observations[..., :0]
    (values,) = action_values(critic, 1, (8,), "tanh", observations, no_codes)
    return values.numpy()


@pytest.mark.parametrize("ending", ["truncates", "terminates"])
def test_weights_and_targets_equal_a_recomputation_by_hand(
    ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = Spy(monkeypatch)
    kwargs = [f"+env.kwargs.{way}={str(way == ending).lower()}" for way in ENDINGS]
    run = tiny("Clockwork", "learner.rollout_steps=12", "learner.epochs=1", *kwargs)
    rollout = run.rollout(12)
    critic = flat(run.learner.state_dict()["critic"])
    run.iterate(1)
    values = value_by_hand(critic, rollout.observations)
    after_last = value_by_hand(critic, rollout.last_observations)
    gamma, lam = run.settings.gamma, 0.95
    at_truncation = iter(value_by_hand(critic, rollout.truncated_observations))
    following = np.concatenate([values[1:], after_last[None]])
    for t, n in np.argwhere(rollout.truncated.numpy()):
        following[t, n] = next(at_truncation)
    for t, n in np.argwhere(rollout.terminated.numpy()):
        following[t, n] = 0.0
    ends = (rollout.terminated | rollout.truncated).numpy()
    advantages = np.zeros_like(values)
    for t, n in np.ndindex(*values.shape):
        for k in range(t, len(values)):
            delta = 1.0 + gamma * following[k, n] - values[k, n]
            advantages[t, n] += (gamma * lam) ** (k - t) * delta
            if ends[k, n]:
                break
    expected = (advantages - advantages.mean()) / advantages.std()
    weights, targets = spy.given[0]
    assert ends.sum() == 8
    np.testing.assert_allclose(targets, advantages + values, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(weights, expected, rtol=1e-3, atol=1e-4)
    assert equal(spy.batches[0].latents.sort(0).values, rollout.latents.view(-1, 1).sort(0).values)


@pytest.mark.parametrize(("ending", "expected"), [("truncates", 10.0), ("terminates", 2.63)])
def test_the_critic_learns_that_a_truncated_episode_would_have_gone_on(
    ending: str, expected: float
) -> None:
    kwargs = [f"+env.kwargs.{way}={str(way == ending).lower()}" for way in ENDINGS]
    run = tiny(
        "Clockwork",
        *CONSTANT,
        *kwargs,
        "gamma=0.9",
        "learner.rollout_steps=10",
        "learner.minibatch_rows=null",
        "learner.critic_lr=0.1",
        "learner.max_grad_norm=null",
    )
    # 10 is 1 / (1 - gamma); 2.63 is the mean of (1 - gamma^k) / (1 - gamma) over k = 1 .. 5.
    assert run.iterate(60)["critic/value_mean"] == pytest.approx(expected, abs=0.3)


def test_a_truncation_taken_for_a_termination_would_contradict_the_right_values() -> None:
    values, rewards = torch.full((5, 1), 10.0), torch.ones(5, 1)
    end = torch.zeros(5, 1, dtype=torch.bool)
    end[2] = True
    never = torch.zeros_like(end)
    last, at_end = torch.tensor([10.0]), torch.tensor([10.0])
    right = next_values(values, last, never, end, at_end)
    wrong = next_values(values, last, end, never, at_end[:0])
    zero = generalised_advantage(rewards, values, right, end, 0.9, 0.95)
    torch.testing.assert_close(zero, torch.zeros(5, 1), atol=1e-5, rtol=0)
    biased = generalised_advantage(rewards, values, wrong, end, 0.9, 0.95)
    assert biased[2, 0] == pytest.approx(-9.0)


def test_the_reward_to_go_bootstraps_a_cut_and_not_a_termination(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spy = Spy(monkeypatch)
    words = ("estimator.weight=reward_to_go", "learner.rollout_steps=3", *CONSTANT)
    run = tiny("Clockwork", *words, "gamma=0.5", "+env.kwargs.length=2", "learner.epochs=1")
    run.iterate(1)
    value = float(spy.trajectories[0].values[0, 0])
    assert value != 0.0
    to_go = spy.given[0][1][:, 0].tolist()
    assert to_go == pytest.approx([1.5 + value / 4, 1 + value / 2, 1 + value / 2])


@pytest.mark.parametrize("done", [0.0, 0.25, 1.0])
def test_the_learning_rate_falls_linearly_to_zero(done: float) -> None:
    run = tiny("Bandit", "learner.rollout_steps=4", "learner.lr=0.1", "learner.critic_lr=0.2")
    before = {key: value.clone() for key, value in run.policy.state_dict().items()}
    metrics = run.iterate(1, done)
    groups = run.learner.state_dict()["optimiser"]["param_groups"]
    assert metrics["train/learning_rate"] == pytest.approx(0.1 * (1 - done))
    assert [group["lr"] for group in groups] == pytest.approx([0.1 * (1 - done), 0.2 * (1 - done)])
    assert equal(dict(run.policy.state_dict()), before) == (done == 1.0)


def test_a_constant_learning_rate_stays() -> None:
    words = ("learner.rollout_steps=4", "learner.lr=0.1", "learner.lr_schedule=constant")
    assert tiny("Bandit", *words).iterate(1, done=0.9)["train/learning_rate"] == 0.1


def test_without_rollout_steps_each_environment_runs_one_whole_episode() -> None:
    run = run_of("env=cartpole", *SMALL, "learner.rollout_steps=null", "learner.epochs=1")
    with run.batch() as env:
        for iteration in range(2):
            done = run.learner.iterate(env, iteration, 0.0, 10**9)
            assert sorted(episode.env for episode in done.episodes) == [0, 1, 2, 3]
            assert done.steps == sum(episode.length for episode in done.episodes)


def test_the_total_return_of_cut_episodes_is_refused() -> None:
    words = ("estimator.weight=total_return", "estimator.baseline=none")
    with pytest.raises(SettingsError, match=r"set learner\.rollout_steps=null") as caught:
        tiny("Bandit", *words, "learner.rollout_steps=7")
    assert "\n" not in str(caught.value)
    tiny("Bandit", *words, "learner.rollout_steps=null")


def test_the_entropy_bonus_raises_the_entropy() -> None:
    words = ("variance=learned_global", "learner.rollout_steps=8", "learner.lr=0.01", *CONSTANT)
    bonus = "learner.entropy_coefficient=0.5"
    without, with_bonus = (
        tiny("Clockwork", "+env.kwargs.length=1", "+env.kwargs.terminates=true", *words, *extra)
        for extra in ((), (bonus,))
    )
    entropies = [run.iterate(10)["policy/entropy"] for run in (without, with_bonus)]
    assert entropies[1] > entropies[0] + 0.2


@pytest.mark.parametrize("limit", [0.01, None])
def test_gradients_are_scaled_down_to_the_norm(limit: float | None) -> None:
    words = ("learner.rollout_steps=8", "learner.epochs=1", "learner.minibatch_rows=null")
    run = run_of("env=pendulum", *SMALL, *words, f"learner.max_grad_norm={limit or 'null'}")
    metrics = run.iterate(1)
    grads = [p.grad.flatten() for p in run.policy.parameters() if p.grad is not None]
    used = float(torch.cat(grads).norm())
    assert metrics["gradient/policy_norm"] > 0.02
    assert used == pytest.approx(limit or metrics["gradient/policy_norm"], rel=1e-3)


def test_clip_gradient_keeps_the_direction_and_returns_the_norm_before() -> None:
    module = nn.Linear(2, 1)
    for limit, factor in ((0.5, 0.1), (None, 1.0), (100.0, 1.0)):
        module.weight.grad, module.bias.grad = torch.tensor([[3.0, 0.0]]), torch.tensor([4.0])
        assert clip_gradient(module, limit, "x") == pytest.approx(5.0)
        found = [*module.weight.grad[0].tolist(), *module.bias.grad.tolist()]
        assert found == pytest.approx([3.0 * factor, 0.0, 4.0 * factor], rel=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_names_its_parameter(bad: float) -> None:
    module = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
    module(torch.ones(1, 1)).sum().backward()
    module[1].bias.grad.fill_(bad)
    with pytest.raises(NonFiniteError, match=r"gradient of the policy is not finite \(1\.bias\)"):
        clip_gradient(module, 0.5, "the policy")


def test_no_critic_is_built_where_nothing_asks_for_values() -> None:
    run = tiny("Bandit", *REINFORCE)
    metrics = run.iterate(1)
    assert not run.learner.state_dict()["critic"]
    assert not [name for name in metrics if "critic" in name]
    assert len(run.learner.state_dict()["optimiser"]["param_groups"]) == 1
    asked = tiny("Bandit").iterate(1)
    assert {"critic/loss", "critic/explained_variance", "gradient/critic_norm"} <= asked.keys()


@pytest.mark.parametrize("variance", ["fixed", "learned", "learned_global"])
def test_a_fixed_std_does_not_move_and_the_mean_does(variance: str) -> None:
    run = tiny("Bandit", f"variance={variance}", "learner.rollout_steps=16", "learner.lr=0.01")
    before = {key: value.clone() for key, value in run.policy.state_dict().items()}
    metrics = run.iterate(3)
    after = run.policy.state_dict()
    assert not torch.equal(after["mean.weight"], before["mean.weight"])
    moved = any(not equal(after[key], before[key]) for key in before if key.startswith("variance."))
    assert moved == (variance != "fixed")
    assert (abs(metrics["policy/std_mean"] - 0.5) > 1e-6) == (variance != "fixed")


def test_the_observation_statistics_are_those_of_all_rollouts() -> None:
    run = run_of("env=pendulum", *SMALL, "learner.rollout_steps=16", "learner.lr=0.01")
    seen = []
    original = run.policy.normaliser.update

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            run.policy.normaliser, "update", lambda rows: (seen.append(rows), original(rows))
        )
        run.iterate(3)
    rows = torch.cat(seen).double()
    assert len(rows) == 3 * 16 * 4
    torch.testing.assert_close(run.policy.normaliser.mean, rows.mean(0))
    torch.testing.assert_close(run.policy.normaliser.variance, rows.var(0, correction=0))


def test_the_target_kl_ends_the_epochs_early() -> None:
    words = ("learner.rollout_steps=16", "learner.lr=0.05")
    assert tiny("Bandit", *words).iterate(1)["train/epochs"] == 10
    assert tiny("Bandit", *words, "learner.target_kl=0.001").iterate(1)["train/epochs"] < 10


def test_approximate_kl_is_that_of_two_gaussians() -> None:
    generator = torch.Generator().manual_seed(0)
    old, new = torch.distributions.Normal(0.0, 1.0), torch.distributions.Normal(0.3, 0.9)
    u = torch.randn(400_000, generator=generator)
    exact = float(torch.distributions.kl_divergence(old, new))
    assert approximate_kl(new.log_prob(u) - old.log_prob(u)) == pytest.approx(exact, rel=0.02)


KNOWN = ("env.num_envs=32", "policy.hidden=[]", "squash=none", "learner.lr_schedule=constant")


def mean_of(run: Run) -> float:
    with torch.no_grad():
        return float(run.policy(torch.ones(1, 1)).mode())


def test_ppo_finds_the_best_mean() -> None:
    run = tiny("Bandit", *KNOWN, "learner.rollout_steps=16", "learner.lr=0.01")
    assert abs(mean_of(run)) < 0.05
    run.iterate(25)
    assert mean_of(run) == pytest.approx(0.3, abs=0.04)


@pytest.mark.parametrize(
    "variance",
    [
        ("variance=fixed", "variance.initial_std=0.2"),
        ("variance=learned_global", "variance.initial_std=0.2"),
    ],
    ids=lambda words: words[0],
)
def test_reinforce_without_any_extra_finds_the_best_mean(variance: tuple[str, ...]) -> None:
    words = (*KNOWN, *REINFORCE, *variance, "env.num_envs=128", "learner.lr=0.01")
    run = tiny("Bandit", *words)
    assert abs(mean_of(run)) < 0.05
    run.iterate(120)
    assert mean_of(run) == pytest.approx(0.3, abs=0.05)


def test_discrete_actions_learn_the_one_that_pays() -> None:
    words = ("policy=categorical", "policy.hidden=[]", "learner.rollout_steps=16")
    run = tiny("Offset", *words, "learner.lr=0.05")
    with torch.no_grad():
        before = run.policy(torch.ones(1, 1)).log_prob(torch.ones(1, 1)).exp()
    metrics = run.iterate(20)
    with torch.no_grad():
        after = run.policy(torch.ones(1, 1)).log_prob(torch.ones(1, 1)).exp()
    assert float(before) == pytest.approx(1 / 3, abs=0.02)
    assert float(after) > 0.9
    assert 0.0 < metrics["policy/entropy"] < 0.5


def test_cut_episodes_without_a_value_to_stand_in_are_refused() -> None:
    words = ("estimator.weight=reward_to_go", "estimator.baseline=none")
    with pytest.raises(SettingsError, match="cuts episodes"):
        tiny("Bandit", *words, "learner.rollout_steps=7")
    tiny("Bandit", *words, "learner.rollout_steps=null")
    tiny("Bandit", "estimator.weight=reward_to_go", "learner.rollout_steps=7")


@pytest.mark.parametrize(("rows", "parts"), [(8, 5), (16, 2), (100, 1), (None, 1)])
def test_minibatches_are_nearly_equal(rows: int | None, parts: int) -> None:
    words = ("learner.rollout_steps=10", f"learner.minibatch_rows={rows or 'null'}")
    run = tiny("Bandit", *words, "learner.epochs=1")
    sizes: list[int] = []
    step = run.learner._gradient_step
    run.learner._gradient_step = lambda data, *rest: (
        sizes.append(len(data.targets)), step(data, *rest)
    )[1]  # fmt: skip
    run.iterate(1)
    assert sum(sizes) == 40
    assert len(sizes) == parts
    assert max(sizes) - min(sizes) <= 1
