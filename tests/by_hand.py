"""The same numbers by other roads: plain networks, and what an estimator was handed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from gausspg.estimators.base import ActionValue, Estimator
from gausspg.estimators.reparameterised import Reparameterised
from gausspg.estimators.score_function import ScoreFunction
from gausspg.policies.base import ActionDistribution

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "elu": nn.functional.elu,
    "silu": nn.functional.silu,
}


def flat(state: Mapping[str, Tensor]) -> Tensor:
    """Return a copy of all parameters of a state dict, one after the other."""
    return torch.cat([one.detach().flatten() for one in state.values()])


def unflat(values: Tensor, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict of the shapes of another, filled with `values`."""
    parts = values.split([one.numel() for one in like.values()])
    return {name: part.view_as(one) for (name, one), part in zip(like.items(), parts, strict=True)}


def action_values(
    flat: Tensor,
    copies: int,
    hidden: Sequence[int],
    activation: str,
    observations: Tensor,
    features: Tensor,
) -> Tensor:
    """Return Q of each copy, `[copies, ...]`; `flat` holds weights and biases layer by layer."""
    x = torch.cat([observations.expand(*features.shape[:-1], -1), features], -1)
    layers, position = [], 0
    for before, after in pairwise([x.shape[-1], *hidden, 1]):
        middle = position + copies * before * after
        weight = flat[position:middle].reshape(copies, before, after)
        position = middle + copies * after
        layers.append((weight, flat[middle:position].reshape(copies, after)))
    assert position == len(flat)
    values = []
    for copy in range(copies):
        y = x
        for weight, bias in layers[:-1]:
            y = ACTIVATIONS[activation](y @ weight[copy] + bias[copy])
        values.append((y @ layers[-1][0][copy] + layers[-1][1][copy]).squeeze(-1))
    return torch.stack(values)


@dataclass(frozen=True)
class FreshActions:
    """What one call of `at_fresh_actions` was given.

    Attributes:
        modes: of the actions' distribution, `[batch, latent_dim]`: which states they are.
        noise: `[K, batch, ...]`.
        values: of five actions from one corner to the other, `[5, batch]`: which critic it is.
    """

    modes: Tensor
    noise: Tensor
    values: Tensor


def spy_on_fresh_actions(patch: pytest.MonkeyPatch) -> list[FreshActions]:
    """Return a list that fills with what either estimator is given."""
    seen: list[FreshActions] = []

    def watch(kind: type[Estimator]) -> None:
        original = kind.at_fresh_actions

        def spying(
            self: Estimator, distribution: ActionDistribution, noise: Tensor, value: ActionValue
        ) -> Tensor:
            with torch.no_grad():
                modes = distribution.mode().clone()
                corners = torch.linspace(-1.0, 1.0, 5)[:, None, None].expand(5, *modes.shape)
                seen.append(FreshActions(modes, noise.clone(), value(corners).clone()))
            return original(self, distribution, noise, value)

        patch.setattr(kind, "at_fresh_actions", spying)

    watch(ScoreFunction)
    watch(Reparameterised)
    return seen
