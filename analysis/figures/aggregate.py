"""How good are the cells over all environments together?

Of the cells that every environment has, over normalised returns: mean, interquartile mean and
optimality gap (how far runs fall short of 1), with 95% bootstrap intervals that draw the seeds of
each environment anew (Agarwal et al. 2021); and the share of runs above each return.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from plotting import captions, panels, style
from plotting.drawing import Drawing
from reading.kinds import STUDIES
from reading.outcomes import PRIMARY, WITH
from reading.study import Study
from reading.sweep import MissingDataError
from stats import estimates
from stats.estimates import Array

OF = STUDIES
_RESAMPLES = 5000


def draw(study: Study) -> Iterator[Drawing]:
    """Yield the figure.

    Raises:
        MissingDataError: no cell is in every environment.
    """
    scores = cells(study, WITH)
    if not scores:
        raise MissingDataError("no cell of the plan's aggregate is in every environment")
    rows = [row for endpoint in PRIMARY for row in _rows(cells(study, endpoint), endpoint)]
    table = pd.DataFrame(rows)
    names = sorted(scores, key=style.plain)
    hues = style.shades(names)
    figure = Figure(figsize=(style.PAGE, 1.4 + 0.24 * len(names) + 1.9))
    heights = [0.8 + 0.24 * len(names), 2.3]
    above, below = figure.subfigures(2, 1, height_ratios=heights, squeeze=False)[:, 0]
    measures = list(dict.fromkeys(table["measure"]))
    for ax, measure in zip(above.subplots(1, len(measures), sharey=True), measures, strict=True):
        mine = table[table["measure"] == measure]
        window = float(mine["low"].min()), float(mine["high"].max())
        for row in mine.to_dict("records"):
            at = names.index(row["cell"]) + (-0.15 if row["endpoint"] == WITH else 0.15)
            panels.interval_bar(ax, (row["low"], row["high"]), at, window, hues[row["cell"]])
            face = hues[row["cell"]] if row["endpoint"] == WITH else "white"
            ax.plot([row["value"]], [at], "o", ms=3.5, color=hues[row["cell"]], mfc=face, mew=0.9)
        ax.set_title(measure)
        ax.set_yticks(range(len(names)), [style.plain(name) for name in names])
        ax.set_ylim(len(names) - 0.5, -0.5)
        ax.tick_params(axis="y", length=0)
    above.supxlabel(f"normalised return, {_of(study)}", fontsize=8)
    panels.acting_legend(figure)
    for ax, endpoint in zip(below.subplots(1, 2, sharey=True), PRIMARY, strict=True):
        long = pd.concat([pd.DataFrame({"cell": name, "return": block.ravel()})
                          for name, block in cells(study, endpoint).items()])  # fmt: skip
        sns.ecdfplot(long, x="return", hue="cell", complementary=True, palette=hues, ax=ax,
                     legend=False, lw=1.1)  # fmt: skip
        ax.set(xlabel=f"normalised return {endpoint}", ylabel="share of runs above")
    caption = captions.of_study(
        study,
        f"{len(names)} cells over {len(study.titles())} environments, normalised returns of the "
        "last policies; filled with noise, open without. Intervals: 95% bootstrap over seeds "
        "within environments, which with few seeds covers less (90% with 10). Below: share of "
        "runs whose return is higher, in the colours of the rows.",
    )
    yield Drawing("aggregate", figure, table, caption)


def _of(study: Study) -> str:
    names = sorted(set(study.of_aggregate()["environment"]))
    return "mean over " * (len(names) > 1) + " and ".join(study.titles()[name] for name in names)


def cells(study: Study, endpoint: str) -> dict[str, Array]:
    """Return by cell the scores `[seeds, environments]` of those that all environments have."""
    runs = study.of_aggregate()
    if runs.empty:
        return {}
    names = runs[list(study.plan.aggregate["by"])].agg(" ".join, axis=1)
    found: dict[str, Array] = {}
    copied = (runs["copy_of"] != "").groupby(names).all()
    for name, mine in runs.groupby(names):
        table = mine.pivot_table(index="seed", columns="environment", values=endpoint).dropna()
        if table.shape[1] == runs["environment"].nunique() and len(table) > 1 and not copied[name]:
            found[str(name)] = table.to_numpy()
    return found


def _rows(scores: dict[str, Array], endpoint: str) -> Iterator[dict[str, Any]]:
    generator = np.random.default_rng(0)
    statistics: dict[str, Any] = {
        "mean": lambda runs: runs.mean(axis=(1, 2)),
        "interquartile mean": estimates.interquartile_means,
        "optimality gap": estimates.gaps(1.0),
    }
    for measure, statistic in statistics.items():
        for name, block in scores.items():
            value, low, high = estimates.bootstrap_interval(
                statistic, block, generator=generator, resamples=_RESAMPLES
            )
            yield {"cell": name, "endpoint": endpoint, "measure": measure, "value": float(value),
                   "low": float(low), "high": float(high), "seeds": len(block)}  # fmt: skip
