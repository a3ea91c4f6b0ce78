"""How good is the last policy of every cell, acting with its noise and without it?

A row per cell: filled with noise, open without; a pale dot per seed, the mean over seeds and its
95% Student-t interval. Where the two lie apart, whether a policy keeps its noise decides what it is
worth. Cells share their seeds, so what a seed does to all of them cancels in comparisons: intervals
that overlap may hide a settled difference, see `contrasts`.
"""

from collections.abc import Iterator

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plotting import captions, panels, style
from plotting.drawing import Drawing
from reading.kinds import TRAININGS
from reading.outcomes import PRIMARY, returns
from reading.sweep import Sweep
from stats import curves, designs

OF = TRAININGS
_ROW = 0.23  # inches


def draw(sweep: Sweep) -> Iterator[Drawing]:
    """Yield one figure per environment."""
    for suffix, part in designs.parts(sweep):
        kept, copied = curves.distinct(part)
        runs = part.runs[kept]
        yield _drawing(f"final_returns{suffix}", part, runs.join(returns(runs)), copied)


def _drawing(name: str, sweep: Sweep, runs: pd.DataFrame, copied: list[str]) -> Drawing:
    data = runs.melt(["cell", "seed"], list(PRIMARY), "acting", "return").dropna(subset="return")
    cells = sorted(data["cell"].unique())
    figure = Figure(figsize=(style.PAGE, 0.9 + _ROW * len(cells)))
    ax = figure.subplots()
    panels.acting_rows(ax, data, cells)
    _failed(ax, sweep, cells)
    low, high = ax.get_xlim()
    if sweep.threshold is not None and low < sweep.threshold < high:
        ax.axvline(sweep.threshold, color=style.GREY, lw=0.6, ls="--", zorder=0)
        ax.annotate("solved", (sweep.threshold, 1.0), xycoords=("data", "axes fraction"),
                    ha="center", va="bottom", fontsize=7)  # fmt: skip
    ax.set_xlabel("mean return of the last policy")
    panels.acting_legend(figure)
    caption = captions.compose(
        sweep,
        "Return of the last policy, acting with its noise (filled) and without (open): pale dots "
        "are seeds, lines 95% Student-t intervals of their mean; what leaves the axis ends at its "
        "edge in an arrow. The cells share their seeds: read differences off the contrasts.",
        captions.copied(copied),
    )
    return Drawing(name, figure, data.sort_values(["cell", "acting", "seed"]), caption)


def _failed(ax: Axes, sweep: Sweep, cells: list[str]) -> None:
    counts = sweep.failed["cell"].value_counts() if len(sweep.failed) else pd.Series(dtype=int)
    for cell, count in counts.items():
        total = count + int((sweep.runs["cell"] == cell).sum())
        if cell in cells:
            ax.annotate(f"{count} of {total} failed", (1.0, cells.index(str(cell))), (4, 0),
                        xycoords=("axes fraction", "data"), textcoords="offset points",
                        color=style.FAILURE, fontsize=6, va="center")  # fmt: skip
