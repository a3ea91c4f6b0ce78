"""A forest plot: a row per contrast, a column per environment, the verdict in words beside it."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from plotting import panels, style
from reading.outcomes import WITH, WITHOUT
from stats.estimates import Array
from stats.verdicts import ALL, DIFFERS, MATTERS, NEGLIGIBLE, OPEN, SAME

ROW, HEAD = 0.34, 0.25
"""Inches: height of a contrast, and of the title of a block."""
_SHIFT = {WITH: -0.17, WITHOUT: 0.17}
_LOOK: dict[str, Any] = {
    WITH: {"marker": "o", "mfc": "black"}, WITHOUT: {"marker": "o", "mfc": "white"}
}  # fmt: skip
_INK = {MATTERS: "#8B0000", DIFFERS: "#8B0000", NEGLIGIBLE: "#1B5E20", OPEN: "#555555",
        SAME: "#555555"}  # fmt: skip
_LINE = 27  # characters of a row's name
_MINUS = "\N{MINUS SIGN}"


class Row(NamedTuple):
    """A line of the plot: a contrast, or the title of a block."""

    contrast: str
    title: str
    at: float


def rows_of(table: pd.DataFrame) -> list[Row]:
    """Return the lines from top to bottom; blocks and contrasts stay in the order they have."""
    found, at = [], 0.0
    for block, those in table.groupby("block", sort=False):
        if block:
            found.append(Row("", style.plain(str(block)), at))
            at += HEAD / ROW
        for contrast, mine in those.groupby("contrast", sort=False):
            found.append(Row(str(contrast), style.plain(str(mine["title"].iloc[0])), at))
            at += 1.0
    return found


def height(rows: Sequence[Row]) -> float:
    """Return the inches that the rows need."""
    return ROW * (rows[-1].at + 1.0)


def draw(
    figure: FigureBase, table: pd.DataFrame, columns: Mapping[str, str],
    titles: Mapping[str, str], margin: float | None, unit: str,
) -> None:  # fmt: skip
    """Draw the rows of `verdicts` in a column per environment.

    Args:
        figure: to be drawn in.
        table: see `stats.verdicts.verdicts`; of a contrast that has them only the primary endpoints
            are shown. What there is of one environment only stands under `ALL`, too, with its name
            in the verdict.
        columns: what each environment (and `ALL`) with a column is called, from left to right.
        titles: what every environment is called.
        margin: smallest difference of interest, None if there is none.
        unit: of the differences.
    """
    primary = table["endpoint"].isin(_SHIFT)
    table = table[primary | ~primary.groupby(table["contrast"]).transform("any")].copy()
    counts = table.groupby(["contrast", "endpoint"])["environment"].transform("size")
    table["only"] = _only(table, titles) if len(columns) > 1 else ""
    table = pd.concat([table, table[counts == 1].assign(environment=ALL)], ignore_index=True)
    rows = rows_of(table)
    axes = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    window = _window(table, margin)
    for ax, (environment, title) in zip(axes, columns.items(), strict=True):
        mine = table[table["environment"] == environment]
        for row in rows:
            if row.contrast:
                _cell(ax, mine[mine["contrast"] == row.contrast], row.at, window)
        if margin is not None:
            ax.axvspan(-margin, margin, color="0.88", lw=0, zorder=0)
        ax.axvline(0.0, color="0.6", lw=0.6, zorder=1)
        ax.set_xlim(*window)
        ax.set_title(title, fontweight="bold" if environment == ALL else "normal")
        ax.xaxis.set_major_locator(MaxNLocator(4, symmetric=True))
        ax.xaxis.set_major_formatter(panels.plain())
        ax.tick_params(axis="y", length=0)
        sns.despine(ax=ax, left=True)
    axes[0].set_ylim(rows[-1].at + 0.6, -0.6)
    axes[0].set_yticks([row.at for row in rows], [textwrap.fill(row.title, _LINE) for row in rows])
    for label, row in zip(axes[0].get_yticklabels(), rows, strict=True):
        label.set_fontweight("normal" if row.contrast else "bold")
    figure.supxlabel(unit, fontsize=8)
    last = table[table["environment"] == list(columns)[-1]]
    for row in rows:
        for one in last[last["contrast"] == row.contrast].to_dict("records"):
            place = row.at + _SHIFT.get(one["endpoint"], 0.0)
            axes[-1].annotate(verdict_words(one), (1.0, place), (6, 0), fontsize=6.5, va="center",
                              xycoords=("axes fraction", "data"), textcoords="offset points",
                              color=_INK[one["verdict"]],
                              style="normal" if one["confirmatory"] else "italic")  # fmt: skip


def _only(table: pd.DataFrame, titles: Mapping[str, str]) -> "pd.Series[str]":
    """Return by row the one environment that its contrast differs in, or nothing if several."""
    own = table[(table["environment"] != ALL) & (table["verdict"] != SAME)]
    names = own.groupby(["contrast", "endpoint"])["environment"].agg(list)
    found = {key: titles[one[0]] for key, one in names.items() if len(one) == 1}
    keys = zip(table["contrast"], table["endpoint"], strict=True)
    return pd.Series([found.get(key, "") for key in keys], table.index)


def verdict_words(row: Mapping[Any, Any]) -> str:
    """Return a verdict with its number and its seeds: `matters: +0.12 (n 15)`."""
    where = f"{row['only']}, " if row.get("only") else ""
    if row["verdict"] == SAME:
        return "identical runs"
    needs = float(row["needs"])
    more = "" if math.isnan(needs) else f", about {needs:.0f} more"
    more = ", over 1,000 more" if needs > 1000 else more
    told = f"{where}n {row['seeds']:.0f}{more}"
    return f"{row['verdict']}: {signed(row['estimate'])} ({told})"


def signed(value: float) -> str:
    """Write a difference with its sign and the digits that it needs."""
    places = next((n for n, least in ((0, 20.0), (1, 2.0), (2, 0.01)) if abs(value) >= least), 3)
    return f"{value:+.{places}f}".replace("-", _MINUS)


def legend(figure: FigureBase, margin: float | None, others: str = "") -> None:
    """Say what filled, open and grey are, and, if not empty, what the diamond is."""
    handles: list[Any] = [
        Line2D([], [], marker="o", color="black", mfc=face, lw=1.1, ms=4, label=f"acting {how}")
        for how, face in ((f"{WITH} (sampled)", "black"), (f"{WITHOUT} (the mean)", "white"))
    ]
    handles.append(Line2D([], [], marker="o", color="0.6", ms=2.5, lw=0, label="one seed"))
    if others:
        handles.append(Line2D([], [], marker="D", color="black", mfc="0.75", lw=1.1, ms=4,
                              label=others))  # fmt: skip
    if margin is not None:
        told = f"too small to matter (\N{PLUS-MINUS SIGN}{margin:g})"
        handles.append(Patch(color="0.88", label=told))
    figure.legend(handles=handles, loc="outside upper center", ncols=5, columnspacing=1.2)


def _window(table: pd.DataFrame, margin: float | None) -> tuple[float, float]:
    """Return the common range: of the estimates, and of intervals as far as they are not rare.

    Of the confirmatory rows, if there are some: what is exploratory may leave it, with an arrow.
    """
    table = table[table["confirmatory"]] if table["confirmatory"].any() else table
    ends = np.abs(table[["low", "high"]].to_numpy(dtype=float))
    usual = float(np.nanquantile(ends, 0.8)) if np.isfinite(ends).any() else 0.0
    half = max(1.15 * float(table["estimate"].abs().max()), usual, 3.0 * (margin or 0.0))
    half = half or 1.0
    return -half, half


def _cell(ax: Axes, rows: pd.DataFrame, at: float, window: tuple[float, float]) -> None:
    failed = 0
    for row in rows.to_dict("records"):
        place = at + _SHIFT.get(row["endpoint"], 0.0)
        if row["verdict"] == SAME:
            ax.text(0.0, at, "identical runs", fontsize=6, ha="center", va="center", color="0.4",
                    bbox={"facecolor": "white", "lw": 0, "pad": 0.5})  # fmt: skip
            return
        if len(row["parts"]) == 1:
            _seeds(ax, row["parts"][0].differences, place, window)
        panels.interval_bar(ax, (row["low"], row["high"]), place, window, "black")
        look = _LOOK.get(row["endpoint"], {"marker": "D", "mfc": "0.75"})
        if window[0] <= row["estimate"] <= window[1]:
            ax.plot([row["estimate"]], [place], ms=4, color="black", mew=0.9, zorder=4, **look)
        failed = max(failed, row["failed_plus"] + row["failed_minus"])
        total = row["runs_plus"] + row["runs_minus"]
    if failed:
        ax.annotate(f"{failed} of {total} failed", (0.0, at), (0, -8), fontsize=5.5, va="center",
                    xycoords=("axes fraction", "data"), textcoords="offset points",
                    color=style.FAILURE)  # fmt: skip


def _seeds(ax: Axes, differences: Array, place: float, window: tuple[float, float]) -> None:
    """Draw a dot per seed, and one beyond the axis as an arrow at its end."""
    low, high = window
    inside = differences[(differences >= low) & (differences <= high)]
    look: dict[str, Any] = {"color": "0.5", "alpha": 0.6, "mew": 0}
    ax.plot(inside, [place] * len(inside), "o", ms=2.4, **look)
    beyond = ((low, "<", differences < low), (high, ">", differences > high))
    for end, marker, those in beyond:
        if those.any():
            ax.plot([end], [place], marker, ms=4, clip_on=False, **look)
