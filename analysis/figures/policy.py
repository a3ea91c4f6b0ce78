"""What does a policy do with its variance while it learns?

Over training: the standard deviation of the noise, the entropy, the share of actions at a bound,
and how far from round the Gaussian is. One figure per varied axis, a line per word: the median over
seeds of the means over the cells of the other axes that all words have. One run that diverges does
not rule a median. Dotted lines are the bounds that the standard deviation was given.

An entropy is of what the squash declares the density to be, and a line never mixes two of a kind:
that of u (`none`, `clip`) and that of the action (`tanh`, `clip_mass`) have panels of their own.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plotting import captions, panels, style
from plotting.drawing import Drawing
from reading.kinds import TRAININGS
from reading.sweep import MissingDataError, Sweep
from stats import curves, designs

OF = TRAININGS
STD, CONDITION = "policy/std_mean", "policy/condition_number"
ENTROPY = "policy/entropy"
METRICS = (STD, ENTROPY, "policy/saturation", CONDITION)
_OF_LATENT = ("none", "clip")
_BOUNDS = ("param.variance.min_std", "param.variance.max_std")


class Panel(NamedTuple):
    """One metric of some runs."""

    title: str
    metric: str
    values: pd.DataFrame
    logarithmic: bool


def draw(sweep: Sweep) -> Iterator[Drawing]:
    """Yield a figure per varied axis; see the module.

    Raises:
        MissingDataError: no run has recorded any of `METRICS`.
    """
    for place, part in _of_learners(sweep):
        drawn, copied = curves.distinct(part)
        shown = list(_panels(part, drawn))
        if not shown:
            raise MissingDataError(f"no run of {part.name} has recorded {', '.join(METRICS)}")
        for name, column in curves.lines(part):
            if part.runs.loc[drawn, column].nunique() > 1 or column == "cell":
                yield _drawing(f"policy{name}{place}", part, column, shown, copied)


def _of_learners(sweep: Sweep) -> Iterator[tuple[str, Sweep]]:
    """Yield the parts of a sweep with one environment and one learner: others are other stories."""
    for place, part in designs.parts(sweep):
        words = sorted(part.runs["learner"].unique())
        for word in words:
            runs = part.runs[part.runs["learner"] == word]
            end = f"{place}_with_{word}" if len(words) > 1 else place
            yield end, replace(part, runs=runs.reset_index(drop=True))


def _panels(sweep: Sweep, drawn: "pd.Series[bool]") -> Iterator[Panel]:
    for metric in METRICS:
        logarithmic = metric in (STD, CONDITION)
        try:
            values = curves.binned(sweep, metric, logarithm=logarithmic).values[drawn]
        except MissingDataError:
            continue
        values = values[values.notna().any(axis="columns")]
        if metric == CONDITION and (values.abs().fillna(0.0) < 1e-6).all(axis=None):
            continue  # one action dimension, or none that differ: the constant 1
        kinds = sweep.runs.loc[values.index, "squash"].map(_entropy_of)
        for kind in sorted(kinds.unique()) if metric == ENTROPY else [""]:
            mine = values[kinds == kind] if kind else values
            yield Panel(f"entropy {kind} (nats)" if kind else style.label(metric), metric, mine,
                        logarithmic)  # fmt: skip


def _entropy_of(squash: str) -> str:
    """Say what the entropy of a policy with this squash is of."""
    return "before the bound" if squash in _OF_LATENT else f"after {squash}"


def _drawing(
    name: str, sweep: Sweep, column: str, shown: list[Panel], copied: list[str]
) -> Drawing:
    across = min(3, len(shown))
    down = -(-len(shown) // across)
    figure = Figure(figsize=(style.PAGE, 0.7 + 1.6 * down))
    axes = list(figure.subplots(down, across, squeeze=False).flat)
    colour = style.colours(sorted(sweep.runs[column].unique()))
    cell = curves.joined(curves.rest(sweep, column))
    budgets = curves.budgets(sweep)
    x = panels.scale(budgets, budgets.max())
    found, cut = [], []
    for number, (ax, panel) in enumerate(zip(axes, shown, strict=False)):
        tidy = curves.pooled(panel.values, sweep.runs[column], cell, sweep.runs["seed"])
        if panel.logarithmic:
            tidy["value"] = 10.0 ** tidy["value"]
            ax.set_yscale("log")
        tidy = tidy.assign(panel=panel.title, metric=panel.metric, step=tidy["share"] * x.end)
        look = {"data": tidy, "x": "step", "y": "value", "hue": "word", "palette": colour, "ax": ax}
        if panels.few(tidy):
            sns.lineplot(**look, units="seed", estimator=None, lw=0.5, alpha=style.SEED_ALPHA,
                         legend=False)  # fmt: skip
        sns.lineplot(**look, estimator="median", errorbar=None, legend=False)
        panels.fit_y(ax, tidy["value"])
        _bounds(ax, sweep, panel)
        if panel.logarithmic:
            panels.number_log_axis(ax)
        cut.append(panels.cut_off(ax, tidy["value"], panel.title))
        ax.set_title(panel.title)
        ax.set_ylabel("")
        panels.steps_axis(ax, x, named=number + across >= len(shown))
        found.append(tidy)
    for ax in axes[len(shown) :]:
        ax.set_axis_off()
    panels.legend(figure, colour)
    data = pd.concat(found, ignore_index=True)
    caption = captions.compose(
        sweep,
        "The policy during training; its noise is before the bound, in half-ranges of the action.",
        "" if column == "cell" else f"Means over the cells that every {column} has, geometric of "
        "the standard deviation and of what follows the covariance's axes.",
        "Thick: median over seeds; thin: seeds. Environments that begin together stay in phase, "
        "which is a sawtooth. Dotted: bounds of the standard deviation.",
        captions.copied(copied),
        *cut,
    )  # fmt: skip
    return Drawing(name, figure, data.rename(columns={"word": column}), caption)


def _bounds(ax: Axes, sweep: Sweep, panel: Panel) -> None:
    """Mark the bounds of the standard deviation that lie in sight."""
    first, last = ax.get_ylim()
    for name in _BOUNDS if panel.metric == STD else ():
        values = pd.to_numeric(sweep.runs.get(name, pd.Series(dtype=float)), errors="coerce")
        for bound in values.dropna().unique():
            low, high = ax.get_ylim()
            if first / 1.5 <= bound <= last * 1.5:
                ax.axhline(bound, color=style.GREY, lw=0.8, ls=":", zorder=0)
                ax.annotate(f"bound {bound:g}", (1.0, bound), (-2, 2), fontsize=6, ha="right",
                            xycoords=("axes fraction", "data"), textcoords="offset points",
                            color="0.4")  # fmt: skip
                ax.set_ylim(min(low, bound / 1.05), max(high, bound * 1.05))
