"""`learner=on_policy`: fresh rollouts, a critic fitted to them, some epochs of minibatches."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from gausspg.envs.batch import BatchedEnv
from gausspg.envs.differentiable import DifferentiableBatch
from gausspg.envs.rollout import Rollout, collect_episodes, collect_steps
from gausspg.estimators.base import ActionValue, LearningSignal, Trajectories
from gausspg.estimators.returns import generalised_advantage, next_values
from gausspg.learners.base import (
    Context,
    Iteration,
    Learner,
    Schedule,
    approximate_kl,
    clip_gradient,
    lr_factor,
    mean_metrics,
    policy_metrics,
    refuse_unused_settings,
    require_differentiable_samples,
    require_whole_episodes,
)
from gausspg.learners.fitted_critic import FittedCritic, Kind
from gausspg.learners.fresh_data import FreshData
from gausspg.learners.reward_scaler import RewardScaler
from gausspg.learners.through_dynamics import Window, as_rollout, unroll
from gausspg.policies.base import ActionDistribution, Policy
from gausspg.policies.nets import Activation
from gausspg.ranges import Count, Fraction, NonNegative, Positive

# Rows on which the metrics of the policy are taken; a mean over more changes no decision.
_METRIC_ROWS = 2048


@dataclass(eq=False, repr=False)
class OnPolicy(Learner):
    """Policy-gradient learning from the policy's own fresh data.

    With the defaults and `estimator=score_function` it is PPO; with one epoch over the whole batch
    and the estimator's extras off it is REINFORCE. With a critic of states and actions, Q is fitted
    to the lambda-returns of the rollout, and the estimator works with it at the rollout's states;
    two estimators then differ in nothing else. Through dynamics, the policy takes one step per
    rollout, along the gradient of the rollout's own rewards, and the epochs are the critic's.

    Args:
        rollout_steps: steps per environment and iteration; null: one whole episode in each.
        epochs: passes over a rollout.
        minibatch_rows: samples per gradient step, about; null: the whole rollout.
        lr: Adam's learning rate at the start.
        critic_lr: the critic's; null: the same.
        lr_schedule: `constant`, or `linear` to 0 at the end of the budget.
        max_grad_norm: the policy's and the critic's gradients are each scaled down to this norm;
            null: never.
        entropy_coefficient: weight of the entropy of the density that the squash declares.
        target_kl: ends the epochs of a rollout early beyond 1.5 times this; null: never.
        critic: what the critic values; null: what the estimator needs.
        gae_lambda: trace of generalised advantages, and of the lambda-returns that a critic is
            fitted to.
        critic_hidden: widths of the critic's hidden layers.
        critic_activation: of those.
        action_samples: K, with a critic of states and actions: fresh actions in each state, for
            the policy's gradient and for the value of a state; null there means 4.
        context: what it is built around.
    """

    rollout_steps: Count | None
    epochs: Count
    minibatch_rows: Count | None
    lr: Positive
    critic_lr: Positive | None
    lr_schedule: Schedule
    max_grad_norm: Positive | None
    entropy_coefficient: NonNegative
    target_kl: Positive | None
    critic: Kind | None
    gae_lambda: Fraction
    critic_hidden: Sequence[Count]
    critic_activation: Activation
    action_samples: Count | None
    context: Context = field(kw_only=True)

    def __post_init__(self) -> None:
        context = self.context
        self._policy, self._streams, self._device = context.policy, context.streams, context.device
        self._diagnostics = context.diagnostics
        self._action_samples = 4 if self.action_samples is None else self.action_samples
        self._estimator = context.estimator(
            available=_available(self.critic, context.differentiable),
            action_samples=self._action_samples,
        )
        self._learning_signal = self._estimator.learning_signal
        has_critic = self._learning_signal == "action_values" or self._estimator.uses_value
        self._check_settings(has_critic)
        self._scaler = RewardScaler(context.num_envs, context.gamma, context.scale_rewards)
        needed: Kind = "action_value" if self._learning_signal == "action_values" else "state_value"
        self._critic = FittedCritic(
            needed if has_critic else None, self._policy, self.critic_hidden,
            self.critic_activation, self._action_samples,
            self._streams.torch("initialisation_critic"),
        ).to(self._device)  # fmt: skip
        groups = _groups(self._policy, self._critic, self.lr, self.critic_lr)
        self._optimiser = torch.optim.Adam(groups, eps=1e-5, fused=True)
        self._initial_lrs: list[float] = [group["lr"] for group in groups]

    def _check_settings(self, has_critic: bool) -> None:
        require_differentiable_samples(self._estimator, self._policy)
        require_whole_episodes(self._estimator, self.rollout_steps)
        self._diagnostics.check_applies(self._learning_signal)
        more_epochs = self.epochs > 1 and self._learning_signal != "dynamics"
        refuse_unused_settings(
            {
                "critic": (self.critic, has_critic),
                "critic_lr": (self.critic_lr, has_critic),
                "action_samples": (self.action_samples, self._learning_signal == "action_values"),
                "target_kl": (self.target_kl, more_epochs),
            }
        )

    def action_value(self, observations: Tensor) -> ActionValue | None:
        """See `Learner`."""
        return self._critic.of_actions(observations)

    def begin_segment(self) -> None:
        """See `Learner`."""
        self._scaler.forget_episodes()

    def iterate(self, env: BatchedEnv, iteration: int, done: float, left: int) -> Iteration:
        """See `Learner`."""
        factor = lr_factor(self.lr_schedule, done)
        for group, lr in zip(self._optimiser.param_groups, self._initial_lrs, strict=True):
            group["lr"] = lr * factor
        if self._learning_signal == "dynamics":
            windows = self._unroll(env, iteration, left)
            rollout = as_rollout(windows)
            # Weighed before the policy moves: the densities are those the rollout was taken with.
            data, metrics = self._prepare(rollout, iteration)
            metrics |= self._step_through_dynamics(windows, iteration)
        else:
            rollout = self._collect(env, iteration, left)
            data, metrics = self._prepare(rollout, iteration)
        metrics |= self._diagnose(data, iteration) | self._update(data, iteration)
        metrics |= self._policy_metrics(data)
        metrics["train/learning_rate"] = self._initial_lrs[0] * factor
        # Only now: a rollout is gathered and learned from under one and the same normalisation.
        self._policy.normaliser.update(rollout.observations[rollout.valid].to(self._device))
        return Iteration(rollout.steps, rollout.episodes, metrics)

    def _collect(self, env: BatchedEnv, iteration: int, left: int) -> Rollout:
        generator = self._streams.torch("action_noise", iteration)
        if self.rollout_steps is not None:
            noise = self._policy.draw_noise(generator, self.rollout_steps, self.context.num_envs)
            # The last rollout ends with the budget, which is what "within N steps" is about.
            return collect_steps(env, self._policy, noise[: -(-left // self.context.num_envs)])
        self._scaler.forget_episodes()
        return collect_episodes(
            env, self._policy, lambda _: self._policy.draw_noise(generator, self.context.num_envs)
        )

    def _unroll(self, env: BatchedEnv, iteration: int, left: int) -> list[Window]:
        assert isinstance(env, DifferentiableBatch), "dynamics are available where they are"
        # Drawn as in `_collect`: other estimators see the same noise.
        generator = self._streams.torch("action_noise", iteration)
        steps = self.rollout_steps
        if steps is None:
            env.reset()
            self._scaler.forget_episodes()
            steps = env.dynamics.max_episode_steps
            noise = torch.stack(
                [self._policy.draw_noise(generator, self.context.num_envs) for _ in range(steps)]
            )
        else:
            noise = self._policy.draw_noise(generator, steps, self.context.num_envs)
            noise = noise[: -(-left // self.context.num_envs)]
        horizon = self._estimator.horizon or len(noise)
        return [unroll(env, self._policy, part) for part in noise.split(horizon)]

    def _step_through_dynamics(self, windows: list[Window], iteration: int) -> dict[str, float]:
        """Take one step along the gradient of the windows' rewards."""
        noise = self._streams.torch("value_noise", iteration)
        self._optimiser.zero_grad(set_to_none=True)
        parameters = [p for p in self._policy.parameters() if p.requires_grad]
        for window in windows:
            following = torch.zeros_like(window.rewards)
            if self._critic.exists:
                following = self._critic.values(self._normalise(window.next_observations), noise)
                following = following.masked_fill(~window.cut, 0.0)
            surrogate = self._estimator.along_trajectories(
                self._scaler.scale(window.rewards), following, window.ends, self.context.gamma
            )
            loss = -surrogate.mean()
            if self.entropy_coefficient > 0.0:
                # A sum over time, as the rewards are.
                loss = loss - self.entropy_coefficient * window.entropies.sum(0).mean()
            # Not of the critic: it judges and does not flatter.
            (loss / len(windows)).backward(inputs=parameters)
        norm = clip_gradient(self._policy, self.max_grad_norm, "the policy")
        self._optimiser.step()
        return {"gradient/policy_norm": norm}

    @torch.no_grad()
    def _prepare(self, rollout: Rollout, iteration: int) -> tuple[FreshData, dict[str, float]]:
        """Flatten a rollout to rows, with weights, targets and the densities it was taken with."""
        ends = rollout.terminated | rollout.truncated
        observations = self._normalise(rollout.observations)
        generator = self._streams.torch("value_noise", iteration)
        before = self._critic.values(observations, generator)
        following = next_values(
            before,
            self._critic.values(self._normalise(rollout.last_observations), generator),
            rollout.terminated,
            rollout.truncated,
            self._critic.values(self._normalise(rollout.truncated_observations), generator),
        )
        self._scaler.update(rollout.rewards, ends, rollout.valid)
        rewards, valid = self._scaler.scale(rollout.rewards), rollout.valid
        if self._learning_signal == "trajectories":
            weights, targets = self._estimator.weights(
                Trajectories(
                    rewards, before, following, ends, valid, self.context.gamma, self.gae_lambda
                )
            )
        else:
            traces = (rewards, before, following, ends, self.context.gamma, self.gae_lambda)
            targets = generalised_advantage(*traces) + before
            weights = targets - before
        rows, latents = observations[valid.to(self._device)], rollout.latents[valid]
        latents = latents.to(self._device)
        log_probs = self._policy(rows).log_prob(latents)
        metrics = {"train/weight_std": float(weights[valid].std(correction=0))}
        if self._critic.exists:
            residual = (targets - before)[valid].var(correction=0)
            explained = 1.0 - residual / targets[valid].var(correction=0).clamp(min=1e-12)
            metrics["critic/explained_variance"] = float(explained)
            metrics["critic/value_mean"] = float(before[valid].mean())
        weights, targets = (column[valid].to(self._device) for column in (weights, targets))
        return FreshData(rows, latents, log_probs, weights, targets), metrics

    def _normalise(self, observations: Tensor) -> Tensor:
        normalised: Tensor = self._policy.normaliser(observations.to(self._device))
        return normalised

    def _diagnose(self, data: FreshData, iteration: int) -> dict[str, float]:
        if not self._diagnostics.due(iteration):
            return {}
        sample = data.sample(self._diagnostics.rows)
        rows, value = sample.observations, self.action_value(sample.observations)
        if value is None:
            return self._diagnostics.at_taken_actions(
                self._policy, rows, sample.batch, self._estimator
            )
        generator = self._streams.torch("diagnostics_noise", iteration)
        return self._diagnostics.at_fresh_actions(self._policy, rows, value, generator)

    def _update(self, data: FreshData, iteration: int) -> dict[str, float]:
        """Take the gradient steps of one rollout."""
        if self._learning_signal == "dynamics" and not self._critic.exists:
            return {}
        number = len(data)
        generator = self._streams.torch("minibatches", iteration)
        noise = self._streams.torch("update_noise", iteration)
        size = self.minibatch_rows or number
        measured: list[dict[str, float]] = []
        epochs = 0
        for _ in range(self.epochs):
            epochs += 1
            order = torch.randperm(number, generator=generator).to(self._device)
            shuffled = data.in_order(order) if size < number else data
            measured += [self._gradient_step(part, noise) for part in shuffled.slices(size)]
            if self.target_kl is not None and self._kl(data) > 1.5 * self.target_kl:
                break
        return mean_metrics(measured) | {"train/epochs": float(epochs)}

    def _gradient_step(self, data: FreshData, noise: torch.Generator) -> dict[str, float]:
        """One Adam step on a minibatch; returns gradient norms and the critic's loss."""
        self._optimiser.zero_grad(set_to_none=True)
        metrics: dict[str, float] = {}
        # The networks share no parameter, and one after the other their activations fit a cache.
        if self._learning_signal != "dynamics":
            distribution = self._policy(data.observations)
            loss = -self._surrogate(distribution, data, noise).mean()
            if self.entropy_coefficient > 0.0:
                loss = loss - self.entropy_coefficient * distribution.entropy().mean()
            loss.backward()
            norm = clip_gradient(self._policy, self.max_grad_norm, "the policy")
            metrics["gradient/policy_norm"] = norm
        if self._critic.exists:
            metrics["critic/loss"] = self._critic.fit(data)
            norm = clip_gradient(self._critic, self.max_grad_norm, "the critic")
            metrics["gradient/critic_norm"] = norm
        self._optimiser.step()
        return metrics

    def _surrogate(
        self, distribution: ActionDistribution, data: FreshData, generator: torch.Generator
    ) -> Tensor:
        value = self._critic.of_actions(data.observations)
        if value is None:
            return self._estimator.at_taken_actions(distribution, data.batch)
        noise = self._critic.draw_noise(generator, len(data))
        return self._estimator.at_fresh_actions(distribution, noise, value)

    @torch.no_grad()
    def _kl(self, data: FreshData) -> float:
        sample = data.sample(_METRIC_ROWS)
        log_probs = self._policy(sample.observations).log_prob(sample.latents)
        return approximate_kl(log_probs - sample.log_probs)

    @torch.no_grad()
    def _policy_metrics(self, data: FreshData) -> dict[str, float]:
        sample = data.sample(_METRIC_ROWS)
        distribution = self._policy(sample.observations)
        log_ratio = distribution.log_prob(sample.latents) - sample.log_probs
        measured = policy_metrics(distribution, sample.latents)
        measured["policy/approximate_kl"] = approximate_kl(log_ratio)
        return measured

    def state_dict(self) -> dict[str, Any]:
        """See `Learner`."""
        return {
            "critic": self._critic.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "reward_scaler": self._scaler.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Learner`."""
        self._critic.load_state_dict(state["critic"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._scaler.load_state_dict(state["reward_scaler"])


def _groups(
    policy: Policy, critic: FittedCritic, lr: float, critic_lr: float | None
) -> list[dict[str, Any]]:
    """Return Adam's parameter groups: as few as can be, since its overhead is per group."""
    ours, its = list(policy.parameters()), list(critic.parameters())
    if critic_lr is None:
        return [{"params": [*ours, *its], "lr": lr}]
    return [{"params": ours, "lr": lr}, {"params": its, "lr": critic_lr}]


def _available(critic: Kind | None, differentiable: bool) -> frozenset[LearningSignal]:
    available: set[LearningSignal] = (
        {"dynamics"} if differentiable and critic != "action_value" else set()
    )
    if critic != "action_value":
        available.add("trajectories")
    if critic != "state_value":
        available.add("action_values")
    return frozenset(available)
