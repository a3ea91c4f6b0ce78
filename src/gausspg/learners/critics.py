"""Critics: networks that predict returns, and how they are built."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from gausspg.policies.nets import Activation, activation_layer, linear


class _Perceptrons(nn.Module):
    """C perceptrons with one output, in one batched matrix product per layer.

    This is no longer to read than separate networks, and takes 1 to 2% off an update from replay
    (`analysis/benchmarks/updates.py`).

    Args:
        copies: C, each with its own initial weights.
        inputs: entries of a row.
        hidden: widths of the hidden layers.
        activation: of those.
        generator: initialises the layers.
    """

    def __init__(
        self,
        copies: int,
        inputs: int,
        hidden: Sequence[int],
        activation: Activation,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self._activate = activation_layer(activation)
        # Weight `[C, before, after]` and bias `[C, 1, after]` of one layer after the other.
        self.layers = nn.ParameterList()
        for index, (before, after) in enumerate(pairwise([inputs, *hidden, 1])):
            gain = 2.0**0.5 if index < len(hidden) else 1.0
            drawn = [linear(before, after, gain, generator) for _ in range(copies)]
            self.layers.append(torch.stack([layer.weight.detach().T for layer in drawn]))
            self.layers.append(torch.zeros(copies, 1, after))

    def _values(self, rows: Tensor, frozen: bool = False) -> Tensor:
        """Return `[C, rows]`; with `frozen`, no gradient reaches the parameters."""
        layers = [layer.detach() if frozen else layer for layer in self.layers]
        x = rows.expand(len(layers[0]), *rows.shape)
        for index in range(0, len(layers), 2):
            x = torch.baddbmm(layers[index + 1], x, layers[index])
            if index < len(layers) - 2:
                x = self._activate(x)
        return x.squeeze(-1)

    def _fit(self, rows: Tensor, targets: Tensor) -> Tensor:
        """Write the gradient of half the mean squared error, summed over copies; return that."""
        loss = 0.5 * (self._values(rows) - targets).square().sum() / len(targets)
        for parameter in self.parameters():
            parameter.grad = None
        loss.backward()
        return loss.detach()


class StateValue(_Perceptrons):
    """V(s).

    Args:
        observation_dim: of normalised observations.
        hidden: widths of the hidden layers.
        activation: of those.
        generator: initialises the layers.
    """

    def __init__(
        self,
        observation_dim: int,
        hidden: Sequence[int],
        activation: Activation,
        generator: torch.Generator,
    ) -> None:
        super().__init__(1, observation_dim, hidden, activation, generator)

    def forward(self, observations: Tensor) -> Tensor:
        """Return the values of observations `[..., observation_dim]`, `[...]`."""
        rows = observations.reshape(-1, observations.shape[-1])
        return self._values(rows).reshape(observations.shape[:-1])

    def fit(self, observations: Tensor, targets: Tensor) -> Tensor:
        """Write the gradient of half the mean squared error to the parameters'; return that.

        Args:
            observations: `[batch, observation_dim]`.
            targets: `[batch]`.
        """
        return self._fit(observations, targets)


class ActionValue(_Perceptrons):
    """Q(s, a), several copies of it.

    Args:
        copies: C, each with its own initial weights.
        observation_dim: of normalised observations.
        feature_dim: of actions, see `ActionDistribution.action_features`.
        hidden: widths of the hidden layers.
        activation: of those.
        generator: initialises the layers.
    """

    def __init__(
        self,
        copies: int,
        observation_dim: int,
        feature_dim: int,
        hidden: Sequence[int],
        activation: Activation,
        generator: torch.Generator,
    ) -> None:
        super().__init__(copies, observation_dim + feature_dim, hidden, activation, generator)

    def forward(self, observations: Tensor, features: Tensor) -> Tensor:
        """Return the values of actions in states.

        Args:
            observations: `[batch, observation_dim]`.
            features: of actions, `[batch, feature_dim]`, or `[K, batch, feature_dim]` for K in each
                state.

        Returns:
            `[C, batch]` or `[C, K, batch]`.
        """
        values = self._values(_rows(observations, features))
        return values.reshape(len(values), *features.shape[:-1])

    def lowest(self, observations: Tensor, features: Tensor) -> Tensor:
        """Return the least of the copies' values, `[batch]` or `[K, batch]`.

        Differentiable in `features` and not in the parameters: this trains the policy alone.
        """
        values = self._values(_rows(observations, features), frozen=True)
        return values.amin(0).view(features.shape[:-1])

    def fit(self, observations: Tensor, features: Tensor, targets: Tensor) -> Tensor:
        """Write the gradient of half the mean squared error, summed over copies; return that.

        Args:
            observations: `[batch, observation_dim]`.
            features: `[batch, feature_dim]`.
            targets: `[batch]`.
        """
        return self._fit(_rows(observations, features), targets)


def _rows(observations: Tensor, features: Tensor) -> Tensor:
    """Return each action beside its state, one after the other, `[rows, both dims]`."""
    states = observations.expand(*features.shape[:-1], observations.shape[-1])
    return torch.cat([states, features], -1).flatten(0, -2)
