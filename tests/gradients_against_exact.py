"""Every right estimator of the laboratory against the exact mean and variance: a script.

    PYTHONPATH=src:tests python tests/gradients_against_exact.py [--rows 4_000_000] [PROBLEM ...]

Prints one line per combination and leaves with status 1 if a mean is further than 4 standard errors
from the truth, or a variance further than 2% from the exact one, times sqrt(4 million / rows).
Combinations that are refused are left out. What is known to be biased is told apart: the pathwise
estimator of a problem with a jump has to be off by more than 10 standard errors.
"""

import argparse
import sys

import torch

from gausspg.laboratory.measure import Measurement
from laboratory.measuring import PROBLEMS, RIGHT, measurement, variants

# A pathwise gradient never sees a jump, and a mixture with one inherits that.
BIASED = {("heaviside", "reparameterised"), ("heaviside", "mixture")}
DEAR = {"logistic_regression": 200, "lqr": 10}
"""Problems of which a row costs much more: so many times fewer."""


def distances(found: Measurement) -> tuple[float, float | None]:
    """Return the largest bias in standard errors and the largest relative error of a variance.

    The second is None where no variance is known.
    """
    assert found.reference is not None
    distance = found.mean - found.reference.gradient
    # Of float32 sums: without noise the last digits still differ.
    distance[distance.abs() < 1e-6 * (1.0 + found.reference.gradient.abs())] = 0.0
    bias = float((distance / found.standard_error.clamp(min=1e-9)).abs().max())
    if found.exact_variance is None:
        return bias, None
    known = ~found.exact_variance.isnan()
    exact, seen = found.exact_variance[known], found.variance[known]
    scale = exact.clamp(min=1e-9 * (1.0 + float(found.reference.gradient.abs().max())))
    return bias, float(((seen - exact) / scale).abs().max())


def main() -> int:
    """Measure everything; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("problems", nargs="*", default=PROBLEMS)
    parser.add_argument("--rows", type=int, default=4_000_000)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    missed = made = 0
    for problem in chosen.problems:
        rows = chosen.rows // DEAR.get(problem, 1)
        tolerance = 0.02 * (4_000_000 / rows) ** 0.5
        for estimator in RIGHT:
            for words, settings in variants(problem, estimator):
                bias, error = distances(measurement(settings, rows))
                biased = (problem, estimator) in BIASED
                good = bias > 10.0 if biased else bias <= 4.0 and (error or 0.0) <= tolerance
                made, missed = made + 1, missed + (not good)
                verdict = ("biased, as known" if biased else "") if good else "MISSED"
                told = "unknown" if error is None else f"off by {100 * error:.2f}%"
                line = f"bias {bias:10.3g} SE   variance {told:14} {verdict}"
                print(f"{words:88} {line}".rstrip(), flush=True)
    print(f"{made - missed} of {made} are as they should be, {chosen.rows:,} rows")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
