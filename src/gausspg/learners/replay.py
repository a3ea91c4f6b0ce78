"""`learner=replay`: a replay buffer, twin Q with target networks, an entropy temperature."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from gausspg.envs.batch import BatchedEnv, NonFiniteError
from gausspg.envs.rollout import Rollout, collect_steps
from gausspg.estimators.base import ActionValue as ActionValueFunction
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
    require_differentiable_samples,
    set_gradients,
    set_lr,
)
from gausspg.learners.critics import ActionValue
from gausspg.learners.replay_buffer import ReplayBuffer, transitions
from gausspg.learners.reward_scaler import RewardScaler
from gausspg.learners.temperature import build_temperature
from gausspg.policies.base import Policy
from gausspg.policies.nets import Activation
from gausspg.ranges import Count, Natural, NonNegative, Positive, Share


@dataclass(frozen=True)
class _Minibatch:
    """Rows of one update, normalised; noise for the next and for the fresh actions."""

    observations: Tensor
    latents: Tensor
    rewards: Tensor
    next_observations: Tensor
    continues: Tensor
    next_noise: Tensor
    noise: Tensor


@dataclass(eq=False, repr=False)
class Replay(Learner):
    """Off-policy actor-critic learning from everything that happened so far.

    The critic is twin Q fitted to r + gamma (min Q'(s', a') - alpha log pi(a' | s')), a' fresh; the
    policy climbs E[min Q(s, a)] + alpha H at replayed states. The estimator takes the gradient of
    the first term, from K fresh actions in each state; that of the entropy is the same for all of
    them. With `estimator=reparameterised variance=learned squash=tanh` this is soft actor-critic
    (Haarnoja et al. 2018, arXiv:1812.05905); with a temperature of 0 it is SVG(0) with replay
    (Heess et al. 2015, arXiv:1510.09142).

    Args:
        rollout_steps: steps per environment and iteration; updates lie between them.
        warmup_steps: environment steps before the first update.
        buffer_steps: environment steps that the buffer holds.
        updates_per_step: of critic and policy, per environment step.
        minibatch_rows: states per update.
        action_samples: K, fresh actions in each state from which the policy's gradient is made.
        policy_interval: critic updates per policy update.
        lr: of the policy and the temperature.
        critic_lr: null: the same.
        lr_schedule: `constant`, or `linear` to 0 at the end of the budget.
        max_grad_norm: the policy's and the critic's gradients are each scaled down to this norm;
            null: never.
        target_rate: share of the critic that its target takes over at each update.
        temperature: alpha at the start, or for ever; null: 0.1 where training can change the std
            of u (or the probabilities of discrete actions), else 0.
        tune_temperature: towards `target_entropy`; null: where training can change the same and
            alpha is not 0, else alpha stays.
        target_entropy: of the density that the squash declares, nats; null: see
            `Policy.usual_target_entropy`.
        critic_hidden: widths of the critic's hidden layers.
        critic_activation: of those.
        context: what it is built around.
    """

    rollout_steps: Count
    warmup_steps: Natural
    buffer_steps: Count
    updates_per_step: Positive
    minibatch_rows: Count
    action_samples: Count
    policy_interval: Count
    lr: Positive
    critic_lr: Positive | None
    lr_schedule: Schedule
    max_grad_norm: Positive | None
    target_rate: Share
    temperature: NonNegative | None
    tune_temperature: bool | None
    target_entropy: float | None
    critic_hidden: Sequence[Count]
    critic_activation: Activation
    context: Context = field(kw_only=True)

    def __post_init__(self) -> None:
        context = self.context
        self._policy, self._streams, self._device = context.policy, context.streams, context.device
        self._estimator = context.estimator(
            available=frozenset({"action_values"}), action_samples=self.action_samples
        )
        self._diagnostics = context.diagnostics
        self._check_settings()
        observation_dim = len(self._policy.normaliser.mean)
        self._critic = ActionValue(
            2, observation_dim, self._policy.feature_dim, self.critic_hidden,
            self.critic_activation, self._streams.torch("initialisation_critic"),
        ).to(self._device)  # fmt: skip
        self._target = copy.deepcopy(self._critic).requires_grad_(False)
        self._policy_parameters = [p for p in self._policy.parameters() if p.requires_grad]
        self._lrs = {"policy": self.lr, "critic": self.critic_lr or self.lr}
        # One kernel for all parameters: without it an update takes 5% longer
        # (`analysis/benchmarks/updates.py`).
        self._policy_optimiser = torch.optim.Adam(self._policy_parameters, lr=self.lr, fused=True)
        self._critic_optimiser = torch.optim.Adam(
            self._critic.parameters(), lr=self._lrs["critic"], fused=True
        )
        self._temperature = build_temperature(
            self.temperature, self.tune_temperature, self.target_entropy, self._policy, self.lr,
            self._device,
        )  # fmt: skip
        # No run fills more than its budget, rounded up to whole steps of the batch.
        capacity = min(self.buffer_steps, context.budget + context.num_envs)
        latent_dim = self._policy.latent_dim
        self._buffer = ReplayBuffer(capacity, observation_dim, latent_dim, self._device)
        self._scaler = RewardScaler(context.num_envs, context.gamma, context.scale_rewards)
        self._steps = self._updates = 0

    def _check_settings(self) -> None:
        num_envs, budget = self.context.num_envs, self.context.budget
        if self.buffer_steps < num_envs:
            raise ValueError(
                f"learner.buffer_steps={self.buffer_steps} cannot hold one step of env.num_envs="
                f"{num_envs} environments: set at least that many"
            )
        if self.warmup_steps >= budget:
            raise ValueError(
                f"learner.warmup_steps={self.warmup_steps} leaves nothing of steps={budget} to "
                "learn in: set fewer, or more steps"
            )
        require_differentiable_samples(self._estimator, self._policy)
        self._diagnostics.check_applies(self._estimator.learning_signal)

    def action_value(self, observations: Tensor) -> ActionValueFunction:
        """See `Learner`: the lower of the two."""
        return lambda features: self._critic.lowest(observations, features)

    def begin_segment(self) -> None:
        """See `Learner`; what was experienced is kept."""
        self._scaler.forget_episodes()

    def iterate(self, env: BatchedEnv, iteration: int, done: float, left: int) -> Iteration:
        """See `Learner`."""
        factor = lr_factor(self.lr_schedule, done)
        set_lr(self._policy_optimiser, self._lrs["policy"] * factor)
        set_lr(self._critic_optimiser, self._lrs["critic"] * factor)
        steps = min(self.rollout_steps, -(-left // self.context.num_envs))
        generator = self._streams.torch("action_noise", iteration)
        noise = self._policy.draw_noise(generator, steps, self.context.num_envs)
        minibatches = self._streams.torch("minibatches", iteration)
        update_noise = self._streams.torch("update_noise", iteration)
        former = copy.deepcopy(self._policy)
        rollouts: list[Rollout] = []
        measured: list[dict[str, float]] = []
        for t in range(steps):
            rollouts.append(collect_steps(env, self._policy, noise[t : t + 1]))
            self._buffer.add(transitions(rollouts[-1]))
            self._steps += self.context.num_envs
            due = self._minibatches(minibatches, update_noise)
            for left_over, minibatch in zip(range(len(due))[::-1], due, strict=True):
                # The last updates of each kind stand for those since the last step of the
                # environments, also as to what is not finite.
                measure = left_over < self.policy_interval
                metrics = self._update(minibatch, factor, measure)
                measured += [metrics] if metrics else []
        metrics = mean_metrics(measured)
        metrics |= self._policy_metrics(rollouts, former, noise)
        metrics |= self._diagnose(iteration)
        metrics |= {
            "train/learning_rate": self._lrs["policy"] * factor,
            "train/updates": float(self._updates),
            "policy/temperature": float(self._temperature.value),
        }
        self._update_statistics(rollouts)
        episodes = [episode for rollout in rollouts for episode in rollout.episodes]
        return Iteration(steps * self.context.num_envs, episodes, metrics)

    def _update_statistics(self, rollouts: Sequence[Rollout]) -> None:
        # Once per iteration, so that normalisation stands still within it, as with every learner.
        rewards, ends, valid, observations = (
            torch.cat(column)
            for column in zip(
                *((r.rewards, r.terminated | r.truncated, r.valid, r.observations)
                  for r in rollouts), strict=True,
            )
        )  # fmt: skip
        self._scaler.update(rewards, ends, valid)
        self._policy.normaliser.update(observations.flatten(0, 1).to(self._device))

    def _minibatches(
        self, generator: torch.Generator, noise_generator: torch.Generator
    ) -> list[_Minibatch]:
        """Draw what the updates that are due consume, all at once."""
        # A millionth more: 100 steps at 0.29 make 28.999999999999996 updates by float arithmetic.
        due_by_now = (self._steps - self.warmup_steps) * self.updates_per_step + 1e-6
        due = int(due_by_now) - self._updates
        if due <= 0:
            return []
        rows, policy = self.minibatch_rows, self._policy
        steps = self._buffer.sample(due * rows, generator)
        noise = policy.draw_noise(noise_generator, due, 1 + self.action_samples, rows)
        noise = noise.to(self._device)
        observations = policy.normaliser(steps.observations).split(rows)
        following = policy.normaliser(steps.next_observations).split(rows)
        latents = steps.latents.split(rows)
        rewards = self._scaler.scale(steps.rewards).split(rows)
        continues = (1.0 - steps.terminated).split(rows)
        return [
            _Minibatch(
                observations[i], latents[i], rewards[i], following[i], continues[i],
                next_noise=noise[i, 0], noise=noise[i, 1:],
            )
            for i in range(due)
        ]  # fmt: skip

    def _update(self, data: _Minibatch, factor: float, measure: bool) -> dict[str, float]:
        """Improve critic and policy once; with `measure`, return metrics, which cost."""
        metrics = self._critic_step(data, measure)
        if self._updates % self.policy_interval == 0:
            metrics |= self._policy_step(data, factor, measure)
        with torch.no_grad():
            for target, source in zip(
                self._target.parameters(), self._critic.parameters(), strict=True
            ):
                target.lerp_(source, self.target_rate)
        self._updates += 1
        return metrics

    def _critic_step(self, data: _Minibatch, measure: bool) -> dict[str, float]:
        with torch.no_grad():
            following = self._policy(data.next_observations)
            u = following.sample(data.next_noise)
            value = self._target.lowest(data.next_observations, following.action_features(u))
            if not self._temperature.is_zero:
                value -= self._temperature.value * following.log_prob(u)
            targets = torch.addcmul(data.rewards, data.continues, value, value=self.context.gamma)
            features = following.action_features(data.latents)
        loss = self._critic.fit(data.observations, features, targets)
        norm = self._clip(self._critic, "the critic", measure)
        self._critic_optimiser.step()
        if not measure:
            return {}
        return {
            "critic/loss": float(loss),
            "critic/target_mean": float(targets.mean()),
            "gradient/critic_norm": norm,
        }

    def _policy_step(self, data: _Minibatch, factor: float, measure: bool) -> dict[str, float]:
        distribution = self._policy(data.observations)
        surrogate = self._estimator.at_fresh_actions(
            distribution, data.noise, self.action_value(data.observations)
        )
        loss = -surrogate.mean()
        if not self._temperature.is_zero:
            entropy = distribution.entropy_estimate(data.noise).mean()
            loss = loss - self._temperature.value * entropy
            self._temperature.update(entropy, factor)
        set_gradients(self._policy_parameters, loss)
        norm = self._clip(self._policy, "the policy", measure)
        self._policy_optimiser.step()
        return {"gradient/policy_norm": norm} if measure else {}

    def _clip(self, module: nn.Module, name: str, measure: bool) -> float:
        if self.max_grad_norm is None and not measure:
            return 0.0
        try:
            return clip_gradient(module, self.max_grad_norm, name)
        except NonFiniteError as error:
            # The policy is not measured at every update, and the critic fails on what it does.
            if all(bool(parameter.isfinite().all()) for parameter in self._policy_parameters):
                raise
            raise NonFiniteError("parameters of the policy are not finite") from error

    @torch.no_grad()
    def _policy_metrics(
        self, rollouts: Sequence[Rollout], former: Policy, noise: Tensor
    ) -> dict[str, float]:
        observations, latents = (
            torch.cat(column).flatten(0, 1).to(self._device)
            for column in zip(*((r.observations, r.latents) for r in rollouts), strict=True)
        )
        rows = self._policy.normaliser(observations)
        distribution, before = self._policy(rows), former(rows)
        metrics = policy_metrics(distribution, latents)
        u = before.sample(noise.flatten(0, 1).to(self._device))
        log_ratio = distribution.log_prob(u) - before.log_prob(u)
        metrics["policy/approximate_kl"] = approximate_kl(log_ratio)
        return metrics

    def _diagnose(self, iteration: int) -> dict[str, float]:
        # Before the first update there is no critic to ask.
        if not (self._updates and self._diagnostics.due(iteration)):
            return {}
        generator = self._streams.torch("diagnostics_noise", iteration)
        steps = self._buffer.sample(self._diagnostics.rows, generator)
        rows = self._policy.normaliser(steps.observations)
        value = self.action_value(rows)
        return self._diagnostics.at_fresh_actions(self._policy, rows, value, generator)

    def state_dict(self) -> dict[str, Any]:
        """See `Learner`; the buffer is part of it."""
        return {
            "critic": self._critic.state_dict(),
            "target": self._target.state_dict(),
            "policy_optimiser": self._policy_optimiser.state_dict(),
            "critic_optimiser": self._critic_optimiser.state_dict(),
            "temperature": self._temperature.state_dict(),
            "buffer": self._buffer.state_dict(),
            "reward_scaler": self._scaler.state_dict(),
            "steps": self._steps,
            "updates": self._updates,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Learner`."""
        self._critic.load_state_dict(state["critic"])
        self._target.load_state_dict(state["target"])
        self._policy_optimiser.load_state_dict(state["policy_optimiser"])
        self._critic_optimiser.load_state_dict(state["critic_optimiser"])
        self._temperature.load_state_dict(state["temperature"])
        self._buffer.load_state_dict(state["buffer"])
        self._scaler.load_state_dict(state["reward_scaler"])
        self._steps, self._updates = state["steps"], state["updates"]
