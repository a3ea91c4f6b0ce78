"""Figures with a line per word of an axis, pooled over the cells of the other axes."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plotting import captions, curve_panels, style
from plotting.drawing import Drawing
from reading.study import Study
from stats import curves


class Panel(NamedTuple):
    """One metric of some runs.

    Attributes:
        title: above the panel.
        metric: its name.
        binned: on the grid of all runs of the study.
        runs: those that the panel is of, rows of `Study.runs`.
        symlog: below this the y axis is linear, above it logarithmic; None: as `binned` is.
    """

    title: str
    metric: str
    binned: curves.Binned
    runs: pd.DataFrame
    symlog: float | None = None


def pooled_drawing(
    name: str, study: Study, column: str, panels: Sequence[Panel], *sentences: str
) -> Drawing:
    """Draw a line per word of `column`, the mean over cells and then seeds, in every panel.

    Args:
        name: of the figure.
        study: which has the runs.
        column: see `curves.lines`.
        panels: at least one.
        sentences: of the caption, before the usual ones.
    """
    across = len(panels) if len(panels) < 4 else math.ceil(len(panels) / 2)
    down = math.ceil(len(panels) / across)
    figure = Figure(figsize=(style.PAGE, 0.6 + 1.6 * down))
    axes = list(figure.subplots(down, across, squeeze=False).flat)
    colour = curve_panels.colours(sorted(study.runs[column].unique()), column)
    budgets = curves.budgets(study)
    x = curve_panels.scale(budgets, budgets.max())
    found, companies, cut, dashed = [], [], [], False
    for number, (ax, panel) in enumerate(zip(axes, panels, strict=False)):
        summary, kept = _pooled(study, panel.binned, column, panel.runs)
        dashed |= curve_panels.draw_lines(ax, summary, x, colour)
        found.append(summary.assign(panel=panel.title, metric=panel.metric))
        companies.append(kept)
        _y_axis(ax, panel, summary["value"])
        cut.append(curve_panels.cut_off(ax, summary["value"], panel.title))
        ax.set_title(panel.title)
        curve_panels.steps_axis(ax, x, lowest=number + across >= len(panels))
    if len(colour) > 1:
        curve_panels.legend(axes[-1] if len(axes) > len(panels) else figure, colour)
    data = pd.concat(found, ignore_index=True)
    if len(set(budgets)) == 1:
        data = data.assign(step=data["share"] * budgets.iloc[0])
    unusable = sum({panel.metric: panel.binned.unusable for panel in panels}.values())
    kept = pd.concat(companies).groupby(level=0).all()
    cell = curves.joined(curves.rest(study, column))
    note = unmatched(study.runs.loc[kept.index, column], cell[kept.index], kept)
    caption = captions.compose(
        study, *sentences, curve_panels.explain(data, ["word"], dashed, unusable, cut), note
    )
    return Drawing(name, figure, data.rename(columns={"word": column}), caption)


def _y_axis(ax: Axes, panel: Panel, values: "pd.Series[float]") -> None:
    if panel.symlog is not None:
        ax.set_yscale("symlog", linthresh=panel.symlog, linscale=0.5)
        ax.yaxis.set_major_formatter(curve_panels.plain())
        ax.axhline(0.0, color=style.GREY, lw=0.6, zorder=0)
    elif panel.binned.logarithm:
        ax.set_yscale("log")
    curve_panels.fit_y(ax, values)
    if panel.binned.logarithm or (panel.symlog is not None and ax.get_ylim()[0] > 0.0):
        curve_panels.number_log_axis(ax)


def _pooled(
    study: Study, binned: curves.Binned, column: str, runs: pd.DataFrame
) -> tuple[pd.DataFrame, "pd.Series[bool]"]:
    """Return the summary of a metric by the words of `column`, over all cells that can be compared.

    Args:
        study: which has the runs.
        binned: the metric; of logarithms, the summary is of geometric means.
        column: see `curves.lines`.
        runs: rows of `study.runs`.

    Returns:
        See `curves.summarise`, in units of the metric; and see `matched`, of the runs that have it.
    """
    there = binned.values.loc[runs.index].notna().any(axis="columns")
    word = runs.loc[there, column]
    cell = curves.joined(curves.rest(study, column)).loc[word.index]
    kept = matched(word, cell)
    summary = curves.summarise(binned.values.loc[kept.index[kept]], word, cell, runs["seed"])
    if binned.logarithm:
        numbers = ["value", "low", "high"]
        summary[numbers] = 10.0 ** summary[numbers]
    return summary, kept


def matched(word: "pd.Series[str]", cell: "pd.Series[str]") -> "pd.Series[bool]":
    """Return which runs are of cells that every word has; all, if there is no such cell.

    Means over different cells would differ for that alone.
    """
    words = word.groupby(cell).nunique()
    kept = cell.isin(words.index[words == word.nunique()])
    return kept if kept.any() else ~kept


def unmatched(word: "pd.Series[str]", cell: "pd.Series[str]", kept: "pd.Series[bool]") -> str:
    """Say, for a caption, which cells `matched` left out, or that it found no match."""
    cells = pd.concat([word, cell], axis=1)
    if not kept.all():
        left, every = len(cells[~kept].drop_duplicates()), len(cells.drop_duplicates())
        return f"Left out: {left} of {every} cells, without a counterpart for every {word.name}."
    if word.groupby(cell).nunique().eq(word.nunique()).all():
        return ""
    return f"No cell is there for every line: lines differ in more than the {word.name}."
