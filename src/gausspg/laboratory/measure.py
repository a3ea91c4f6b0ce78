"""One measurement: many rows of one estimate, and what they say about the estimator."""

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gausspg.diagnostics.moments import Moments
from gausspg.diagnostics.rows import RowWise, parameter_names
from gausspg.laboratory.problems.base import Problem, Reference
from gausspg.laboratory.recipe import Recipe, single
from gausspg.policies.base import Policy
from gausspg.streams import Streams

_PILOT_SHARE = 10


@dataclass(frozen=True)
class Measurement:
    """What was seen of one estimator.

    Attributes:
        names: of the parameters' entries, `mean.bias.0`, P of them.
        groups: `mean` and `scale` -> which entries belong to it, `[P]`, bool.
        rows: how many estimates there were.
        mean: of an estimate, `[P]`, float64 like all of these.
        variance: of one estimate, `[P]`.
        reference: the true gradient, or the nearest to it; None where there is none.
        exact_variance: what `variance` should be, `[P]`, NaN where it is not known.
        evaluations: of f, for one estimate.
        seconds: of processor time, for one estimate.
    """

    names: list[str]
    groups: dict[str, Tensor]
    rows: int
    mean: Tensor
    variance: Tensor
    reference: Reference | None
    exact_variance: Tensor | None
    evaluations: int
    seconds: float

    @property
    def standard_error(self) -> Tensor:
        """Of `mean`, `[P]`."""
        return (self.variance / self.rows).sqrt()


def measure(
    problem: Problem, policy: Policy, recipe: Recipe, rows: int, chunk: int, streams: Streams
) -> Measurement:
    """Take `rows` estimates of the gradient at the policy's parameters, `chunk` at a time.

    Noise depends on the seed alone: two estimators with one seed and one number of actions see the
    same.
    """
    if recipe.shift_by_mean or recipe.coefficients is not single:
        recipe, coefficients = _pilot(problem, policy, recipe, rows, chunk, streams)
    else:
        coefficients = torch.ones(1, 1, dtype=torch.float64)
    moments = Moments()
    begin = time.process_time()
    for draws, count in _chunks(problem, policy, recipe, rows, chunk, streams, "action_noise"):
        _add(moments, problem, policy, recipe, draws, count)
    seconds = (time.process_time() - begin) / rows
    mean, variance = moments.combine(coefficients)
    return Measurement(
        names=entry_names(policy), groups=entry_groups(policy), rows=rows, mean=mean,
        variance=variance, reference=problem.reference(policy),
        exact_variance=problem.exact_variance(copy.deepcopy(policy).double(), recipe),
        evaluations=problem.evaluations(recipe, policy), seconds=seconds,
    )  # fmt: skip


def entry_names(policy: Policy) -> list[str]:
    """Return a name for every entry of every trained parameter."""
    parameters = dict(policy.named_parameters())
    return [
        f"{name}.{index}" for name in parameter_names(policy)
        for index in range(parameters[name].numel())
    ]  # fmt: skip


def entry_groups(policy: Policy) -> dict[str, Tensor]:
    """Tell the entries that make the scale, and those that make the mean, apart."""
    parameters = dict(policy.named_parameters())
    of_scale = torch.cat(
        [
            torch.full((parameters[name].numel(),), name.startswith("variance."))
            for name in parameter_names(policy)
        ]
    )
    groups = {"mean": ~of_scale, "scale": of_scale}
    return {name: which for name, which in groups.items() if which.any()}


def _pilot(
    problem: Problem, policy: Policy, recipe: Recipe, rows: int, chunk: int, streams: Streams
) -> tuple[Recipe, Tensor]:
    """Fit what a recipe leaves open, on rows that are not measured."""
    number = max(rows // _PILOT_SHARE, 1000)
    moments, total, seen = Moments(), 0.0, 0
    for draws, count in _chunks(problem, policy, recipe, number, chunk, streams, "pilot_noise"):
        if recipe.shift_by_mean:
            with torch.no_grad():
                values = problem.values(policy, draws)
            total, seen = total + float(values.double().sum()), seen + values.numel()
        else:
            _add(moments, problem, policy, recipe, draws, count)
    if recipe.shift_by_mean:
        return recipe.shifted(total / seen), torch.ones(1, 1, dtype=torch.float64)
    return recipe, recipe.coefficients(moments.covariance)


def _chunks(
    problem: Problem, policy: Policy, recipe: Recipe, rows: int, chunk: int, streams: Streams,
    stream: str,
) -> Iterator[tuple[tuple[Tensor, ...], int]]:  # fmt: skip
    for index, begin in enumerate(range(0, rows, chunk)):
        count = min(chunk, rows - begin)
        generator = streams.torch(stream, index)
        yield problem.draw(recipe, policy.latent_dim, generator, count), count


def _add(
    moments: Moments, problem: Problem, policy: Policy, recipe: Recipe, draws: tuple[Tensor, ...],
    rows: int,
) -> None:  # fmt: skip
    gradients = []
    for component in recipe.components:
        row_wise = RowWise(policy, rows)
        with row_wise.recording():
            surrogate = problem.surrogate(
                component.estimator, row_wise.forward, draws, recipe.shift, component.of_one
            )
            gradients.append(row_wise.gradients(surrogate))
    moments.add(gradients)
