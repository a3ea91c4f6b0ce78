"""Critics: networks that predict returns, and how they are built."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gausspg.policies.nets import linear, tanh

OutputActivation = Literal["relu", "tanh", "elu"]
"""Activations whose derivative is a function of their output."""


def _relu_derivative(gradient: Tensor, out: Tensor) -> None:
    # What autograd calls; a product with the sign takes twice as long, with a mask ten times.
    torch.ops.aten.threshold_backward.grad_input(gradient, out, 0, grad_input=gradient)


def _tanh_derivative(gradient: Tensor, out: Tensor) -> None:
    torch.ops.aten.tanh_backward.grad_input(gradient, out, grad_input=gradient)


def _elu_derivative(gradient: Tensor, out: Tensor) -> None:
    gradient.mul_(1.0 + out.clamp(max=0.0))


# The activation, and what multiplies a gradient in place by its derivative.
_ACTIVATIONS: dict[
    OutputActivation, tuple[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], None]]
] = {
    "relu": (torch.relu, _relu_derivative),
    "tanh": (tanh, _tanh_derivative),
    "elu": (nn.functional.elu, _elu_derivative),
}


class _Perceptrons(nn.Module):
    """C perceptrons with one output, in one batched matrix product per layer.

    Small networks spend more time between their operations than in them, so the gradients that
    learning asks for at every update are written out by hand instead of recorded and replayed, and
    all parameters lie in one tensor.

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
        activation: OutputActivation,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self._activate, self._derivative = _ACTIVATIONS[activation]
        self._shapes: list[tuple[int, int, int]] = []
        parts: list[Tensor] = []
        for index, (before, after) in enumerate(pairwise([inputs, *hidden, 1])):
            gain = 2.0**0.5 if index < len(hidden) else 1.0
            layers = [linear(before, after, gain, generator) for _ in range(copies)]
            self._shapes += [(copies, before, after), (copies, 1, after)]
            parts.append(torch.stack([layer.weight.detach().T for layer in layers]))
            parts.append(torch.zeros(self._shapes[-1]))
        self.flat = nn.Parameter(torch.cat([part.flatten() for part in parts]))

    def _layers(self) -> list[tuple[Tensor, Tensor]]:
        """Return weights `[C, before, after]` and biases `[C, 1, after]` of each layer."""
        parts = self.flat.split([math.prod(shape) for shape in self._shapes])
        views = [part.view(shape) for part, shape in zip(parts, self._shapes, strict=True)]
        return list(zip(views[::2], views[1::2], strict=True))

    def _activations(self, layers: list[tuple[Tensor, Tensor]], rows: Tensor) -> list[Tensor]:
        """Return what enters each layer, and what leaves the last, each `[C, rows, width]`."""
        entering = [rows.expand(self._shapes[0][0], *rows.shape)]
        for index, (weight, bias) in enumerate(layers):
            x = torch.baddbmm(bias, entering[-1], weight)
            entering.append(self._activate(x) if index < len(layers) - 1 else x)
        return entering

    @torch.no_grad()
    def _fit(self, rows: Tensor, targets: Tensor) -> Tensor:
        """Write the gradient of half the mean squared error, summed over copies; return that."""
        layers = self._layers()
        entering = self._activations(layers, rows)
        error = entering.pop() - targets.unsqueeze(-1)
        gradient = error / len(targets)
        parts: list[Tensor] = []
        for index in range(len(layers) - 1, -1, -1):
            parts += [gradient.sum(1).flatten(), (entering[index].mT @ gradient).flatten()]
            if index:
                gradient = gradient @ layers[index][0].mT
                self._derivative(gradient, entering[index])
        self.flat.grad = torch.cat(parts[::-1])
        return 0.5 * error.square().sum() / len(targets)


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
        activation: OutputActivation,
        generator: torch.Generator,
    ) -> None:
        super().__init__(1, observation_dim, hidden, activation, generator)

    def forward(self, observations: Tensor) -> Tensor:
        """Return the values of observations `[..., observation_dim]`, `[...]`."""
        rows = observations.reshape(-1, observations.shape[-1])
        return self._activations(self._layers(), rows)[-1].reshape(observations.shape[:-1])

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
        code_dim: of actions, see `ActionDistribution.encode`.
        hidden: widths of the hidden layers.
        activation: of those.
        generator: initialises the layers.
    """

    def __init__(
        self,
        copies: int,
        observation_dim: int,
        code_dim: int,
        hidden: Sequence[int],
        activation: OutputActivation,
        generator: torch.Generator,
    ) -> None:
        super().__init__(copies, observation_dim + code_dim, hidden, activation, generator)
        self._observation_dim = observation_dim

    def forward(self, observations: Tensor, codes: Tensor) -> Tensor:
        """Return the values of actions in states.

        Args:
            observations: `[batch, observation_dim]`.
            codes: `[batch, code_dim]`, or `[K, batch, code_dim]` for K actions in each state.

        Returns:
            `[C, batch]` or `[C, K, batch]`.
        """
        out = self._activations(self._layers(), _rows(observations, codes))[-1]
        return out.reshape(len(out), *codes.shape[:-1])

    def lowest(self, observations: Tensor, codes: Tensor) -> Tensor:
        """Return the least of the copies' values, `[batch]` or `[K, batch]`.

        Differentiable in `codes` alone: this trains the policy and not the critic.
        """
        value: Tensor = _Lowest.apply(codes, observations, self)
        return value

    def fit(self, observations: Tensor, codes: Tensor, targets: Tensor) -> Tensor:
        """Write the gradient of half the mean squared error, summed over copies; return that.

        Args:
            observations: `[batch, observation_dim]`.
            codes: `[batch, code_dim]`.
            targets: `[batch]`.
        """
        return self._fit(_rows(observations, codes), targets)

    @torch.no_grad()
    def lowest_and_gradient(self, observations: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Return what `lowest` does, and its gradient in `codes`, of their shape."""
        layers = self._layers()
        entering = self._activations(layers, _rows(observations, codes))
        low, index = entering.pop().squeeze(-1).min(0)
        copies = torch.arange(self._shapes[0][0], device=index.device)
        # Only the copy that is lowest passes the gradient on.
        gradient = (index == copies.unsqueeze(-1)).to(low.dtype).unsqueeze(-1)
        for layer in range(len(layers) - 1, 0, -1):
            gradient = gradient @ layers[layer][0].mT
            self._derivative(gradient, entering[layer])
        gradient = gradient @ layers[0][0][:, self._observation_dim :].mT
        return low.view(codes.shape[:-1]), gradient.sum(0).view(codes.shape)


def _rows(observations: Tensor, codes: Tensor) -> Tensor:
    """Return each action beside its state, one after the other, `[rows, both dims]`."""
    states = observations.expand(*codes.shape[:-1], observations.shape[-1])
    return torch.cat([states, codes], -1).flatten(0, -2)


class _Lowest(torch.autograd.Function):
    """`ActionValue.lowest` with the gradient taken on the way forward."""

    @staticmethod
    def forward(ctx: Any, codes: Tensor, observations: Tensor, critic: ActionValue) -> Tensor:
        if not codes.requires_grad:
            return critic(observations, codes).amin(0)
        low, gradient = critic.lowest_and_gradient(observations, codes)
        ctx.save_for_backward(gradient)
        return low

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return grads[0].unsqueeze(-1) * gradient, None, None
