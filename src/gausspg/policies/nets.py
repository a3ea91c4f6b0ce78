"""Multilayer perceptrons, initialised from a given generator."""

import warnings
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import nn

Activation = Literal["tanh", "relu", "elu", "silu"]

_ACTIVATIONS: dict[Activation, type[nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "elu": nn.ELU,
    "silu": nn.SiLU,
}


def activation_layer(name: Activation) -> nn.Module:
    """Return the layer of an activation by its word."""
    return _ACTIVATIONS[name]()


def linear(inputs: int, outputs: int, gain: float, generator: torch.Generator) -> nn.Linear:
    """Return a linear layer with an orthogonal weight scaled by `gain` and a zero bias."""
    # The weights torch draws by itself come from its global generator and are thrown away:
    # skip_init spends no randomness that is not ours.
    with warnings.catch_warnings():
        # A policy without a state has layers of a bias alone, of which torch warns.
        warnings.filterwarnings("ignore", "Initializing zero-element tensors")
        layer = nn.utils.skip_init(nn.Linear, inputs, outputs)
    assert isinstance(layer, nn.Linear)
    if inputs:
        nn.init.orthogonal_(layer.weight, gain, generator=generator)
    nn.init.zeros_(layer.bias)
    return layer


def mlp(
    inputs: int, hidden: Sequence[int], activation: Activation, generator: torch.Generator
) -> nn.Sequential:
    """Return the hidden layers of a network, `[batch, inputs] -> [batch, hidden[-1]]`.

    With no hidden layer it is the identity, so that a head on top of it is a linear function of
    the observation. Gain sqrt(2) is the usual one of policy-gradient code (Andrychowicz et al.
    2020, arXiv:2006.05990, appendix B.7 found no clear difference between such choices).
    """
    layers: list[nn.Module] = []
    for before, after in pairwise([inputs, *hidden]):
        layers += [linear(before, after, 2.0**0.5, generator), activation_layer(activation)]
    return nn.Sequential(*layers)


def width(inputs: int, hidden: Sequence[int]) -> int:
    """Return the number of features that `mlp(inputs, hidden, ...)` gives out."""
    return hidden[-1] if hidden else inputs
