"""The critic of fresh data: none, V(s) or Q(s, a), asked the same questions."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from gausspg.estimators.base import ActionValue as ActionValueFunction
from gausspg.learners.critics import ActionValue, StateValue
from gausspg.learners.fresh_data import FreshData
from gausspg.policies.base import Policy
from gausspg.policies.nets import Activation

Kind = Literal["state_value", "action_value"]


class FittedCritic(nn.Module):
    """What `learner=on_policy` knows of returns besides those it has seen.

    Args:
        kind: None for no critic at all, whose values are 0.
        policy: whose returns are valued; its own normalisation, features and samples are used.
        hidden: widths of the hidden layers.
        activation: of those.
        action_samples: K, fresh actions by which Q values a state.
        generator: initialises the layers.
    """

    def __init__(
        self,
        kind: Kind | None,
        policy: Policy,
        hidden: Sequence[int],
        activation: Activation,
        action_samples: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        size = len(policy.normaliser.mean)
        self.network: StateValue | ActionValue | None = None
        if kind == "state_value":
            self.network = StateValue(size, hidden, activation, generator)
        elif kind == "action_value":
            # One copy: it is asked about actions of the very policy that it was fitted to.
            self.network = ActionValue(1, size, policy.feature_dim, hidden, activation, generator)
        self._action_samples = action_samples
        # In a list, for the policy is no part of this module.
        self._policy = [policy]

    @property
    def exists(self) -> bool:
        """Whether there is anything to fit."""
        return self.network is not None

    def draw_noise(self, generator: torch.Generator, rows: int) -> Tensor:
        """Draw the noise of K actions in each of `rows` states, on the policy's device."""
        policy = self._policy[0]
        noise = policy.draw_noise(generator, self._action_samples, rows)
        return noise.to(policy.normaliser.mean.device)

    def values(self, observations: Tensor, generator: torch.Generator) -> Tensor:
        """Return the values of states, `[...]`, on the CPU.

        Args:
            observations: `[..., observation_dim]`, normalised.
            generator: of the actions by which Q values a state.
        """
        if self.network is None:
            return torch.zeros(observations.shape[:-1])
        if isinstance(self.network, StateValue):
            return self.network(observations).cpu()
        rows = observations.flatten(0, -2)
        distribution = self._policy[0](rows)
        features = distribution.action_features(
            distribution.sample(self.draw_noise(generator, len(rows)))
        )
        values = self.network.lowest(rows, features).mean(0)
        return values.view(observations.shape[:-1]).cpu()

    def of_actions(self, observations: Tensor) -> ActionValueFunction | None:
        """Return Q at normalised observations `[batch, observation_dim]`; None without Q."""
        network = self.network
        if not isinstance(network, ActionValue):
            return None
        return lambda features: network.lowest(observations, features)

    def fit(self, data: FreshData) -> float:
        """Write the gradient of half the mean squared error and return that."""
        if isinstance(self.network, ActionValue):
            with torch.no_grad():
                features = self._policy[0](data.observations[:1]).action_features(data.latents)
            return float(self.network.fit(data.observations, features, data.targets))
        assert self.network is not None, "there is a critic to fit"
        return float(self.network.fit(data.observations, data.targets))
