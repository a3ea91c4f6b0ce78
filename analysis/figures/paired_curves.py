"""When during training do the two sides of a contrast differ?

A row per contrast over training, a panel per environment: the difference of the normalised returns
of training episodes, taken within each seed, over the share of the budget that both sides have had.
What a seed does to both cancels, which two curves side by side cannot show.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from plotting import captions, panels, style
from plotting.drawing import Drawing
from reading.kinds import STUDIES
from reading.outcomes import LEARNING, PRIMARY, TRAINING
from reading.preregistration import Contrast
from reading.study import Study, selected
from reading.sweep import MissingDataError
from stats import curves

OF = STUDIES
_ROWS, _ACROSS = 6, 3


def draw(study: Study) -> Iterator[Drawing]:
    """Yield the figures, some contrasts each.

    Raises:
        MissingDataError: no contrast of two sides has curves.
    """
    values: dict[str, pd.DataFrame] = {}
    for name, sweep in study.sweeps.items():
        with suppress(MissingDataError):
            values[name] = curves.binned(sweep, TRAINING).values.set_axis(sweep.runs["run_id"])
    found: list[pd.DataFrame] = []
    for name, contrast in study.plan.contrasts.items():
        if len(contrast.plus) == 1 and set(contrast.endpoints) & {*PRIMARY, LEARNING}:
            parts = _differences(study, name, contrast, values)
            found += [part for part in parts if len(part)]
    if not found:
        raise MissingDataError("no contrast of two sides has curves")
    data = pd.concat(found, ignore_index=True)
    names = list(dict.fromkeys(data["contrast"]))
    for page in range(0, len(names), _ROWS):
        shown = names[page : page + _ROWS]
        end = f"_page_{page // _ROWS + 1}" if len(names) > _ROWS else ""
        yield _drawing(study, data[data["contrast"].isin(shown)], f"paired_curves{end}")


def _differences(
    study: Study, name: str, contrast: Contrast, values: Mapping[str, pd.DataFrame]
) -> Iterator[pd.DataFrame]:
    """Yield the differences of a contrast in each environment, by seed and share of the budget."""
    for sweep in [one for one in contrast.sweeps or study.sweeps if one in values]:
        runs = study.runs[(study.runs["sweep"] == sweep) & ~study.runs["failed"]]
        for environment, mine in runs.groupby("environment"):
            if contrast.environments and environment not in contrast.environments:
                continue
            own = values[sweep].reindex(mine["run_id"]).set_axis(mine.index)
            scale = study.plan.environments[str(environment)]
            own = (own - scale.random_return) / (scale.reference_return - scale.random_return)
            sides = [own[selected(mine, words)].groupby(mine["seed"]).mean()
                     for words in (contrast.plus[0], contrast.minus[0])]  # fmt: skip
            both = sides[0] - sides[1]
            both.index = [f"{sweep} {seed}" for seed in both.index]
            tidy = both.rename_axis("seed").melt(ignore_index=False, value_name="value").dropna()
            yield tidy.reset_index().assign(
                contrast=name, title=contrast.title, environment=environment
            )


def _drawing(study: Study, data: pd.DataFrame, name: str) -> Drawing:
    titles = {n: t for n, t in study.titles().items() if n in set(data["environment"])}
    rows = list(dict.fromkeys(data["contrast"]))
    margin = study.plan.smallest_difference
    figure = Figure(figsize=(style.PAGE, 0.7 + 1.05 * len(rows)))
    axes = figure.subplots(len(rows), len(titles), squeeze=False, sharex=True, sharey=True)
    for row, contrast in enumerate(rows):
        for column, (environment, title) in enumerate(titles.items()):
            ax = axes[row, column]
            mine = data[(data["contrast"] == contrast) & (data["environment"] == environment)]
            if row == 0:
                ax.set_title(title, pad=16)
            ax.set(xlabel="", ylabel="", xlim=(0.0, 1.0))
            if mine.empty:
                ax.text(0.5, 0.5, "not run", transform=ax.transAxes, ha="center", color=style.GREY)
                sns.despine(ax=ax, left=True, bottom=True)
                ax.tick_params(length=0)
                continue
            ax.axhspan(-margin, margin, color="0.88", lw=0, zorder=0)
            ax.axhline(0.0, color="0.6", lw=0.6)
            look = {"data": mine.astype({"share": float}), "x": "share", "y": "value", "ax": ax}
            sns.lineplot(**look, units="seed", estimator=None, lw=0.4, color=style.GREY,
                         alpha=style.SEED_ALPHA)  # fmt: skip
            sns.lineplot(**look, errorbar=panels.band_limits, color="black",
                         err_kws={"alpha": style.BAND_ALPHA, "lw": 0})  # fmt: skip
            ax.set(xlabel="", ylabel="")
            if (mine["value"] == 0.0).all():
                ax.text(0.5, 0.1, "identical runs", transform=ax.transAxes, ha="center",
                        color="0.4", fontsize=6.5)  # fmt: skip
        title = data.loc[data["contrast"] == contrast, "title"].iloc[0]
        axes[row, 0].annotate(title, (0.0, 1.03), xycoords="axes fraction", fontsize=6.5,
                              va="bottom", fontweight="bold", annotation_clip=False)  # fmt: skip
    panels.fit_y(axes[0, 0], data["value"])
    figure.supxlabel("share of the step budget, the same for both sides", fontsize=8)
    # One row is too low for a single line.
    line = " " if len(rows) > 2 else "\n"
    figure.supylabel(f"difference in normalised{line}return in training", fontsize=8)
    caption = captions.of_study(
        study,
        "Difference between the two sides of a contrast (its first words less the others) in the "
        "normalised return of training episodes, within each seed: thin lines are seeds, thick "
        "their mean with a 95% Student-t band, pointwise. Grey: too small to matter. Runs that "
        "failed have no curve and are left out here.",
    )
    return Drawing(name, figure, data, caption)
