"""What a measurement says, as numbers with names: metrics of a run, columns of a table."""

import math

import torch
from torch import Tensor

from gausspg.laboratory.measure import Measurement

_FEW = 12
"""Parameters up to which each has metrics of its own; all of them are in the table of a run."""


def metrics(found: Measurement) -> dict[str, float]:
    """Return the metrics of a measurement by full name; what is not known is left out.

    `gradient/variance` is the trace of the covariance of one estimate, `..._of_mean` and
    `..._of_scale` its parts, and so on. `gradient/signal_to_noise` is |g|^2 / variance (Roberts &
    Tedrake 2009) with g the true gradient where it is known, else without bias from the estimates;
    its inverse is how many estimates have a signal-to-noise ratio of 1, and times what one costs it
    gives `gradient/evaluations_to_unit_signal_to_noise` and `time/seconds_to_...`.
    """
    everything = torch.ones(len(found.names), dtype=torch.bool)
    numbers: dict[str, float] = {}
    for suffix, which in {"": everything, **_suffixed(found.groups)}.items():
        numbers |= {f"gradient/{key}{suffix}": x for key, x in _of(found, which).items()}
    ratio = numbers["gradient/signal_to_noise"]
    numbers |= {
        "gradient/evaluations": float(found.evaluations),
        "gradient/estimates": float(found.rows),
        "time/nanoseconds_per_estimate": 1e9 * found.seconds,
    }
    if ratio > 0.0:
        numbers["gradient/evaluations_to_unit_signal_to_noise"] = found.evaluations / ratio
        numbers["time/seconds_to_unit_signal_to_noise"] = found.seconds / ratio
    if len(found.names) <= _FEW:
        for key, column in columns(found).items():
            numbers |= {
                f"parameter/{name}/{key}": x for name, x in zip(found.names, column, strict=True)
            }
    return {name: x for name, x in numbers.items() if math.isfinite(x)}


def columns(found: Measurement) -> dict[str, list[float]]:
    """Return what is known of each of `found.names`, by heading."""
    table = {
        "estimate": found.mean.tolist(),
        "standard_error": found.standard_error.tolist(),
    }
    if found.reference is not None and not found.reference.up_to_scale:
        table["true"] = found.reference.gradient.tolist()
        table["bias_in_standard_errors"] = _in_standard_errors(found).tolist()
    table["variance"] = found.variance.tolist()
    if found.exact_variance is not None:
        table["exact_variance"] = found.exact_variance.tolist()
    return table


def _suffixed(groups: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"_of_{name}": which for name, which in groups.items()}


def _of(found: Measurement, which: Tensor) -> dict[str, float]:
    mean, variance = found.mean[which], found.variance[which]
    trace = float(variance.sum())
    # Of the estimates alone: what noise adds to the square of their mean is taken off.
    signal = float(mean.square().sum()) - trace / found.rows
    numbers = {"estimate_norm": float(mean.norm()), "variance": trace}
    if found.reference is not None:
        true = found.reference.gradient[which]
        norms = float(mean.norm() * true.norm())
        if norms > 0.0:
            numbers["cosine"] = float(mean @ true) / norms
        if not found.reference.up_to_scale:
            signal = float(true.square().sum() - found.reference.variance[which].sum())
            numbers |= {
                "true_norm": float(true.norm()),
                "bias_norm": float((mean - true).norm()),
                "bias_in_standard_errors": float(_in_standard_errors(found)[which].abs().max()),
            }
    if found.exact_variance is not None:
        numbers["exact_variance"] = float(found.exact_variance[which].sum())
    numbers["signal_to_noise"] = signal / trace if trace > 0.0 else math.inf
    return numbers


def _in_standard_errors(found: Measurement) -> Tensor:
    """Distance of each parameter's mean from the truth; 0 where rounding explains it."""
    assert found.reference is not None, "there is something to compare with"
    distance = found.mean - found.reference.gradient
    error = (found.variance / found.rows + found.reference.variance).sqrt()
    # Estimates are of float32: without noise they still differ from the truth in the last digits.
    rounding = 1e-6 * (found.reference.gradient.abs() + found.variance.sqrt())
    distance = torch.where(distance.abs() <= rounding, torch.zeros_like(distance), distance)
    return distance / torch.maximum(error, rounding.clamp(min=1e-30))
