"""How the curve figures look: what the x axis counts, and the lines of a panel with their band."""

import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from plotting import captions, style

_LETTER = 0.06  # inches, the width of one
_FEWEST = 3  # seeds of a band: with one degree of freedom it would cover the panel
_CLEAR = 20  # so many thin lines leave a panel legible; more of them are fainter
# The lowest and highest 5% of the values may each take three quarters of the height of the others.
_RARE, _ROOM = 0.05, 0.75
# Where the largest number of a logarithmic axis is so many times the least: what is numbered.
_NUMBERED = {1000.0: (1,), 10.0: (1, 2, 5), 1.5: (1, 1.2, 1.5, 2, 3, 5, 7), 0.0: ()}


class Scale(NamedTuple):
    """What the x axis of a panel counts: a share of the budget times `factor`."""

    factor: float
    label: str


def scale(budgets: Iterable[int], largest: int) -> Scale:
    """Return steps where all runs of a panel have one budget, else the share of the budget.

    Args:
        budgets: of the runs of the panel.
        largest: of the runs of the figure, which decides the unit.
    """
    distinct = set(budgets)
    if len(distinct) > 1:
        return Scale(1.0, "share of the step budget")
    units = ((10**6, " (million)"), (1000, " (thousand)"), (1, ""))
    unit, name = next((unit, name) for unit, name in units if largest >= unit)
    return Scale(distinct.pop() / unit, f"environment steps{name}")


def colours(words: Sequence[str], column: str) -> dict[str, Any]:
    """Return a colour per line: that of the word, and for cells without one a ramp in order."""
    if column != "cell" or len(words) == 1:
        return {word: style.colour(word) for word in words}
    ramp = mpl.colormaps["viridis"](np.linspace(0.0, 0.85, len(words)))
    return {word: tuple(shade) for word, shade in zip(words, ramp, strict=True)}


def draw_lines(ax: Axes, summary: pd.DataFrame, x: Scale, colour: dict[str, Any]) -> bool:
    """Draw what `curves.summarise` returns.

    Returns:
        Whether a mean lies exactly on another; it is then dashed, so that both are seen.
    """
    drawn: list[pd.DataFrame] = []
    dashed = False
    thin_lines = len(summary.loc[summary["line"] != "mean", ["word", "line"]].drop_duplicates())
    faint = style.SEED_ALPHA * min(1.0, _CLEAR / max(1, thin_lines))
    for word in map(str, summary["word"].unique()):
        mine = summary[summary["word"] == word]
        thin = mine[mine["line"] != "mean"].pivot(index="share", columns="line", values="value")
        ax.plot(thin.index * x.factor, thin, color=colour[word], lw=0.5, alpha=faint)
        seeds = mine.loc[mine["line"] == "mean", "seeds"]
        mean = mine.loc[mine["line"] == "mean", ["share", "value", "low", "high"]]
        mean = mean.reset_index(drop=True)
        hides = len(mean) > 0 and any(mean.equals(other) for other in drawn)
        if (seeds >= _FEWEST).all():
            ax.fill_between(
                mean["share"] * x.factor, mean["low"], mean["high"],
                color=colour[word], alpha=style.BAND_ALPHA, lw=0,
            )  # fmt: skip
        ax.plot(
            mean["share"] * x.factor, mean["value"],
            color=colour[word], label=word, ls=(0, (3, 3)) if hides else "-",
        )  # fmt: skip
        dashed |= hides
        drawn.append(mean)
    return dashed


def plain() -> FuncFormatter:
    """Format numbers without a power of ten where they need none."""
    return FuncFormatter(lambda number, _: f"{number:g}".replace("-", "\N{MINUS SIGN}"))


def number_log_axis(ax: Axes) -> None:
    """Number a logarithmic y axis, however little or much it spans."""
    low, high = ax.get_ylim()
    steps = next(steps for span, steps in _NUMBERED.items() if high >= span * low)
    ax.yaxis.set_major_locator(LogLocator(subs=steps) if steps else MaxNLocator(4))
    ax.yaxis.set_major_formatter(plain())
    ax.yaxis.set_minor_locator(NullLocator())


def fit_y(ax: Axes, values: "pd.Series[float]") -> None:
    """Show all values, unless rare ones at an end would squeeze the others; see `cut_off`."""
    transform = ax.yaxis.get_transform()
    numbers = transform.transform(values.dropna().to_numpy())
    if not len(numbers):
        return
    low, first, last, high = np.quantile(numbers, [0.0, _RARE, 1.0 - _RARE, 1.0])
    room = _ROOM * (last - first) or math.inf
    bottom, top = max(low, first - room), min(high, last + room)
    if bottom < top:
        margin = 0.05 * (top - bottom)
        ax.set_ylim(*transform.inverted().transform([bottom - margin, top + margin]))


def cut_off(ax: Axes, values: "pd.Series[float]", name: str = "") -> str:
    """Say how far values go beyond the axis, or nothing."""
    (bottom, top), lowest, highest = ax.get_ylim(), values.min(), values.max()
    ends = [
        f"{way} {number:.4g}"
        for way, number, beyond in (
            ("down to", lowest, lowest < bottom),
            ("up to", highest, highest > top),
        )
        if beyond
    ]
    return f"{name or 'values'} {' and '.join(ends)}" if ends else ""


def steps_axis(ax: Axes, x: Scale, *, lowest: bool, end: float = 1.0) -> None:
    """Number the x axis up to the budget, and name it.

    Args:
        ax: of the panel.
        x: its scale.
        lowest: whether no panel is below, under which the name would be.
        end: of the axis as a share of the budget; beyond 1 there is room for marks.
    """
    ticks = MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]).tick_values(0.0, x.factor)
    ax.set_xlim(0.0, end * x.factor)
    ax.set_xticks([tick for tick in ticks if 0.0 <= tick <= x.factor * 1.0001])
    ax.xaxis.set_major_formatter(plain())
    ax.set_xlabel(x.label if lowest else "")


def legend(target: Figure | Axes, colour: dict[str, Any], *further: Line2D) -> None:
    """Name the lines under all panels of a figure, or in the middle of an empty panel."""
    handles = [Line2D([], [], color=shade, label=word) for word, shade in colour.items()]
    handles += further
    if isinstance(target, Axes):
        target.set_axis_off()
        target.legend(handles=handles, loc="center")
    else:
        widths = [len(str(handle.get_label())) * _LETTER + 0.5 for handle in handles]
        room = target.get_figwidth()
        columns = len(widths) if sum(widths) < room else max(1, int(room / max(widths)))
        target.legend(handles=handles, loc="outside lower center", ncols=columns)


def title(ax: Axes, words: str, width: float) -> None:
    """Write words above a panel that is `width` inches wide, in more than one line if need be."""
    ax.set_title("\n".join(textwrap.wrap(words, int(width / _LETTER))))


def _seeds(mean: pd.DataFrame) -> str:
    """Say of how many seeds each word's means are, if not all are of equally many."""
    spans = mean.groupby("word")["seeds"].agg(["min", "max"]).astype(int)
    if len(np.unique(spans)) < 2:
        return ""
    told = [
        f"{word} {low}" if low == high else f"{word} {low} to {high}"
        for word, low, high in spans.itertuples()
    ]
    return f"Seeds of a mean: {', '.join(told)}."


def _bands(seeds: "pd.Series[int]") -> str:
    few, what = int((seeds < _FEWEST).sum()), "Band: 95% Student-t interval of the mean over seeds"
    if few == 0 or seeds.max() < 2:
        return captions.interval(seeds, what)
    reason = f"with fewer than {_FEWEST} seeds it would fill the panel"
    if few == len(seeds):
        return f"No band: {reason}."
    lines = "a mean" if few == 1 else f"{few} means"
    return f"{what}; none for {lines}: {reason}."


def explain(
    summary: pd.DataFrame, each: list[str], dashed: bool, unusable: int, cut: Sequence[str]
) -> str:
    """Say what the lines of a summary are, for a caption.

    Args:
        summary: all that is drawn.
        each: the columns that tell one thick line from another.
        dashed: see `draw_lines`.
        unusable: see `curves.Binned`.
        cut: what `cut_off` says of each panel.
    """
    mean, thin = summary[summary["line"] == "mean"], summary[summary["line"] != "mean"]
    kinds = {"single seeds" if line.startswith("seed ") else "single cells, means over their seeds"
             for line in thin["line"].unique()}  # fmt: skip
    without = sorted(set(thin["word"]) - set(mean["word"]))
    beyond = "; ".join(filter(None, cut))
    sentences = [
        "Thick: means over seeds, where every seed has a value.",
        f"Thin: {' or '.join(sorted(kinds))}." if kinds else "",
        _seeds(mean),
        _bands(mean.groupby(each)["seeds"].first()),
        f"No mean of {', '.join(without)}: no seed has all its cells." if without else "",
        "Dashed: a line that lies exactly on another." if dashed else "",
        f"Cut off at the edge: {beyond}." if beyond else "",
        f"Left out: {unusable} points that are not finite, or not above 0 on a logarithmic axis."
        if unusable
        else "",
    ]
    return " ".join(filter(None, sentences))
