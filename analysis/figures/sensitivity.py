"""How much does a cell depend on its settings, and what is it worth at equal tuning?

Every cell tried the same random configurations. Above: normalised return against each setting that
was drawn, a dot per configuration and a local mean. Below: the expected best of k configurations,
what one gets who tunes with k tries; lines that cross change places with the effort.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from plotting import captions, panels, style
from plotting.drawing import Drawing
from reading.kinds import STUDIES
from reading.outcomes import WITH
from reading.study import Study
from reading.sweep import MissingDataError
from stats.tuning import best_of_interval

OF = STUDIES
_SETTINGS = {
    "param.learner.lr": "learning rate",
    "param.variance.initial_action_std": "noise at the start (half-ranges)",
}
_WINDOW = 3  # configurations of a local mean


def draw(study: Study) -> Iterator[Drawing]:
    """Yield a figure per environment.

    Raises:
        MissingDataError: no runs with tuning seeds.
    """
    runs = study.runs[study.runs["tuning"]]
    settings = {column: name for column, name in _SETTINGS.items()
                if column in runs and runs[column].nunique() > 2}  # fmt: skip
    if runs.empty or not settings:
        raise MissingDataError("no cell has tried random configurations with the tuning seeds")
    for environment, mine in runs.groupby("environment"):
        yield _drawing(study, str(environment), mine, settings)


def _drawing(
    study: Study, environment: str, runs: pd.DataFrame, settings: dict[str, str]
) -> Drawing:
    words = [name for name in ("variance", "squash", "estimator") if runs[name].nunique() > 1]
    cell = runs[words].agg(" ".join, axis=1).map(style.plain) if words else "all runs"
    data = runs.assign(cell=cell)
    names = sorted(data["cell"].unique())
    hues = style.shades(names)
    figure = Figure(figsize=(style.PAGE, 3.0))
    axes = figure.subplots(1, len(settings) + 1, sharey=True)
    for ax, (column, name) in zip(axes, settings.items(), strict=False):
        tidy = data.assign(x=data[column].astype(float)).sort_values(["cell", "x"])
        rolling = tidy.groupby("cell")[WITH].rolling(_WINDOW, center=True, min_periods=1).mean()
        tidy = tidy.assign(local=rolling.droplevel(0))
        look = {"data": tidy, "x": "x", "hue": "cell", "palette": hues, "ax": ax, "legend": False}
        sns.scatterplot(**look, y=WITH, s=9, alpha=0.6, linewidth=0)
        sns.lineplot(**look, y="local", lw=1.2)
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter(panels.plain())
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set(xlabel=name, ylabel=f"normalised return {WITH}")
    rows = []
    for name, hue in hues.items():
        scores = data.loc[data["cell"] == name].sort_values("seed")[WITH].to_numpy()
        best = best_of_interval(scores, np.random.default_rng(0))
        tries = np.arange(1, len(scores) + 1)
        axes[-1].plot(tries, best.estimate, color=hue)
        axes[-1].fill_between(tries, best.low, best.high, color=hue, alpha=style.BAND_ALPHA, lw=0)
        rows.append(pd.DataFrame({"cell": name, "tries": tries, "best": best.estimate,
                                  "low": best.low, "high": best.high}))  # fmt: skip
    axes[-1].set(xlabel="configurations tried")
    axes[-1].set_title("expected best")
    panels.legend(figure, hues)
    title = study.plan.environments[environment].title
    caption = captions.of_study(
        study,
        f"{title}: {len(names)} cells at the same random configurations. Dots: configurations; "
        f"lines: means of {_WINDOW} neighbours. Both settings were drawn together, so that a panel "
        "also holds what the other setting did. Right: expected best of k configurations, with 95% "
        "bootstrap bands over configurations. Of tuning seeds: what is best here is confirmed with "
        "other seeds.",
    )
    drawn = [data[["cell", "seed", *settings, WITH]], *rows]
    return Drawing(f"sensitivity_{environment}", figure, pd.concat(drawn), caption)
