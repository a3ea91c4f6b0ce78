"""`learner=on_policy`: fresh rollouts, a critic fitted to them, some epochs of minibatches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gausspg.envs.batch import BatchedEnv
from gausspg.estimators.base import Batch, Estimator, Trajectories
from gausspg.learners.base import Iteration, Learner, clip_gradient
from gausspg.learners.reward_scaler import RewardScaler
from gausspg.nets import Activation, linear, mlp, values, width
from gausspg.policies.base import Policy
from gausspg.ranges import Count, NonNegative, Positive
from gausspg.returns import next_values
from gausspg.rollout import Rollout, collect_episodes, collect_steps
from gausspg.streams import Streams

# Rows on which the metrics of the policy are taken; a mean over more changes no decision.
_METRIC_ROWS = 2048


@dataclass(frozen=True)
class _Data:
    """One rollout, flattened to rows `[batch, ...]`, on the training device."""

    observations: Tensor
    targets: Tensor
    batch: Batch

    def rows(self, index: Tensor | slice) -> "_Data":
        batch = Batch(
            self.batch.latents[index], self.batch.weights[index], self.batch.log_probs[index]
        )
        return _Data(self.observations[index], self.targets[index], batch)

    def slices(self, size: int) -> Iterator["_Data"]:
        # Equal parts of about that size: a rest of a few rows would weigh as much as the others.
        number = len(self.targets)
        parts = max(1, round(number / size))
        for first, last in pairwise(number * part // parts for part in range(parts + 1)):
            # Slices are views: rows are gathered once per epoch, not once per minibatch.
            yield self.rows(slice(first, last))

    def sample(self, about: int) -> "_Data":
        # An odd stride: rows alternate between the environments, whose number is mostly even.
        return self.rows(slice(None, None, len(self.targets) // about | 1))


class OnPolicy(Learner):
    """Policy-gradient learning from the policy's own fresh data.

    With the defaults and `estimator=score_function` it is PPO; with one epoch over the whole batch
    and the estimator's extras off it is REINFORCE.

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
        critic_hidden: widths of the critic's hidden layers.
        critic_activation: of those.
        policy: trained in place.
        estimator: of the policy's gradient.
        gamma: discount per step.
        num_envs: N.
        scale_rewards: see `RewardScaler`.
        streams: the run's randomness.
        device: of policy and critic.
    """

    def __init__(
        self,
        rollout_steps: Count | None,
        epochs: Count,
        minibatch_rows: Count | None,
        lr: Positive,
        critic_lr: Positive | None,
        lr_schedule: Literal["constant", "linear"],
        max_grad_norm: Positive | None,
        entropy_coefficient: NonNegative,
        target_kl: Positive | None,
        critic_hidden: Sequence[Count],
        critic_activation: Activation,
        *,
        policy: Policy,
        estimator: Estimator,
        gamma: float,
        num_envs: int,
        scale_rewards: bool,
        streams: Streams,
        device: torch.device,
    ) -> None:
        if estimator.whole_episodes and rollout_steps is not None:
            raise ValueError(
                f"learner.rollout_steps={rollout_steps} cuts episodes and the estimator's weight "
                "needs whole ones, or a value function to stand in for the rest: set "
                "learner.rollout_steps=null or estimator.baseline=value"
            )
        self._rollout_steps, self._epochs = rollout_steps, epochs
        self._minibatch_rows = minibatch_rows
        self._lr_schedule, self._max_grad_norm = lr_schedule, max_grad_norm
        self._entropy_coefficient, self._target_kl = entropy_coefficient, target_kl
        self._policy, self._estimator = policy, estimator
        self._gamma, self._num_envs, self._streams, self._device = gamma, num_envs, streams, device
        self._scaler = RewardScaler(num_envs, gamma, scale_rewards)
        self._critic: nn.Module | None = None
        groups: list[dict[str, Any]] = [{"params": list(policy.parameters()), "lr": lr}]
        if estimator.uses_value:
            observation_dim = len(policy.normaliser.mean)
            generator = streams.torch("initialisation_critic")
            self._critic = nn.Sequential(
                mlp(observation_dim, critic_hidden, critic_activation, generator),
                linear(width(observation_dim, critic_hidden), 1, 1.0, generator),
            ).to(device)
            groups.append({"params": list(self._critic.parameters()), "lr": critic_lr or lr})
        self._optimiser = torch.optim.Adam(groups, eps=1e-5, fused=True)
        self._initial_lrs: list[float] = [group["lr"] for group in groups]

    def begin_segment(self) -> None:
        """See `Learner`."""
        self._scaler.forget_episodes()

    def iterate(self, env: BatchedEnv, iteration: int, done: float, left: int) -> Iteration:
        """See `Learner`."""
        rollout = self._collect(env, iteration, left)
        data, metrics = self._prepare(rollout)
        factor = 1.0 - done if self._lr_schedule == "linear" else 1.0
        for group, lr in zip(self._optimiser.param_groups, self._initial_lrs, strict=True):
            group["lr"] = lr * factor
        metrics |= self._update(data, iteration)
        metrics |= self._policy_metrics(data)
        metrics["train/learning_rate"] = self._initial_lrs[0] * factor
        # Only now: a rollout is gathered and learned from under one and the same normalisation.
        self._policy.normaliser.update(rollout.observations[rollout.valid].to(self._device))
        return Iteration(rollout.steps, rollout.episodes, metrics)

    def _collect(self, env: BatchedEnv, iteration: int, left: int) -> Rollout:
        generator = self._streams.torch("action_noise", iteration)
        if self._rollout_steps is not None:
            noise = self._policy.draw_noise(generator, self._rollout_steps, self._num_envs)
            # The last rollout ends with the budget, which is what "within N steps" is about.
            return collect_steps(env, self._policy, noise[: -(-left // self._num_envs)])
        self._scaler.forget_episodes()
        return collect_episodes(
            env, self._policy, lambda _: self._policy.draw_noise(generator, self._num_envs)
        )

    @torch.no_grad()
    def _prepare(self, rollout: Rollout) -> tuple[_Data, dict[str, float]]:
        """Flatten a rollout to rows, with weights, targets and the densities it was taken with."""
        ends = rollout.terminated | rollout.truncated
        observations = self._normalise(rollout.observations)
        before = self._values(observations).cpu()
        following = next_values(
            before,
            self._values(self._normalise(rollout.last_observations)).cpu(),
            rollout.terminated,
            rollout.truncated,
            self._values(self._normalise(rollout.truncated_observations)).cpu(),
        )
        rewards = self._scaler(rollout.rewards, ends, rollout.valid)
        weights, targets = self._estimator.weights(
            Trajectories(rewards, before, following, ends, rollout.valid, self._gamma)
        )
        valid = rollout.valid
        rows, latents = observations[valid.to(self._device)], rollout.latents[valid]
        latents = latents.to(self._device)
        batch = Batch(
            latents, weights[valid].to(self._device), self._policy(rows).log_prob(latents)
        )
        metrics = {"train/weight_std": float(weights[valid].std(correction=0))}
        if self._critic is not None:
            residual = (targets - before)[valid].var(correction=0)
            explained = 1.0 - residual / targets[valid].var(correction=0).clamp(min=1e-12)
            metrics["critic/explained_variance"] = float(explained)
            metrics["critic/value_mean"] = float(before[valid].mean())
        return _Data(rows, targets[valid].to(self._device), batch), metrics

    def _normalise(self, observations: Tensor) -> Tensor:
        flat: Tensor = self._policy.normaliser(observations.to(self._device))
        return flat

    def _values(self, observations: Tensor) -> Tensor:
        if self._critic is None:
            return observations.new_zeros(observations.shape[:-1])
        return values(self._critic, observations)

    def _update(self, data: _Data, iteration: int) -> dict[str, float]:
        """Take the gradient steps of one rollout."""
        number = len(data.targets)
        generator = self._streams.torch("minibatches", iteration)
        size = self._minibatch_rows or number
        sums = [0.0, 0.0, 0.0]
        count = epochs = 0
        for _ in range(self._epochs):
            epochs += 1
            order = torch.randperm(number, generator=generator).to(self._device)
            shuffled = data.rows(order) if size < number else data
            for minibatch in shuffled.slices(size):
                sums = [a + b for a, b in zip(sums, self._gradient_step(minibatch), strict=True)]
                count += 1
            if self._target_kl is not None and self._kl(data) > 1.5 * self._target_kl:
                break
        policy_norm, critic_norm, critic_loss = (total / count for total in sums)
        metrics = {"gradient/policy_norm": policy_norm, "train/epochs": float(epochs)}
        if self._critic is not None:
            metrics |= {"gradient/critic_norm": critic_norm, "critic/loss": critic_loss}
        return metrics

    def _gradient_step(self, data: _Data) -> tuple[float, float, float]:
        """One Adam step on a minibatch; returns both gradient norms and the critic's loss."""
        self._optimiser.zero_grad(set_to_none=True)
        distribution = self._policy(data.observations)
        loss = -self._estimator(distribution, data.batch).mean()
        if self._entropy_coefficient > 0.0:
            loss = loss - self._entropy_coefficient * distribution.entropy().mean()
        # The networks share no parameter, and one after the other their activations fit a cache.
        loss.backward()
        policy_norm = clip_gradient(self._policy, self._max_grad_norm, "the policy")
        critic_norm = critic_loss = 0.0
        if self._critic is not None:
            error = self._values(data.observations) - data.targets
            half_square = 0.5 * error.square().mean()
            half_square.backward()
            critic_norm = clip_gradient(self._critic, self._max_grad_norm, "the critic")
            critic_loss = float(half_square.detach())
        self._optimiser.step()
        return policy_norm, critic_norm, critic_loss

    @torch.no_grad()
    def _kl(self, data: _Data) -> float:
        sample = data.sample(_METRIC_ROWS)
        log_probs = self._policy(sample.observations).log_prob(sample.batch.latents)
        return approximate_kl(log_probs - sample.batch.log_probs)

    @torch.no_grad()
    def _policy_metrics(self, data: _Data) -> dict[str, float]:
        sample = data.sample(_METRIC_ROWS)
        distribution = self._policy(sample.observations)
        log_ratio = distribution.log_prob(sample.batch.latents) - sample.batch.log_probs
        measured = {
            f"policy/{name}": float(value)
            for name, value in distribution.metrics(sample.batch.latents).items()
        }
        measured["policy/approximate_kl"] = approximate_kl(log_ratio)
        return measured

    def state_dict(self) -> dict[str, Any]:
        """See `Learner`."""
        critic = None if self._critic is None else self._critic.state_dict()
        return {
            "critic": critic,
            "optimiser": self._optimiser.state_dict(),
            "reward_scaler": self._scaler.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Learner`."""
        if self._critic is not None:
            self._critic.load_state_dict(state["critic"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._scaler.load_state_dict(state["reward_scaler"])


def approximate_kl(log_ratio: Tensor) -> float:
    """Estimate KL(old || new) from log(new / old) at samples of old, in nats.

    The estimator E[(r - 1) - log r] is unbiased and never negative (Schulman 2020, "Approximating
    KL divergence", called k3 there).
    """
    return float((torch.expm1(log_ratio) - log_ratio).mean())
