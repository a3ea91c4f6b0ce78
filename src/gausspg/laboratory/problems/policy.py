"""`problem=policy`: the policy of a recorded run, in the states that it visits."""

from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from gausspg.diagnostics.moments import Moments
from gausspg.diagnostics.rows import Forward, RowWise
from gausspg.estimators.base import Batch, Estimator, LearningSignals, Trajectories
from gausspg.estimators.reparameterised import Reparameterised
from gausspg.estimators.returns import reward_to_go
from gausspg.estimators.score_function import ScoreFunction
from gausspg.laboratory.problems.base import Draws, Problem, Reference
from gausspg.laboratory.recipe import Recipe
from gausspg.laboratory.recorded_run import RecordedRun, take_up
from gausspg.policies.base import Policy
from gausspg.ranges import Count

Returns = Literal["critic", "monte_carlo"]

_ACTIONS = 16
_ROWS = 4096
_EPISODES = 16


class RecordedPolicy(Problem):
    """The gradient with which a trained policy would go on.

    With `returns=critic` a row is one state, drawn from those that the policy visits, and
    J = E[Q(s, a)] with the run's own critic, whatever its errors. With `returns=monte_carlo` a row
    is one episode and J the sum over its steps of log pi times the discounted rewards that
    followed, divided by nothing: the score function alone can estimate it, as the environment
    cannot be differentiated.

    Neither gradient is known exactly. The reference is a mean of its own over many more samples,
    with its standard error; where it is of the other kind than what is measured, rewards and
    weights of states differ in scale, and only the angle between them (`cosine`) is reported.

    Args:
        run: run id, or the folder of a run; with its last checkpoint.
        returns: what weighs an action.
        states: visited states that rows are drawn from, about; of `returns=critic`.
        reference: of which kind the reference is; null: the same.
        reference_estimates: rows of the reference: of states, or of episodes.

    Raises:
        ValueError: there is no such run, or it has no critic of states and actions.
    """

    def __init__(
        self,
        run: str,
        returns: Returns,
        states: Count,
        reference: Returns | None,
        reference_estimates: Count,
    ) -> None:
        self._run = _take_up(run)
        self._returns, self._reference = returns, reference or returns
        self._estimates = reference_estimates
        policy = self._run.policy
        self.observation_dim = len(policy.normaliser.mean)
        generator = torch.Generator().manual_seed(0)
        per_env = -(-states // self._run.environment.num_envs)
        uses_critic = "critic" in (self._returns, self._reference)
        if uses_critic and self._run.action_value(torch.zeros(1, self.observation_dim)) is None:
            raise ValueError(
                f"problem.run={run} was trained without a critic of states and actions: set "
                "problem.returns=monte_carlo, or name a run with learner=replay or "
                "learner.critic=action_value"
            )
        observations = self._run.steps(per_env, generator).observations if uses_critic else None
        with torch.no_grad():
            self._states = (
                torch.zeros(0) if observations is None
                else policy.normaliser(observations.flatten(0, 1))
            )  # fmt: skip

    @property
    def available(self) -> LearningSignals:  # type: ignore[override]
        """See `Problem`: by what weighs an action."""
        return frozenset({"action_values" if self._returns == "critic" else "trajectories"})

    def own_policy(self) -> Policy:
        """See `Problem`."""
        return self._run.policy

    def draw(self, recipe: Recipe, latent_dim: int, generator: torch.Generator, rows: int) -> Draws:
        """See `Problem`: states and noise, or all that episodes consist of."""
        if self._returns == "monte_carlo":
            return self._episodes(rows, generator)
        chosen = torch.randint(len(self._states), (rows,), generator=generator)
        policy = self._run.policy
        noise = recipe.noise(lambda k, n: policy.draw_noise(generator, k, n), rows)
        return self._states[chosen], noise

    def surrogate(
        self, estimator: Estimator, forward: Forward, draws: Draws, shift: float, of_one: bool
    ) -> Tensor:
        """See `Problem`."""
        if self._returns == "monte_carlo":
            return self._of_episodes(estimator, forward, draws, shift, of_one)
        observations, noise = draws
        action_value = self._run.action_value(observations)
        assert action_value is not None, "looked at when it was built"

        def value(features: Tensor) -> Tensor:
            return (
                features.new_ones(features.shape[:-1]) if of_one else action_value(features) - shift
            )

        return estimator.at_fresh_actions(forward(observations), noise, value)

    @torch.no_grad()
    def values(self, forward: Forward, draws: Draws) -> Tensor:
        """See `Problem`."""
        if self._returns == "monte_carlo":
            _, _, rewards, ends, valid = draws
            nothing = torch.zeros_like(rewards)
            return reward_to_go(rewards, nothing, ends, self._run.gamma)[valid]
        observations, noise = draws
        distribution = forward(observations)
        action_value = self._run.action_value(observations)
        assert action_value is not None, "looked at when it was built"
        return action_value(distribution.action_features(distribution.sample(noise)))

    def reference(self, policy: Policy) -> Reference:
        """See `Problem`: a mean over many samples of the least variable estimator there is."""
        other = self._reference != self._returns
        moments = Moments()
        generator = torch.Generator().manual_seed(1)
        if self._reference == "monte_carlo":
            estimator: Estimator = ScoreFunction(
                "reward_to_go", "none", False, "plain", None,
                available=frozenset({"trajectories"}),
            )  # fmt: skip
            for begin in range(0, self._estimates, _EPISODES):
                rows = min(_EPISODES, self._estimates - begin)
                draws = self._episodes(rows, generator)
                row_wise = RowWise(policy, rows)
                with row_wise.recording():
                    found = self._of_episodes(estimator, row_wise.forward, draws, 0.0, False)
                    moments.add([row_wise.gradients(found)])
        else:
            estimator = Reparameterised("action_value", None)
            for begin in range(0, self._estimates, _ROWS):
                rows = min(_ROWS, self._estimates - begin)
                chosen = torch.randint(len(self._states), (rows,), generator=generator)
                states = self._states[chosen]
                noise = policy.draw_noise(generator, _ACTIONS, rows)
                action_value = self._run.action_value(states)
                assert action_value is not None, "looked at when it was built"
                row_wise = RowWise(policy, rows)
                with row_wise.recording():
                    found = estimator.at_fresh_actions(
                        row_wise.forward(states), noise, action_value
                    )
                    moments.add([row_wise.gradients(found)])
        variance = moments.covariance[0, 0] / moments.count
        return Reference(moments.mean[0], variance, up_to_scale=other)

    def _episodes(self, number: int, generator: torch.Generator) -> Draws:
        """Return observations, latents, rewards, ends and valid, `[T, episodes, ...]` each."""
        rollout = self._run.episodes(number, generator)
        with torch.no_grad():
            observations = self._run.policy.normaliser(rollout.observations)
        ends = rollout.terminated | rollout.truncated
        return observations, rollout.latents, rollout.rewards, ends, rollout.valid

    def _of_episodes(
        self, estimator: Estimator, forward: Forward, draws: Draws, shift: float, of_one: bool
    ) -> Tensor:
        observations, latents, rewards, ends, valid = draws
        nothing = torch.zeros_like(rewards)
        weights = estimator.weights(
            Trajectories(rewards, nothing, nothing, ends, valid, self._run.gamma, 1.0)
        )[0]
        weights = torch.ones_like(weights) if of_one else weights - shift
        distribution = forward(observations.flatten(0, 1))
        u = latents.flatten(0, 1)
        batch = Batch(u, weights.flatten(), distribution.log_prob(u).detach())
        each = estimator.at_taken_actions(distribution, batch).view_as(rewards)
        return torch.where(valid, each, nothing).sum(0)


@lru_cache(maxsize=1)
def _take_up(run: str) -> RecordedRun:
    # A measurement is assembled once to be checked and once to be made.
    return take_up(run)
