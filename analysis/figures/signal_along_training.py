"""Which estimator's gradient carries more signal along a training run, and does it learn faster?

Runs with `diagnostics=gradients` estimate the gradient of the same batch by both estimators,
whichever of them trains. A row per cell: on the left, over training, the signal-to-noise ratio of
each estimator's gradient; on the right the return of training episodes.
"""

from collections.abc import Iterator

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from plotting import captions, panels, style
from plotting.drawing import Drawing
from reading.kinds import TRAININGS
from reading.outcomes import TRAINING
from reading.sweep import MissingDataError, Sweep
from stats import curves

OF = TRAININGS
METRICS = {
    "score_function": "gradient/score_function_signal_to_noise",
    "reparameterised": "gradient/reparameterised_signal_to_noise",
}
_MOST = 5  # cells


def draw(sweep: Sweep) -> Iterator[Drawing]:
    """Yield the figure; see the module.

    Raises:
        MissingDataError: no run has recorded both estimators' gradients.
    """
    words = {word: curves.binned(sweep, metric).values for word, metric in METRICS.items()}
    returns = curves.binned(sweep, TRAINING).values
    known = words["score_function"].notna().any(axis=1) & words["reparameterised"].notna().any(
        axis=1
    )
    cells = sorted(sweep.runs.loc[known, "cell"].unique())[:_MOST]
    if not cells:
        raise MissingDataError("no run has recorded the gradients of both estimators")
    colour = {word: style.colour(word) for word in METRICS}
    budgets = curves.budgets(sweep)
    figure = Figure(figsize=(style.PAGE, 0.7 + 1.5 * len(cells)))
    axes = figure.subplots(len(cells), 2, squeeze=False, sharey="col")
    found = []
    for row, cell in zip(axes, cells, strict=True):
        mine = sweep.runs["cell"] == cell
        seed, own = sweep.runs.loc[mine, "seed"], str(sweep.runs.loc[mine, "estimator"].iloc[0])
        parts = [(word, values) for word, values in words.items()]
        for ax, lines in zip(row, (parts, [(own, returns)]), strict=True):
            x = panels.scale(budgets[mine], budgets.max())
            for word, values in lines:
                named = pd.Series(word, seed.index)
                tidy = curves.lines_of(values[mine], word=named, seed=seed)
                tidy = tidy.assign(step=tidy["share"] * x.end)
                look = {"data": tidy, "x": "step", "y": "value", "color": colour[word], "ax": ax}
                sns.lineplot(**look, units="seed", estimator=None, lw=0.4, alpha=style.SEED_ALPHA)
                sns.lineplot(**look, errorbar=panels.band_limits,
                             err_kws={"alpha": style.BAND_ALPHA, "lw": 0})  # fmt: skip
                panel = "signal" if ax is row[0] else "return"
                found.append(tidy.assign(cell=cell, panel=panel))
            panels.steps_axis(ax, x, named=cell == cells[-1])
            ax.axhline(0.0, color=style.GREY, lw=0.5, zorder=0)
            ax.set_ylabel("")
        row[0].set_title(f"trained: {style.plain(cell)}")
        row[0].set_ylabel("signal-to-noise ratio")
        row[1].set_ylabel("return of training")
    data = pd.concat(found, ignore_index=True)
    for ax, panel in zip(axes[0], ("signal", "return"), strict=True):
        panels.fit_y(ax, data.loc[data["panel"] == panel, "value"])
    panels.legend(figure, colour)
    caption = captions.compose(
        sweep,
        "Left: signal-to-noise ratio of one state's gradient by either estimator on the same "
        "batches, whichever of them trains. Right: return of training episodes of the same runs.",
        captions.band(sweep),
        panels.cut_off(axes[0, 0], data.loc[data["panel"] == "signal", "value"]),
    )
    yield Drawing("signal_along_training", figure, data, caption)
