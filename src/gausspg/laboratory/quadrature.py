"""Exact means and variances of one-step problems, by integrating over the noise.

Nothing here runs an estimator: the gradient of a sample is written out by hand. With u = mean + L z
the score function's are f L^-T z in the mean and f tril(L^-T (z z^T - I)) in L, the pathwise ones
grad f and tril(grad f z^T); parameters follow by the chain rule from mean and L.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from gausspg.diagnostics.rows import grads_or_zeros
from gausspg.estimators.base import Estimator
from gausspg.estimators.reparameterised import Reparameterised
from gausspg.estimators.score_function import ScoreFunction
from gausspg.laboratory.estimators.measure_valued import MeasureValued
from gausspg.laboratory.recipe import Recipe
from gausspg.policies.base import Policy
from gausspg.policies.gaussian import SquashedNormal
from gausspg.policies.squash.clip_mass import ClipMass
from gausspg.policies.squash.tanh import Tanh

_REACH = 9.5
_PER_PANEL, _PER_DIMENSION = 12, 16
_MOST_DIMENSIONS = 3


class Integrand(Protocol):
    """What is asked of a problem of one step; see `gausspg.laboratory.problems.base.OneStep`."""

    panels: int
    temperature: float

    @property
    def action_dim(self) -> int:
        """n."""

    def value(self, actions: Tensor) -> Tensor:
        """Return f of actions `[..., n]`, bounded ones scaled to [-1, 1]; shape `[...]`."""

    def jumps(self) -> Sequence[float]:
        """Return where f of a single action is not smooth."""


@dataclass(frozen=True)
class _Point:
    """The policy at the one point it is measured, and nodes of the noise there.

    Attributes:
        distribution: the policy's, one row.
        tril: L, `[n, n]`.
        jacobian: of mean and L, row by row, in the trained parameters, `[n + n n, P]`.
        z: nodes, `[M, n]`; `weights`, `[M]`, sum to 1.
    """

    distribution: SquashedNormal
    tril: Tensor
    jacobian: Tensor
    z: Tensor
    weights: Tensor

    def mean_of(self, values: Tensor) -> Tensor:
        """Expectation of `[M, ...]`."""
        return torch.tensordot(self.weights, values, 1)

    def u(self, z: Tensor) -> Tensor:
        """The latents of noise `[..., n]`."""
        return self.distribution.normal.mean.detach()[0] + z @ self.tril.T


def expected(problem: Integrand, distribution: SquashedNormal) -> Tensor:
    """E f in one dimension, differentiable in the parameters of `distribution`, float64.

    The density is integrated on nodes that do not move with the parameters, so that the derivative
    is right also where f jumps.
    """
    normal = distribution.normal
    mean, std = normal.mean.detach()[0], normal.std.detach()[0]
    z, weights = _nodes(problem, distribution)
    u = mean + std * z
    with torch.no_grad():
        values = problem.value(distribution.action_features(u))
    # The weights hold the density of z already; relative to it that of u is 1 at this point.
    relative = normal.log_prob(u) - normal.log_prob(u).detach()
    return (weights * values * relative.exp()).sum()


def row_variance(problem: Integrand, policy: Policy, recipe: Recipe) -> Tensor | None:
    """Variance of the estimate of one row in each parameter, `[P]`; None if it is not known.

    Args:
        problem: with up to three dimensions.
        policy: in float64, at the point of the measurement.
        recipe: what is measured.
    """
    if problem.action_dim > _MOST_DIMENSIONS:
        return None
    point = _point(problem, policy)
    number, first = recipe.action_samples, recipe.components[0].estimator
    if isinstance(first, MeasureValued):
        if problem.action_dim > 1:
            return None
        # Its own draws and those that the entropy is sampled with are independent.
        entropy = problem.temperature * _of_entropy(point, point.z)
        centred = entropy - point.mean_of(entropy)
        sampled = point.mean_of(centred.square())
        return (_of_measure_valued(problem, point) + sampled) / number
    if recipe.leave_one_out:
        return None if problem.temperature else _of_leave_one_out(problem, point, number)
    rows = []
    for component in recipe.components:
        one = _rows(problem, point, component.estimator, component.of_one, recipe)
        if one is None:
            return None
        rows.append(one)
    joint = torch.stack(rows)
    centred = joint - torch.einsum("k,mkp->mp", point.weights, joint)[:, None]
    covariance = torch.einsum("k,ikp,jkp->ijp", point.weights, centred, centred)
    coefficients = recipe.coefficients(covariance)
    variance = (coefficients[:, None] * coefficients[None] * covariance).sum((0, 1))
    return variance / (number // 2 if recipe.antithetic else number)


def _rows(
    problem: Integrand, point: _Point, estimator: Estimator, of_one: bool, recipe: Recipe
) -> Tensor | None:
    """Gradients at every node, `[M, P]`; of a mirrored pair their mean."""

    def at(z: Tensor) -> Tensor | None:
        shift = recipe.shift
        if isinstance(estimator, ScoreFunction):
            values = torch.ones(len(z), dtype=z.dtype) if of_one else _values(problem, point, z)[0]
            if recipe.shift_by_mean:
                shift = float(point.mean_of(_values(problem, point, point.z)[0]))
            found = (values if of_one else values - shift)[:, None] * _scores(point, z)
        elif isinstance(estimator, Reparameterised):
            found = _pathwise(point, z, _values(problem, point, z)[1])
        else:
            return None
        return found if of_one else found + problem.temperature * _of_entropy(point, z)

    plain = at(point.z)
    if plain is None or not recipe.antithetic:
        return plain
    mirrored = at(-point.z)
    assert mirrored is not None, "what is known at z is known at -z"
    return 0.5 * (plain + mirrored)


def _point(problem: Integrand, policy: Policy) -> _Point:
    parameters = [p for p in policy.parameters() if p.requires_grad and p.numel()]
    distribution = policy(torch.zeros(1, 0, dtype=torch.float64))
    normal, size = distribution.normal, problem.action_dim
    tril = normal.scale_tril.reshape(size, size)
    entries = torch.cat([normal.mean[0], tril.flatten()])
    rows = [
        torch.cat([grad.flatten() for grad in grads_or_zeros(entry, parameters)])
        for entry in entries
    ]
    z, weights = _nodes(problem, distribution)
    return _Point(distribution, tril.detach(), torch.stack(rows).detach(), z, weights)


def _values(problem: Integrand, point: _Point, z: Tensor) -> tuple[Tensor, Tensor]:
    """Return f, `[M]`, and its gradient in u, `[M, n]`, at noise `z`."""
    u = point.u(z).requires_grad_()
    with torch.enable_grad():
        values = problem.value(point.distribution.action_features(u))
        if not values.requires_grad:
            return values, torch.zeros_like(u)
        return values.detach(), torch.autograd.grad(values.sum(), u)[0]


def _scores(point: _Point, z: Tensor) -> Tensor:
    size = z.shape[-1]
    inverse = torch.linalg.inv(point.tril)
    of_mean = z @ inverse
    outer = z[:, :, None] * z[:, None] - torch.eye(size, dtype=z.dtype)
    of_tril = (inverse.T @ outer).tril()
    scores = torch.cat([of_mean, of_tril.flatten(1)], 1)
    if isinstance(point.distribution.squash, ClipMass):
        scores = _given_the_action(point, z, scores)
    return scores @ point.jacobian


def _given_the_action(point: _Point, z: Tensor, scores: Tensor) -> Tensor:
    """Average one-dimensional scores over what is clipped to the same bound."""
    u = point.u(z)[:, 0]
    averaged = scores.clone()
    for clipped in (u <= -1.0, u >= 1.0):
        mass = (point.weights * clipped).sum()
        if mass > 0:
            averaged[clipped] = (point.weights * clipped) @ scores / mass
    return averaged


def _pathwise(point: _Point, z: Tensor, gradient: Tensor) -> Tensor:
    of_tril = (gradient[:, :, None] * z[:, None]).tril()
    return torch.cat([gradient, of_tril.flatten(1)], 1) @ point.jacobian


def _of_entropy(point: _Point, z: Tensor) -> Tensor:
    """Gradient of the sampled part of the entropy, `[M, P]`; what is exact has no variance."""
    squash = point.distribution.squash
    if not isinstance(squash, Tanh):
        return torch.zeros(len(z), point.jacobian.shape[1], dtype=z.dtype)
    u = point.u(z).requires_grad_()
    with torch.enable_grad():
        total = squash.log_derivative(u).sum()
    return _pathwise(point, z, torch.autograd.grad(total, u)[0])


def _of_leave_one_out(problem: Integrand, point: _Point, number: int) -> Tensor:
    """Variance of the unbiased sample covariance of score and value, which the estimate is."""
    values, scores = _values(problem, point, point.z)[0], _scores(point, point.z)
    centred = values - point.mean_of(values)
    fourth = point.mean_of((centred[:, None] * scores).square())
    covariance = point.mean_of(centred[:, None] * scores)
    product = point.mean_of(scores.square()) * point.mean_of(centred.square())
    pairs = number * (number - 1)
    return fourth / number - covariance.square() * (number - 2) / pairs + product / pairs


def _of_measure_valued(problem: Integrand, point: _Point) -> Tensor:
    """In one dimension: over W for the mean, over M and U for the scale."""
    std = float(point.tril)

    def f(z: Tensor) -> Tensor:
        return problem.value(point.distribution.action_features(point.u(z.unsqueeze(-1))))

    length, weights = _panels(0.0, _REACH, (), 400)
    rayleigh = weights * length * torch.exp(-0.5 * length.square())
    of_mean = (f(length) - f(-length)) / (std * math.sqrt(2.0 * math.pi))
    share, share_weights = _panels(0.0, 1.0, (), 8)
    maxwell = weights * length.square() * torch.exp(-0.5 * length.square()) / math.sqrt(math.tau)
    both, both_weights = torch.cat([length, -length]), torch.cat([maxwell, maxwell])
    of_std = (f(both)[:, None] - f(both[:, None] * share)) / std
    joint = both_weights[:, None] * share_weights
    variances = torch.stack([_variance(of_mean, rayleigh), _variance(of_std, joint)])
    # Mean and scale are different parameters, whose draws are independent.
    return variances @ point.jacobian.square()


def _variance(values: Tensor, weights: Tensor) -> Tensor:
    mean = (weights * values).sum()
    return (weights * (values - mean).square()).sum()


def _nodes(problem: Integrand, distribution: SquashedNormal) -> tuple[Tensor, Tensor]:
    """Nodes `[M, n]` of standard-normal noise and their weights."""
    if problem.action_dim > 1:
        return _tensor_nodes(problem.action_dim)
    normal, squash = distribution.normal, distribution.squash
    bounds = [-1.0, 1.0] if bool(squash.bounded[0]) else []
    jumps = [*problem.jumps()]
    # Where the squash maps to a jump; a place too many does no harm.
    latent = [*jumps, *(math.atanh(j) for j in jumps if abs(j) < 1.0), *bounds]
    mean, std = float(normal.mean.detach()), float(normal.std.detach())
    z, weights = _panels(-_REACH, _REACH, tuple((u - mean) / std for u in latent), problem.panels)
    density = torch.exp(-0.5 * z.square()) / math.sqrt(math.tau)
    return z[:, None], weights * density


def _panels(
    low: float, high: float, splits: tuple[float, ...], count: int
) -> tuple[Tensor, Tensor]:
    """Gauss-Legendre nodes and weights on panels that end at the splits."""
    inside = [split for split in splits if low < split < high]
    edges = torch.unique(torch.tensor([*np.linspace(low, high, count + 1), *inside]))
    x, w = (torch.from_numpy(a) for a in np.polynomial.legendre.leggauss(_PER_PANEL))
    middle, half = (edges[1:] + edges[:-1]) / 2, (edges[1:] - edges[:-1]) / 2
    return (middle[:, None] + half[:, None] * x).flatten(), (half[:, None] * w).flatten()


@lru_cache
def _tensor_nodes(size: int) -> tuple[Tensor, Tensor]:
    x, w = (torch.from_numpy(a) for a in np.polynomial.hermite_e.hermegauss(_PER_DIMENSION))
    z = torch.cartesian_prod(*[x] * size)
    weights = torch.cartesian_prod(*[w / w.sum()] * size).prod(-1)
    return z, weights
