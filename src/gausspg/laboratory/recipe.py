"""What is measured: one estimator, or a combination of gradients taken on the same noise.

The estimators are those that train. Around them stand the classical helpers: baselines, mirrored
noise, and mixtures of two estimators. A combination is linear, with coefficients per parameter that
are fitted on a pilot of rows of its own, so that they do not depend on the rows they weigh.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from gausspg.estimators.base import Estimator
from gausspg.laboratory.estimators.base import LaboratoryEstimator
from gausspg.training.build import SettingsError

Baseline = Literal["none", "constant", "mean", "optimal", "leave_one_out"]
Coefficients = Callable[[Tensor], Tensor]
"""Covariance of m gradients of one row, `[m, m, P]` -> how each counts, `[m, P]` or `[m, 1]`."""


@dataclass(frozen=True)
class Component:
    """One gradient: an estimator's, of the problem's value or of the number 1 in its place."""

    estimator: Estimator
    of_one: bool = False


@dataclass(frozen=True)
class Recipe:
    """How a row's estimate is made.

    Attributes:
        components: the gradients it is made of.
        coefficients: how each counts, from a pilot.
        action_samples: K, actions per row; the estimate is their mean.
        noises: standard-normal vectors that one action consumes.
        antithetic: every second action is made of the noise before it with its sign turned.
        shift: subtracted from every value; the pilot's mean value if `shift_by_mean`.
        shift_by_mean: see there.
        leave_one_out: the estimator takes the mean of a row's other values off each.
    """

    components: Sequence[Component]
    coefficients: Coefficients
    action_samples: int
    noises: int = 1
    antithetic: bool = False
    shift: float = 0.0
    shift_by_mean: bool = False
    leave_one_out: bool = False

    def noise(self, normal: Callable[..., Tensor], rows: int) -> Tensor:
        """Return the noise of a chunk, `[K * noises, rows, ...]`.

        Args:
            normal: gives standard-normal noise `[*shape, latent_dim]` for a shape.
            rows: of the chunk.
        """
        if not self.antithetic:
            return normal(self.action_samples * self.noises, rows)
        drawn = normal(self.action_samples // 2, rows)
        return torch.stack([drawn, -drawn], 1).flatten(0, 1)

    def shifted(self, shift: float) -> "Recipe":
        """Return the same with a number where the pilot's mean value was asked for."""
        return replace(self, shift=shift, shift_by_mean=False)


def single(covariance: Tensor) -> Tensor:
    """Coefficient of a single gradient: it counts once."""
    del covariance
    return torch.ones(1, 1, dtype=torch.float64)


def least_variance_baseline(covariance: Tensor) -> Tensor:
    """Coefficients of gradients (f s, s) with the score s: 1 and -b, b = E[f s^2] / E[s^2].

    One b for each parameter makes the variance of (f - b) s least (Greensmith, Bartlett & Baxter
    2004, theorem 8, where it is one for all of them).
    """
    baseline = covariance[0, 1] / covariance[1, 1].clamp(min=torch.finfo(torch.float64).tiny)
    return torch.stack([torch.ones_like(baseline), -baseline])


def inverse_variance(covariance: Tensor) -> Tensor:
    """Coefficients of unbiased gradients: inverse to their variances, summing to 1.

    Parmas et al. 2018 (arXiv:1902.01240), section 4. It leaves the gradients' covariance out.
    """
    variances = torch.diagonal(covariance, dim1=0, dim2=1).T
    # A gradient that never varies is exact: it gets the whole weight, or its share of it.
    precision = 1.0 / variances.clamp(min=torch.finfo(torch.float32).tiny)
    return precision / precision.sum(0)


def recipe_of(
    estimator: Estimator,
    baseline: Baseline | None,
    baseline_value: float | None,
    action_samples: int,
    antithetic: bool,
) -> Recipe:
    """Choose the recipe that the settings of a measurement describe.

    Raises:
        SettingsError: a setting would have no effect, or does not go with another.
    """
    parts: Sequence[Estimator] = (estimator,)
    noises, scores = 1, not estimator.differentiates_samples
    if isinstance(estimator, LaboratoryEstimator):
        parts, noises = estimator.parts, estimator.noises_per_action
        scores = estimator.weighs_scores
    _refuse(scores, baseline, baseline_value, action_samples, antithetic, noises)
    components = [Component(part) for part in parts]
    coefficients: Coefficients = single if len(parts) == 1 else inverse_variance
    if baseline == "optimal":
        components.append(Component(estimator, of_one=True))
        coefficients = least_variance_baseline
    return Recipe(
        components, coefficients, action_samples, noises, antithetic,
        shift=baseline_value or 0.0, shift_by_mean=baseline == "mean",
        leave_one_out=baseline == "leave_one_out",
    )  # fmt: skip


def _refuse(
    scores: bool,
    baseline: Baseline | None,
    baseline_value: float | None,
    action_samples: int,
    antithetic: bool,
    noises: int,
) -> None:
    if not scores and baseline not in (None, "none"):
        raise SettingsError(
            f"baseline={baseline} has no effect on an estimator that does not weigh a score with "
            "values: leave it null"
        )
    if (baseline == "constant") != (baseline_value is not None):
        raise SettingsError(
            f"baseline={baseline} and baseline_value={baseline_value} do not go together: a value "
            "is for baseline=constant, which needs one"
        )
    if antithetic and (noises > 1 or action_samples % 2):
        raise SettingsError(
            f"noise=antithetic mirrors the noise of every second action, and there are "
            f"action_samples={action_samples} with {noises} noises each: set an even number, and "
            "an estimator that consumes one"
        )
    if antithetic and baseline == "leave_one_out":
        raise SettingsError(
            "noise=antithetic and baseline=leave_one_out do not go together, which takes the other "
            "actions for independent: set one of them off"
        )
