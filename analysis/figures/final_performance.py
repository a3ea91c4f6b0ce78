"""How good is the last policy of every cell, and how sure is that?

A line per cell: a pale dot per seed, the mean over seeds and its 95% Student-t interval. Cells with
two or more axes have their last axis in colour, the others in rows, and with three or more the
first in panels. Seeds are shared by the cells, so what a seed does to all of them cancels in
comparisons: intervals that overlap may hide a settled difference, see `fig_effects`.

Environments have scores of their own, and so each has a figure.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from plotting import captions, style
from plotting.drawing import Drawing
from reading.kinds import TRAININGS
from reading.study import FINAL, Study
from stats.designs import Grid, grid_of, parts
from stats.estimates import mean_interval

OF = TRAININGS

_LANE, _MARGIN = 0.15, 0.75  # inches: height of a cell, and of what lies below and above panels
_GAP = 0.7  # lanes between rows


def draw(study: Study) -> Iterator[Drawing]:
    """Yield one figure per environment."""
    for suffix, part in parts(study):
        grid = grid_of(part)
        data = _data(grid, part.threshold)
        figure = _figure(grid, data, part)
        yield Drawing(f"final_performance{suffix}", figure, data, _caption(part, grid))


def _data(grid: Grid, threshold: float | None) -> pd.DataFrame:
    columns = [*grid.names, "quantity", "seed", "score", "low", "high"]
    rows: list[dict[str, Any]] = []
    for words, scores in grid.cells():
        cell = dict(zip(grid.names, words, strict=True))
        runs = {s: score for s, score in zip(grid.seeds, scores, strict=True) if score == score}
        rows += [{**cell, "quantity": "run", "seed": s, "score": runs[s]} for s in runs]
        if len(runs) > 1:
            mean, low, high = mean_interval(np.array(list(runs.values())))
            rows.append({**cell, "quantity": "mean", "score": mean, "low": low, "high": high})
    if threshold is not None:
        rows.append({"quantity": "solved", "score": threshold})
    return pd.DataFrame(rows, columns=columns).astype({"seed": "Int64"})


def _figure(grid: Grid, data: pd.DataFrame, study: Study) -> Figure:
    panels = _panels(grid)
    heights = [sum(len(cells) + _GAP for cells in rows.values()) for _, rows in panels]
    generator = np.random.default_rng(0)
    with style.applied():
        width = style.PAGE if grid.names else style.COLUMN
        figure = Figure(figsize=(width, _MARGIN + _LANE * sum(heights)))
        shape: Any = {"height_ratios": heights, "sharex": True, "squeeze": False}
        axes = figure.subplots(len(panels), **shape)[:, 0]
        for ax, (name, rows) in zip(axes, panels, strict=True):
            _draw_panel(ax, grid, rows, data, generator)
            ax.set_ylabel(name)
            if study.threshold is not None:
                ax.axvline(study.threshold, color=style.GREY, lw=0.6, linestyle="--", zorder=0)
        if study.threshold is not None:
            look: Any = {"transform": axes[0].get_xaxis_transform(), "fontsize": 7}
            axes[0].text(study.threshold, 1.0, "solved", ha="center", va="bottom", **look)
        axes[-1].set_xlabel(style.label(FINAL))
        if len(grid.names) > 1:
            colours = style.colours(grid.levels[-1]).items()
            handles = [Line2D([], [], color=c, marker="|", ms=7, label=word) for word, c in colours]
            figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return figure


_Rows = dict[str, list[tuple[str, ...]]]


def _panels(grid: Grid) -> list[tuple[str, _Rows]]:
    """Return the name of each panel, and by name of the row the words of its cells."""
    panels: dict[str, _Rows] = {}
    for words, _ in grid.cells():
        several = len(words) > 2
        panel = words[0] if several else ", ".join(grid.names[:1])
        row = " · ".join(words[several:-1] or words) or "all runs"
        panels.setdefault(panel, {}).setdefault(row, []).append(words)
    return list(panels.items())


def _draw_panel(
    ax: Axes, grid: Grid, rows: _Rows, data: pd.DataFrame, generator: np.random.Generator
) -> None:
    colours = style.colours(grid.levels[-1]) if grid.names else {}
    at, ticks = 0.0, []
    for cells in rows.values():
        for words in cells:
            mine = data[(data[grid.names] == list(words)).all(axis=1)] if words else data
            _draw_cell(ax, mine, at, colours[words[-1]] if words else "black", generator)
            at += 1.0
        ticks.append(at - (len(cells) + 1.0) / 2.0)
        at += _GAP
    ax.set_ylim(at - _GAP - 0.15, -0.85)
    ax.set_yticks(ticks, list(rows))
    ax.tick_params(axis="y", length=0)


def _draw_cell(
    ax: Axes, data: pd.DataFrame, at: float, colour: Any, generator: np.random.Generator
) -> None:
    runs = data.loc[data["quantity"] == "run", "score"]
    below = at + 0.2 + generator.uniform(-0.1, 0.1, len(runs))
    ax.scatter(runs, below, s=10, color=colour, alpha=2 * style.SEED_ALPHA, lw=0)
    mean = data[data["quantity"] == "mean"]
    above = np.full(len(mean), at - 0.15)
    ax.hlines(above, mean["low"], mean["high"], color=colour, linewidth=1.2)
    ax.plot(mean["score"], above, "|", color=colour, markersize=6, markeredgewidth=1.6)


def _caption(study: Study, grid: Grid) -> str:
    counts = study.runs.groupby("cell").size()
    names, several = grid.names, len(grid.names) > 2
    colours = names[1:][-1:]
    places = {"panels": names[:several], "rows": names[several:-1] or names, "colours": colours}
    layout = ", ".join(f"{place}: {' and '.join(n)}" for place, n in places.items() if n)
    return captions.compose(
        study,
        "Return of the last policy without noise: a dot per seed and their mean"
        + (f" ({layout})." if layout else "."),
        captions.interval(counts, "Lines are 95% Student-t intervals of the mean over seeds"),
        "The cells share their seeds: read differences off the effects and the comparisons."
        if len(counts) > 1 and counts.max() > 1
        else "",
        "The dashed line is the return from which an episode counts as solved."
        if study.threshold is not None
        else "",
    )
