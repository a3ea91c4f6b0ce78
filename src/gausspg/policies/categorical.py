"""`policy=categorical`: a softmax over discrete actions, the contrast to the Gaussian policies."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gausspg.policies.actions import DiscreteActions
from gausspg.policies.base import ActionDistribution, Policy
from gausspg.policies.nets import Activation, linear, mlp, width
from gausspg.policies.normaliser import Normaliser
from gausspg.ranges import Count, Positive


class Categorical(ActionDistribution):
    """Actions 0 .. n-1; u is the action's index, `[batch, 1]`.

    Args:
        logits: `[batch, n]`.
    """

    def __init__(self, logits: Tensor) -> None:
        self._log_probs = torch.log_softmax(logits, dim=-1)

    def sample(self, noise: Tensor) -> Tensor:
        """See `ActionDistribution`: the Gumbel-max trick on Gumbel noise `[batch, n]`."""
        with torch.no_grad():
            return (self._log_probs + noise).argmax(-1, keepdim=True).float()

    def mode(self) -> Tensor:
        """See `ActionDistribution`."""
        return self._log_probs.argmax(-1, keepdim=True).float()

    def action(self, u: Tensor) -> Tensor:
        """See `ActionDistribution`: the index as an integer, `[batch]`."""
        return u.squeeze(-1).long()

    def action_features(self, u: Tensor) -> Tensor:
        """See `ActionDistribution`: one-hot, `[..., n]`."""
        number = self._log_probs.shape[-1]
        return torch.nn.functional.one_hot(self.action(u), number).to(self._log_probs.dtype)

    def log_prob(self, u: Tensor) -> Tensor:
        """See `ActionDistribution`."""
        # gather does not broadcast, and there may be several u in each state.
        log_probs = self._log_probs.expand(*u.shape[:-1], -1)
        return log_probs.gather(-1, u.long()).squeeze(-1)

    def entropy(self) -> Tensor:
        """See `ActionDistribution`."""
        return -(self._log_probs.exp() * self._log_probs).sum(-1)

    def metrics(self, u: Tensor) -> dict[str, Tensor]:
        """See `ActionDistribution`."""
        del u
        return {
            "entropy": self.entropy().mean(),
            "largest_probability": self._log_probs.amax(-1).exp().mean(),
        }


class CategoricalPolicy(Policy):
    """Softmax policy over a network's logits.

    Args:
        hidden: widths of the hidden layers; an empty list makes the logits linear.
        activation: of the hidden layers.
        logits_gain: scale of the last layer's initial weights; 0.01 starts near uniform.
        normaliser: of the observations.
        actions: n of them.
        generator: initialises the layers.
    """

    actions_type = DiscreteActions

    def __init__(
        self,
        hidden: Sequence[Count],
        activation: Activation,
        logits_gain: Positive,
        *,
        normaliser: Normaliser,
        actions: DiscreteActions,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        observation_dim = len(normaliser.mean)
        self.normaliser = normaliser
        self.trunk = mlp(observation_dim, hidden, activation, generator)
        features = width(observation_dim, hidden)
        self.logits = linear(features, actions.number, logits_gain, generator)
        self.latent_dim, self.feature_dim = 1, actions.number
        # Half of the largest there is; the rule for Gaussian policies has no meaning here.
        self.usual_target_entropy = 0.5 * math.log(actions.number)

    def forward(self, observations: Tensor) -> Categorical:
        """See `Policy`."""
        return Categorical(self.logits(self.trunk(observations)))

    def draw_noise(self, generator: torch.Generator, *batch: int) -> Tensor:
        """See `Policy`: standard Gumbel, `[*batch, n]`."""
        exponential = torch.empty(*batch, self.feature_dim).exponential_(generator=generator)
        return -exponential.log()
