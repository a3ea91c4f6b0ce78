"""Does a gradient with more signal buy faster learning?

A point per environment, bound and kind of data: how many times the signal-to-noise ratio of the
gradient through the sample is that of the score function's, both taken on the same batch, against
how much more is learned with it (mean return during training, normalised). If signal were speed the
points would climb to the right; in the grey band the difference is too small to matter.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from plotting import captions, panels, style
from plotting.drawing import Drawing
from reading.kinds import STUDIES
from reading.outcomes import LEARNING
from reading.preregistration import Contrast
from reading.study import Study
from reading.sweep import MissingDataError
from stats.estimates import mean_interval
from stats.verdicts import compared

OF = STUDIES
_METRICS = ("gradient/reparameterised_signal_to_noise", "gradient/score_function_signal_to_noise")
_MARKERS = "osD^vPX*"
_COLUMNS = ["environment", "squash", "learner", "seeds", "ratio", "ratio_low", "ratio_high",
            "difference", "low", "high"]  # fmt: skip
_CONTRAST = Contrast(title="estimators", plus=({"estimator": "reparameterised"},),
                     minus=({"estimator": "score_function"},))  # fmt: skip


def draw(study: Study) -> Iterator[Drawing]:
    """Yield the figure.

    Raises:
        MissingDataError: no run with both estimators has recorded their signal.
    """
    data = _data(study)
    if data.empty:
        raise MissingDataError("no cell was trained by both estimators with diagnostics=gradients")
    margin = study.plan.smallest_difference
    figure = Figure(figsize=(style.COLUMN + 1.6, 3.0))
    ax = figure.subplots()
    ax.axhspan(-margin, margin, color="0.88", lw=0, zorder=0)
    ax.axhline(0.0, color="0.6", lw=0.6, zorder=1)
    ax.axvline(1.0, color="0.6", lw=0.6, zorder=1)
    titles = study.titles()
    for number, (environment, mine) in enumerate(data.groupby("environment", sort=False)):
        for row in mine.to_dict("records"):
            hue = style.colour(row["squash"])
            face = hue if row["learner"] == "on_policy" else "white"
            source = "fresh" if row["learner"] == "on_policy" else "replay"
            label = f"{titles[str(environment)]}, {row['squash']}, {source}"
            ax.plot(row["ratio"], row["difference"], _MARKERS[number % 8], ms=5, color=hue,
                    mfc=face, label=label, zorder=3)  # fmt: skip
            ax.vlines(row["ratio"], row["low"], row["high"], color=hue, lw=0.8)
            ax.hlines(row["difference"], row["ratio_low"], row["ratio_high"], color=hue, lw=0.8)
    ax.set_xscale("log")
    low, high = min(0.5, data["ratio_low"].min() / 1.3), max(6.0, data["ratio_high"].max() * 1.3)
    ax.set_xlim(low, high)
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(panels.plain())
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel(
        "gradient's signal-to-noise ratio:\nreparameterised \N{DIVISION SIGN} score function"
    )
    ax.set_ylabel(
        "normalised return during training:\nreparameterised \N{MINUS SIGN} score function"
    )
    half = max(3.0 * margin, 1.1 * float(np.nanmax(data[["low", "high"]].abs())))
    ax.set_ylim(-half, half)
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper")
    caption = captions.of_study(
        study,
        "Does the cleaner gradient learn faster? To the right: how many times the gradient through "
        "the sample (reparameterised) has the signal-to-noise ratio of that by the score function, "
        "on the same batches. Upwards: by how much the return during training is better with it, "
        "1 being the way from a random policy to a good one. A point per environment, bound and "
        "learner (filled: fresh rollouts, open: replay); 95% Student-t intervals over seeds. Grey: "
        "too small to matter.",
    )
    yield Drawing("signal_and_learning", figure, data, caption)


def _data(study: Study) -> pd.DataFrame:
    means = [study.curves(metric).groupby("run_id")["value"].mean() for metric in _METRICS]
    ratio = np.log(means[0].where(means[0] > 0.0)) - np.log(means[1].where(means[1] > 0.0))
    runs = study.runs[~study.runs["tuning"]]
    runs = runs.assign(ratio=runs["run_id"].map(ratio)).dropna(subset=["ratio"])
    rows = []
    for (environment, squash, learner), mine in runs.groupby(["environment", "squash", "learner"]):
        if mine["estimator"].nunique() < 2:
            continue
        sides = compared(mine, _CONTRAST, LEARNING)
        if sides is None or len(sides.differences) < 2:
            continue
        ratios = mine.groupby("seed")["ratio"].mean().to_numpy()
        numbers = [*np.exp(mean_interval(ratios)), *mean_interval(sides.differences)]
        rows.append([environment, squash, learner, len(sides.seeds), *map(float, numbers)])
    return pd.DataFrame(rows, columns=_COLUMNS)
