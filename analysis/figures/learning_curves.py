"""Do the words of an axis learn at another pace, or to another end, all else equal?

One figure per varied axis: a line per word, a panel per cell of the other axes, so that within a
panel nothing but the word differs. Read a difference where the bands of two lines part, and read
from the thin lines, one per seed, whether a mean stands for its runs or hides that some failed.
Returns are those of training episodes, with the policy's noise; the dots right of the end are the
final evaluations without it.
"""

from collections.abc import Iterator

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from plotting import captions, panels, style
from plotting.drawing import Drawing
from reading.kinds import TRAININGS
from reading.sweep import Sweep
from stats import curves, designs

OF = TRAININGS
TRAINING = "train/return_mean"
_ACROSS, _PANELS = 3, 12  # the most panels in a row and on a page
_STRIP = 0.14  # where the final evaluations stand, in shares of the budget
_EDGE = 0.03  # of the height: where what is below the edge is marked


def draw(sweep: Sweep) -> Iterator[Drawing]:
    """Yield a figure per varied axis, in pages; see the module.

    Raises:
        MissingDataError: no run has recorded returns of training episodes.
    """
    for place, part in designs.parts(sweep):
        binned = curves.binned(part, TRAINING)
        drawn, copied = curves.distinct(part)
        runs = part.runs[drawn]
        for name, column in curves.lines(part):
            if runs[column].nunique() < 2 <= part.runs[column].nunique():
                continue
            panel = curves.joined(curves.rest(part, column)).loc[runs.index]
            # A panel of one word compares nothing.
            several = runs[column].groupby(panel).transform("nunique") > 1
            panel = panel[several] if several.any() else panel
            mine = runs.loc[panel.index]
            tidy = curves.lines_of(
                binned.values.loc[mine.index],
                word=mine[column],
                panel=panel,
                seed=mine["seed"],
                budget=curves.budgets(part).loc[mine.index],
            )
            names = sorted(panel.unique())
            for page in range(0, len(names), _PANELS):
                title = f"learning_curves{name}{place}"
                title += f"_page_{page // _PANELS + 1}" if len(names) > _PANELS else ""
                shown = names[page : page + _PANELS]
                yield _drawing(title, part, column, shown, tidy, mine.assign(panel=panel), copied)


def _drawing(
    name: str,
    sweep: Sweep,
    column: str,
    names: list[str],
    tidy: pd.DataFrame,
    runs: pd.DataFrame,
    copied: list[str],
) -> Drawing:
    colour = style.colours(sorted(runs[column].unique()))
    across = min(_ACROSS, len(names))
    down = -(-len(names) // across)
    budgets = curves.budgets(sweep).loc[runs.index]
    narrow = len(names) == 1
    figure = Figure(figsize=(style.COLUMN if narrow else style.PAGE, 0.8 + 1.75 * down))
    axes = figure.subplots(down, across, squeeze=False)
    cut = ""
    for number, ax in enumerate(axes.flat):
        if number >= len(names):
            ax.set_axis_off()
            continue
        mine, own = tidy[tidy["panel"] == names[number]], runs[runs["panel"] == names[number]]
        x = panels.scale(budgets[own.index], budgets.max())
        panels.fit_y(ax, pd.concat([mine["value"], own["score"]]))
        _panel(ax, mine, own, column, x, colour)
        cut = cut or panels.cut_off(ax, mine["value"])
        if sweep.threshold is not None:
            ax.axhline(sweep.threshold, color=style.GREY, lw=0.6, ls="--", zorder=0)
        panels.steps_axis(ax, x, named=number + across >= len(names), end=1.0 + _STRIP + 0.02)
        ax.set_title(style.plain(names[number]))
        panels.failures(ax, _failed(sweep, column, names[number]))
    figure.supylabel(style.label(TRAINING), size=8)
    further = [Line2D([], [], color=style.GREY, ls="", marker=".", label="last policy, no noise")]
    if sweep.threshold is not None:
        solved = f"solved ({sweep.threshold:g})"
        further.append(Line2D([], [], color=style.GREY, lw=0.6, ls="--", label=solved))
    panels.legend(figure, colour, *further)
    data = _data(tidy[tidy["panel"].isin(names)], runs[runs["panel"].isin(names)], column)
    by = "" if column == "cell" else f", by {column}"
    caption = captions.compose(
        sweep,
        f"Return of training episodes (with the policy's noise) during training{by}; after a "
        "checkpoint environments begin anew and short ones end first, which is a dip. Thick: mean "
        "over seeds; thin: seeds; dots: last policy without noise, triangles if below the edge.",
        captions.band(sweep),
        captions.copied(copied),
        cut,
    )
    return Drawing(name, figure, data.rename(columns={"word": column}), caption)


def _panel(
    ax: Axes, lines: pd.DataFrame, runs: pd.DataFrame, column: str, x: panels.Scale,
    colour: dict[str, str],
) -> None:  # fmt: skip
    bottom, top = ax.get_ylim()
    lines = lines.assign(step=lines["share"] * lines["budget"] / x.unit)
    look = {"data": lines, "x": "step", "y": "value", "hue": "word", "palette": colour, "ax": ax}
    if panels.few(lines):
        sns.lineplot(**look, units="seed", estimator=None, lw=0.5, alpha=style.SEED_ALPHA,
                     legend=False)  # fmt: skip
    sns.lineplot(**look, errorbar=panels.band_limits, legend=False,
                 err_kws={"alpha": style.BAND_ALPHA, "lw": 0})  # fmt: skip
    for number, (word, hue) in enumerate(colour.items()):
        values = runs.loc[runs[column] == word, "score"]
        place = (1.0 + _STRIP * (number + 1) / (len(colour) + 1)) * x.end
        below = values < bottom
        ax.scatter([place] * int((~below).sum()), values[~below], 8, color=hue, alpha=0.6, lw=0)
        edge = bottom + _EDGE * (top - bottom)
        ax.scatter([place] * int(below.sum()), [edge] * int(below.sum()), 10, color=hue, marker="v",
                   lw=0)  # fmt: skip
    ax.set_ylim(bottom, top)
    ax.set_ylabel("")


def _failed(sweep: Sweep, column: str, panel: str) -> list[str]:
    """Say of which words runs failed in a panel."""
    if sweep.failed.empty:
        return []
    both = pd.concat([sweep.runs, sweep.failed], ignore_index=True).assign(
        bad=[False] * len(sweep.runs) + [True] * len(sweep.failed)
    )
    place = curves.joined(curves.words_beside(both, sweep, column))
    shares = both[place == panel].groupby(column)["bad"].agg(["sum", "size"])
    return [f"{style.plain(str(word))}: {bad} of {size} failed" for word, bad, size in
            shares[shares["sum"] > 0].itertuples()]  # fmt: skip


def _data(lines: pd.DataFrame, runs: pd.DataFrame, column: str) -> pd.DataFrame:
    final = runs[["panel", "seed"]].assign(word=runs[column], share=1.0, value=runs["score"])
    both = {"training": lines, "last policy without noise": final}
    return pd.concat(both, names=["of"]).reset_index(level=0).reset_index(drop=True)
