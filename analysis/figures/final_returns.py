"""How good is the last policy of every cell, acting with its noise and without it?

A row per cell: filled with noise, open without; a pale dot per seed, the mean over seeds and its
95% Student-t interval. Where the two lie apart, whether a policy keeps its noise decides what it is
worth. Cells share their seeds, so what a seed does to all of them cancels in comparisons: intervals
that overlap may hide a settled difference, see `contrasts`.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from plotting import captions, panels, style
from plotting.drawing import Drawing
from reading.kinds import TRAININGS
from reading.outcomes import PRIMARY, WITH, WITHOUT, returns
from reading.sweep import Sweep
from stats import curves, designs

OF = TRAININGS
_ROW = 0.23  # inches
_LOOK = {WITH: ("o", -0.15), WITHOUT: ("none", 0.15)}


def draw(sweep: Sweep) -> Iterator[Drawing]:
    """Yield one figure per environment."""
    for suffix, part in designs.parts(sweep):
        kept, copied = curves.distinct(part)
        runs = part.runs[kept]
        yield _drawing(f"final_returns{suffix}", part, runs.join(returns(runs)), copied)


def _drawing(name: str, sweep: Sweep, runs: pd.DataFrame, copied: list[str]) -> Drawing:
    data = runs.melt(["cell", "seed"], list(PRIMARY), "acting", "return").dropna(subset="return")
    cells = sorted(data["cell"].unique())
    window = _window(data)
    figure = Figure(figsize=(style.PAGE, 0.9 + _ROW * len(cells)))
    ax = figure.subplots()
    for acting, (fill, shift) in _LOOK.items():
        mine = data[data["acting"] == acting]
        at = mine["cell"].map(cells.index) + shift
        inside = mine["return"].between(*window)
        faces = "none" if fill == "none" else style.GREY
        look: Any = {"facecolors": faces, "edgecolors": style.GREY, "alpha": 0.5, "lw": 0.6}
        ax.scatter(mine.loc[inside, "return"], at[inside], 9, **look)
        for edge, marker, beyond in (
            (window[0], "<", mine["return"] < window[0]),
            (window[1], ">", mine["return"] > window[1]),
        ):
            ax.scatter([edge] * int(beyond.sum()), at[beyond], 9, marker=marker, **look)
        for cell, those in mine.groupby("cell")["return"]:
            place = cells.index(str(cell)) + shift
            panels.interval_bar(ax, panels.t_limits(those), place, window, "black")
            ax.plot(np.clip(those.mean(), *window), place, "o", ms=4, color="black", zorder=4,
                    mfc="black" if fill != "none" else "white")  # fmt: skip
    _failed(ax, sweep, cells)
    if sweep.threshold is not None and window[0] < sweep.threshold < window[1]:
        ax.axvline(sweep.threshold, color=style.GREY, lw=0.6, ls="--", zorder=0)
        ax.annotate("solved", (sweep.threshold, 1.0), xycoords=("data", "axes fraction"),
                    ha="center", va="bottom", fontsize=7)  # fmt: skip
    ax.set_yticks(range(len(cells)), [style.plain(cell) for cell in cells])
    ax.set_ylim(len(cells) - 0.4, -0.6)
    ax.set_xlim(*window)
    ax.set_xlabel("mean return of the last policy")
    ax.tick_params(axis="y", length=0)
    sns.despine(ax=ax, left=True)
    handles = [Line2D([], [], marker="o", color="black", mfc=face, label=f"acting {acting}")
               for acting, face in ((WITH, "black"), (WITHOUT, "white"))]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper center", ncols=2)
    caption = captions.compose(
        sweep,
        "Return of the last policy, acting with its noise (filled) and without (open): pale dots "
        "are seeds, lines 95% Student-t intervals of their mean; what leaves the axis ends at its "
        "edge in an arrow. The cells share their seeds: read differences off the contrasts.",
        captions.copied(copied),
    )
    return Drawing(name, figure, data.sort_values(["cell", "acting", "seed"]), caption)


def _window(data: pd.DataFrame) -> tuple[float, float]:
    """Return the range of the axis: of the runs, but for rare ones at an end."""
    low, first, last, high = np.quantile(data["return"], [0.0, 0.05, 0.95, 1.0])
    room = 0.35 * (last - first) or 1.0
    return max(low, first - room) - 0.1 * room, min(high, last + room) + 0.1 * room


def _failed(ax: Axes, sweep: Sweep, cells: list[str]) -> None:
    counts = sweep.failed["cell"].value_counts() if len(sweep.failed) else pd.Series(dtype=int)
    for cell, count in counts.items():
        total = count + int((sweep.runs["cell"] == cell).sum())
        if cell in cells:
            ax.annotate(f"{count} of {total} failed", (1.0, cells.index(str(cell))), (4, 0),
                        xycoords=("axes fraction", "data"), textcoords="offset points",
                        color=style.FAILURE, fontsize=6, va="center")  # fmt: skip
