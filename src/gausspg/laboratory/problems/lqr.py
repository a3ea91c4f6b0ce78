"""`problem=lqr`: trajectories of the linear-quadratic regulator; the gradient is known exactly."""

import torch
from torch import Tensor

from gausspg.diagnostics.rows import Forward
from gausspg.envs.lqr import LQR
from gausspg.estimators.base import Batch, Estimator, Trajectories
from gausspg.laboratory.problems.base import Draws, Problem
from gausspg.laboratory.recipe import Recipe
from gausspg.policies.base import ActionDistribution, Policy
from gausspg.policies.gaussian import SquashedNormal
from gausspg.ranges import Count, Natural, NonNegative, Positive


class LinearQuadratic(Problem):
    """J is the expected undiscounted reward of an episode of `env=lqr`; a row is one episode.

    The score function takes the rewards that follow each action, the reparameterised estimator
    differentiates through the dynamics. The policy is u = K x + noise, K a share of the optimum.

    Args:
        horizon, state_dim, action_dim, spectral_radius, action_cost, disturbance_std, system_seed:
            see `gausspg.envs.lqr.LQR`.
        gain_share: K as a share of the optimal gain.
    """

    available = frozenset({"trajectories", "dynamics"})

    def __init__(
        self,
        horizon: Count,
        state_dim: Count,
        action_dim: Count,
        spectral_radius: Positive,
        action_cost: Positive,
        disturbance_std: NonNegative,
        system_seed: Natural,
        gain_share: float,
    ) -> None:
        self._env = LQR(
            num_envs=1, normalise_observation=False, normalise_reward=False, state_dim=state_dim,
            action_dim=action_dim, horizon=horizon, spectral_radius=spectral_radius,
            action_cost=action_cost, disturbance_std=disturbance_std, system_seed=system_seed,
        )  # fmt: skip
        self.observation_dim, self.actions = state_dim, self._env.actions
        self._gain_share = gain_share

    def place(self, policy: Policy, generator: torch.Generator) -> None:
        """See `Problem`: the gain is set, and the scale does not depend on the state."""
        with torch.no_grad():
            for name, parameter in policy.named_parameters():
                if name.startswith("variance.") and name.endswith(".weight"):
                    parameter.zero_()
                elif name == "mean.weight":
                    parameter.copy_(self._gain_share * self._env.optimal_gain())

    def draw(self, recipe: Recipe, latent_dim: int, generator: torch.Generator, rows: int) -> Draws:
        """See `Problem`: initial states, disturbances, and the noise of every step's action."""
        horizon, size = self._env.max_episode_steps, self.observation_dim
        initial = torch.randn(rows, size, generator=generator)
        disturbances = torch.randn(horizon, rows, size, generator=generator)
        noise = torch.stack(
            [
                recipe.noise(lambda k, n: torch.randn(k, n, latent_dim, generator=generator), rows)
                for _ in range(horizon)
            ]
        )
        return initial, self._env.disturbance_std * disturbances, noise.squeeze(1)

    def surrogate(
        self, estimator: Estimator, forward: Forward, draws: Draws, shift: float, of_one: bool
    ) -> Tensor:
        """See `Problem`."""
        through = estimator.learning_signal == "dynamics"
        rewards, latents, distributions = self._unroll(forward, draws, through)
        ends = torch.zeros_like(rewards, dtype=torch.bool)
        ends[-1] = True
        if through:
            return estimator.along_trajectories(rewards, torch.zeros_like(rewards), ends, 1.0)
        weights = self._weights(estimator, rewards, ends)
        weights = torch.ones_like(weights) if of_one else weights - shift
        total = torch.zeros_like(rewards[0])
        for distribution, u, weight in zip(distributions, latents, weights, strict=True):
            log_probs = distribution.log_prob(u).detach()
            total = total + estimator.at_taken_actions(distribution, Batch(u, weight, log_probs))
        return total

    def values(self, forward: Forward, draws: Draws) -> Tensor:
        """See `Problem`: the rewards that follow each action."""
        rewards = self._unroll(forward, draws, False)[0]
        return rewards.flip(0).cumsum(0)

    def evaluations(self, recipe: Recipe, policy: Policy) -> int:
        """See `Problem`: steps of an episode."""
        return self._env.max_episode_steps

    def exact(self, policy: Policy) -> Tensor | None:
        """See `Problem`: Riccati-like recursions; None for a policy that is not linear."""
        gain = dict(policy.named_parameters())["mean.weight"]
        distribution = policy(torch.zeros(1, self.observation_dim, dtype=torch.float64))
        assert isinstance(distribution, SquashedNormal), "the latent u is Gaussian"
        if gain.shape[1] != self.observation_dim:
            return None
        tril = distribution.normal.scale_tril.reshape(len(gain), len(gain))
        return -self._env.cost(gain, tril @ tril.T)

    def _unroll(
        self, forward: Forward, draws: Draws, through: bool
    ) -> tuple[Tensor, list[Tensor], list[ActionDistribution]]:
        """Return rewards `[T, rows]`, latents and distributions of one episode per row."""
        state, disturbances, noise = draws
        rewards: list[Tensor] = []
        latents: list[Tensor] = []
        distributions: list[ActionDistribution] = []
        for disturbance, noise_t in zip(disturbances, noise, strict=True):
            distribution = forward(state)
            u = distribution.reparameterise(noise_t) if through else distribution.sample(noise_t)
            state, reward = self._env.step(state, distribution.action(u), disturbance)
            rewards.append(reward)
            latents.append(u)
            distributions.append(distribution)
        rewards[-1] = rewards[-1] + self._env.terminal_reward(state)
        return torch.stack(rewards), latents, distributions

    @staticmethod
    def _weights(estimator: Estimator, rewards: Tensor, ends: Tensor) -> Tensor:
        nothing = torch.zeros_like(rewards)
        valid = torch.ones_like(ends)
        trajectories = Trajectories(rewards, nothing, nothing, ends, valid, 1.0, 1.0)
        return estimator.weights(trajectories)[0]
