"""How much signal do the policy's gradients carry, and whose are the noisier?

One figure per varied axis: over training, the variance of the minibatch gradients within an
iteration and their signal-to-noise ratio |E g|^2 / V, a line per word. Compare words by the ratio:
a variance is in the units of the parameters and of the surrogate, which differ between
parametrisations, estimators and learners, and both are of the minibatch size of the run. A ratio
of 1/n means that n such minibatches have to be averaged before signal and noise are level.
"""

from collections.abc import Iterator

from plotting import style
from plotting.curve_pooling import Panel, pooled_drawing
from plotting.drawing import Drawing
from reading.kinds import TRAININGS
from reading.study import Study
from stats import curves, designs

OF = TRAININGS

VARIANCE, RATIO = "gradient/policy_variance", "gradient/policy_signal_to_noise"
_LINEAR_BELOW = 0.01


def draw(study: Study) -> Iterator[Drawing]:
    """Yield a figure per varied axis; see the module.

    Raises:
        MissingDataError: no run has recorded how far its gradients agree.
    """
    for place, part in designs.parts(study):
        variance = curves.binned(part, VARIANCE, logarithm=True)
        ratio = curves.binned(part, RATIO)
        panels = [
            Panel(style.label(VARIANCE), VARIANCE, variance, part.runs),
            Panel(style.label(RATIO), RATIO, ratio, part.runs, symlog=_LINEAR_BELOW),
        ]
        for name, column in curves.lines(part):
            sentences = _sentences(column)
            yield pooled_drawing(f"gradient{name}{place}", part, column, panels, *sentences)


def _sentences(column: str) -> Iterator[str]:
    yield (
        "Variance (trace of the covariance) of the policy's minibatch gradients within an "
        "iteration, and signal-to-noise ratio of those gradients."
    )
    if column != "cell":
        yield (
            "Means (of the variance, geometric ones) over the cells of the other axes, then over "
            f"seeds, by {column}."
        )
    yield (
        "Both are of minibatches of the run's own size. Between parametrisations or learners only "
        "the ratios compare, as variances have different units."
    )
    yield (
        "The estimate of a ratio can be negative where there is little signal, and the parameters "
        "move between the gradients that it compares, which counts as noise; its axis is linear "
        f"within {_LINEAR_BELOW:g} of the zero line, logarithmic beyond."
    )
