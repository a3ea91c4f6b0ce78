"""Which estimator's gradient carries more signal along a training run?

Runs with `diagnostics=gradients` estimate the gradient of the same batch by both estimators,
whichever of them trains: one panel per cell, over training, of the signal-to-noise ratio |E g|^2 /
V of each. Where the lines cross, the other estimator would have been the better one to train with.
"""

import math
from collections.abc import Iterator

import pandas as pd
from matplotlib.figure import Figure

from plotting import captions, curve_panels, style
from plotting.drawing import Drawing
from reading.kinds import TRAININGS
from reading.study import MissingDataError, Study
from stats import curves

OF = TRAININGS
METRICS = {
    "score_function": "gradient/score_function_signal_to_noise",
    "reparameterised": "gradient/reparameterised_signal_to_noise",
}
_LINEAR_BELOW, _PER_ROW, _HEIGHT = 0.01, 3, 1.4


def draw(study: Study) -> Iterator[Drawing]:
    """Yield the figure; see the module.

    Raises:
        MissingDataError: no run has recorded both estimators' gradients.
    """
    binned = {word: curves.binned(study, metric) for word, metric in METRICS.items()}
    cells = [cell for cell in study.cells if _known(study, binned, cell)]
    if not cells:
        raise MissingDataError("no run has recorded the gradients of both estimators")
    down = math.ceil(len(cells) / _PER_ROW)
    across = math.ceil(len(cells) / down)
    figure = Figure(figsize=(style.PAGE, 0.7 + _HEIGHT * down))
    axes = list(figure.subplots(down, across, squeeze=False, sharey=True).flat)
    colours = {word: style.colour(word) for word in METRICS}
    largest = int(curves.budgets(study).max())
    found, dashed = [], False
    for number, (ax, cell) in enumerate(zip(axes, cells, strict=False)):
        summary = _summary(study, binned, cell)
        runs = study.runs["cell"] == cell
        x = curve_panels.scale(curves.budgets(study)[runs], largest)
        dashed |= curve_panels.draw_lines(ax, summary, x, colours)
        curve_panels.title(ax, cell, style.PAGE / across)
        curve_panels.steps_axis(ax, x, lowest=number + across >= len(cells))
        found.append(summary.assign(cell=cell))
    data = pd.concat(found, ignore_index=True)
    for ax in axes[: len(cells)]:
        ax.set_yscale("symlog", linthresh=_LINEAR_BELOW, linscale=0.5)
        ax.axhline(0.0, color=style.GREY, lw=0.6, zorder=0)
    curve_panels.fit_y(axes[0], data["value"])
    axes[0].yaxis.set_major_formatter(curve_panels.plain())
    for ax in axes[len(cells) :]:
        ax.set_axis_off()
    for ax in axes[::across]:
        ax.set_ylabel("signal-to-noise ratio")
    curve_panels.legend(figure, colours)
    cut = curve_panels.cut_off(axes[0], data["value"])
    unusable = sum(each.unusable for each in binned.values())
    caption = captions.compose(
        study,
        "Signal-to-noise ratio of the gradients of both estimators on the same batches, whichever "
        f"of them trains, a panel per cell. The axis is linear within {_LINEAR_BELOW:g} of zero.",
        curve_panels.explain(data, ["cell", "word"], dashed, unusable, [cut]),
    )
    yield Drawing("both_estimators", figure, data, caption)


def _known(study: Study, binned: dict[str, curves.Binned], cell: str) -> bool:
    runs = study.runs["cell"] == cell
    return all(each.values[runs].notna().any(axis=None) for each in binned.values())


def _summary(study: Study, binned: dict[str, curves.Binned], cell: str) -> pd.DataFrame:
    runs = study.runs["cell"] == cell
    parts = []
    for word, each in binned.items():
        values = each.values[runs]
        words = pd.Series(word, values.index, dtype=object)
        parts.append(curves.summarise(values, words, words, study.runs["seed"]))
    return pd.concat(parts, ignore_index=True)
