"""Do the words of an axis learn at another pace, or to another end, all else equal?

One figure per varied axis: a line per word, a panel per cell of the other axes, so that within a
panel nothing but the word differs. Read a difference where the bands of two lines part, and read
from the thin lines, one per seed, whether a mean stands for its runs or hides that some failed.
Returns are those of training episodes, with the policy's noise; the dots right of the end are the
final evaluations without it.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from plotting import captions, curve_panels, style
from plotting.drawing import Drawing
from reading.kinds import TRAININGS
from reading.study import Study
from stats import curves, designs

OF = TRAININGS

TRAINING = "train/return_mean"
_NONE = "-"  # in the place of a panel
_ACROSS, _PANELS = 4, 12  # the most panels in a row and on a page
_GAP, _STEP, _STRIP = 0.04, 0.03, 0.12  # where the final evaluations stand, in shares of the budget


def draw(study: Study) -> Iterator[Drawing]:
    """Yield a figure per varied axis, in pages; see the module.

    Raises:
        MissingDataError: no run has recorded returns of training episodes.
    """
    for place, part in designs.parts(study):
        binned = curves.binned(part, TRAINING)
        for name, column in curves.lines(part):
            panel = curves.joined(curves.rest(part, column))
            summary = _summary(part, binned, column, panel)
            pages = list(_pages(curves.rest(part, column)))
            for number, grid in enumerate(pages, 1):
                page = f"_page_{number}" if len(pages) > 1 else ""
                title = f"learning_curves{name}{place}{page}"
                yield _drawing(title, part, column, grid, summary, binned.unusable)


def _summary(
    study: Study, binned: curves.Binned, column: str, panel: "pd.Series[str]"
) -> pd.DataFrame:
    """Return the lines of all panels, and the final evaluation of every seed."""
    runs = study.runs
    found = []
    for name, those in panel.groupby(panel):
        rows = binned.values.loc[those.index]
        lines = curves.summarise(rows, runs[column], panel, runs["seed"])
        found += [lines.assign(panel=name)] if len(lines) else []
    line = "final of seed " + runs["seed"].astype(str)
    final = pd.DataFrame({"panel": panel, "word": runs[column], "line": line})
    found.append(final.assign(share=1.0, value=runs["score"], seeds=1))
    summary = pd.concat(found, ignore_index=True)
    steps = curves.budgets(study).groupby([panel, runs[column]]).first().rename("step")
    summary = summary.join(steps.rename_axis(["panel", "word"]), on=["panel", "word"])
    return summary.assign(step=summary["step"] * summary["share"])


def _pages(rest: pd.DataFrame) -> Iterator[list[list[str]]]:
    """Lay out the panels: yield pages of rows of their names, `_NONE` where no cell is."""
    panels = rest.assign(panel=curves.joined(rest)).drop_duplicates("panel").sort_values("panel")
    words = rest.nunique()
    fitting = words[(words > 1) & (words <= _ACROSS)]
    if len(fitting):
        across = fitting.idxmax()
        others = curves.joined(rest.loc[panels.index].drop(columns=across))
        panels = panels.assign(row=others, place=panels[across])
    else:
        numbers = np.arange(len(panels))
        panels = panels.assign(row=numbers // _ACROSS, place=numbers % _ACROSS)
    table = panels.pivot(index="row", columns="place", values="panel")
    grid = table.fillna(_NONE).to_numpy().tolist()
    tall = _PANELS // len(grid[0])
    yield from (grid[at : at + tall] for at in range(0, len(grid), tall))


def _drawing(
    name: str,
    study: Study,
    column: str,
    grid: list[list[str]],
    summary: pd.DataFrame,
    unusable: int,
) -> Drawing:
    colour = curve_panels.colours(sorted(summary["word"].unique()), column)
    budgets = summary[summary["share"] == 1.0].groupby("panel")["step"].unique()
    shared, largest = max(map(len, budgets)) > 1, max(map(max, budgets))
    narrow = len(grid[0]) == 1 and len(colour) < 4
    height = 1.6 if len(budgets) > 1 else 2.0 if narrow else 2.8
    width = style.COLUMN if narrow else style.PAGE
    figure = Figure(figsize=(width, 0.7 + height * len(grid)))
    axes = figure.subplots(len(grid), len(grid[0]), squeeze=False)
    found, dashed = [], False
    for (row, place), ax in np.ndenumerate(axes):
        panel, below = grid[row][place], {line[place] for line in grid[row + 1 :]}
        if panel == _NONE:
            ax.set_axis_off()
            continue
        x = curve_panels.scale([0, 1] if shared else budgets[panel], largest)
        found.append(summary[summary["panel"] == panel])
        curve_panels.fit_y(ax, summary["value"])
        dashed |= _panel(ax, found[-1], x, colour, study.threshold)
        curve_panels.steps_axis(
            ax, x, lowest=below <= {_NONE}, end=1.0 + _GAP + _apart(colour) * len(colour)
        )
        ax.tick_params(labelleft=set(grid[row][:place]) <= {_NONE})
        curve_panels.title(ax, panel, width / len(grid[0]))
    figure.supylabel(style.label(TRAINING), size=8)
    curve_panels.legend(figure, colour, *_marks(study.threshold))
    shown = pd.concat(found, ignore_index=True)
    cut = next(curve_panels.cut_off(ax, shown["value"]) for ax in axes.flat if ax.axison)
    caption = _caption(study, column, shown, dashed, unusable, cut)
    return Drawing(name, figure, shown.rename(columns={"word": column}), caption)


def _panel(
    ax: Axes,
    summary: pd.DataFrame,
    x: curve_panels.Scale,
    colour: dict[str, Any],
    threshold: float | None,
) -> bool:
    """Draw the lines and the final evaluations of a panel; return whether lines lie on others."""
    bottom, top = ax.get_ylim()
    final = summary["line"].str.startswith("final")
    dashed = curve_panels.draw_lines(ax, summary[~final], x, colour)
    for number, (word, shade) in enumerate(colour.items()):
        values = summary.loc[final & (summary["word"] == word), "value"]
        place = (1.0 + _GAP + _apart(colour) * number) * x.factor
        for marker, heights in (
            ("o", values[values >= bottom]),
            ("v", values[values < bottom].clip(lower=bottom + 0.03 * (top - bottom))),
        ):
            places = np.full(len(heights), place)
            ax.scatter(places, heights, 8, color=shade, marker=marker, alpha=0.5, lw=0, zorder=3)
    if threshold is not None:
        ax.axhline(threshold, color=style.GREY, lw=0.6, ls="--", zorder=0)
    ax.set_ylim(bottom, top)
    return dashed


def _apart(colour: dict[str, Any]) -> float:
    """Return how far the final evaluations of two words stand apart, as a share of the budget."""
    return min(_STEP, _STRIP / len(colour))


def _marks(threshold: float | None) -> Iterator[Line2D]:
    """Yield what the legend has beside the lines."""
    yield Line2D([], [], color=style.GREY, ls="", marker=".", label="final evaluation")
    if threshold is not None:
        yield Line2D([], [], color=style.GREY, lw=0.6, ls="--", label=f"solved ({threshold:g})")


def _caption(
    study: Study, column: str, shown: pd.DataFrame, dashed: bool, unusable: int, cut: str
) -> str:
    lines = shown[~shown["line"].str.startswith("final")]
    by = "" if column == "cell" else f", by {column}"
    solved = study.threshold
    return captions.compose(
        study,
        f"Return of training episodes (with the policy's noise) during training{by}, a mean over "
        "those that ended; after a checkpoint environments begin anew and short ones end first.",
        curve_panels.explain(lines, ["panel", "word"], dashed, unusable, [cut]),
        "Dots (triangles, if below the edge): final evaluations without noise, one per seed.",
        "" if solved is None else f"Grey: {solved:g}, from which an episode counts as solved.",
    )
