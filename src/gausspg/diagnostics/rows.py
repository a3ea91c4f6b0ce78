"""The gradient of every row of a batch, without a loop and mostly without materialising it.

Rows do not influence each other, so one backward pass of the sum of their surrogates gives, at the
output of each linear layer, every row's own gradient d; that of the layer's weight is the outer
product of d with the layer's input x. Sums over rows of those products, and of their squares
(d^2)^T (x^2), are matrix products: mean and variance of a million rows cost one product per layer
more than an ordinary backward pass, where `torch.func.vmap` of a gradient writes every product
down, some 25 kB a row for a small network. Parameters outside linear layers are handed to the
policy once per row.

The factored second moment is that of Dangel, Kunstner & Hennig 2020, "BackPACK" (arXiv:1912.10985).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from gausspg.policies.base import ActionDistribution, Policy

Forward = Callable[[Tensor], ActionDistribution]
"""Observations `[rows, observation_dim]` -> the distribution of actions there."""


@dataclass(frozen=True)
class Factors:
    """Gradients of one parameter, row by row: those of `left`, or its outer product with `right`.

    Attributes:
        left: `[T, rows, out]`; the T parts of a row add up.
        right: `[T, rows, in]`, or None.
    """

    left: Tensor
    right: Tensor | None

    @property
    def written_down(self) -> bool:
        """Whether the rows have to be written down: products of sums do not factor."""
        return self.right is None or len(self.left) > 1

    def rows(self) -> Tensor:
        """Return the gradients themselves, `[rows, parameters]`."""
        if self.right is None:
            return self.left.sum(0) if len(self.left) > 1 else self.left[0]
        return torch.einsum("tro,tri->roi", self.left, self.right).flatten(1)


RowGradients = list[Factors]
"""One per parameter, in the order of `parameter_names`."""


def parameter_names(policy: Policy) -> list[str]:
    """Return the names of the parameters that are trained and not empty."""
    return [name for name, p in policy.named_parameters() if p.requires_grad and p.numel()]


class RowWise:
    """Evaluates a policy such that the gradient of each row can be separated.

    Args:
        policy: its linear layers, and parameters that do not mix rows, are all it may consist of.
        rows: number of them; a call of the policy has these rows, or T blocks of them.
    """

    def __init__(self, policy: Policy, rows: int) -> None:
        self._policy, self._rows = policy, rows
        self._layers = {
            name: module for name, module in policy.named_modules() if isinstance(module, nn.Linear)
        }
        inside = {f"{name}.{kind}" for name in self._layers for kind in ("weight", "bias")}
        self._own = {
            name: parameter
            for name, parameter in policy.named_parameters()
            if name not in inside and parameter.requires_grad
        }
        self._calls: dict[str, list[tuple[Tensor, Tensor]]] = {}
        self._leaves: dict[str, list[Tensor]] = {}

    def forward(self, observations: Tensor) -> ActionDistribution:
        """Return `policy(observations)`, observations `[T * rows, observation_dim]`, normalised."""
        leaves = {
            name: parameter.detach().expand(len(observations), *parameter.shape).requires_grad_()
            for name, parameter in self._own.items()
        }
        for name, leaf in leaves.items():
            self._leaves[name].append(leaf)
        distribution: ActionDistribution = functional_call(self._policy, leaves, (observations,))
        return distribution

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Remember what passes through the layers, from now on and while inside."""
        self._calls = {name: [] for name in self._layers}
        self._leaves = {name: [] for name in self._own}
        handles = [
            layer.register_forward_hook(self._remember(name))
            for name, layer in self._layers.items()
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _remember(self, name: str) -> Callable[[nn.Module, tuple[Any, ...], Tensor], None]:
        def hook(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
            del module
            self._calls[name].append((inputs[0], output))

        return hook

    def gradients(self, surrogate: Tensor) -> RowGradients:
        """Return the gradient of each row of `surrogate`, `[rows]`; zero where it has none."""
        outputs = {name: [out for _, out in calls] for name, calls in self._calls.items()}
        sources = [*outputs.values(), *self._leaves.values()]
        flat = [tensor for tensors in sources for tensor in tensors]
        grads = iter(grads_or_zeros(surrogate.sum(), flat))
        left = {
            name: self._stack([next(grads) for _ in tensors])
            for name, tensors in [*outputs.items(), *self._leaves.items()]
        }
        found: RowGradients = []
        for name in parameter_names(self._policy):
            owner, _, kind = name.rpartition(".")
            if name in self._own:
                found.append(Factors(left[name], None))
            elif kind == "bias":
                found.append(Factors(left[owner], None))
            else:
                inputs = self._stack([inp.detach() for inp, _ in self._calls[owner]])
                found.append(Factors(left[owner], inputs))
        return found

    def _stack(self, calls: list[Tensor]) -> Tensor:
        """Return what several calls saw, each of T blocks of rows, as `[all T, rows, ...]`."""
        blocks = [call.reshape(-1, self._rows, call.shape[-1]) for call in calls]
        return blocks[0] if len(blocks) == 1 else torch.cat(blocks)


def grads_or_zeros(total: Tensor, sources: Sequence[Tensor]) -> list[Tensor]:
    """Return the gradient of a scalar in each tensor, zeros where it does not depend on it."""
    if not total.requires_grad:
        return [torch.zeros_like(tensor) for tensor in sources]
    grads = torch.autograd.grad(total, sources, allow_unused=True, retain_graph=True)
    return [
        torch.zeros_like(tensor) if grad is None else grad
        for grad, tensor in zip(grads, sources, strict=True)
    ]
