"""How many runs solve the task, and after how many environment steps?

One panel per varied axis, a line per word: the share of runs whose evaluation without noise has
reached the return from which an episode counts as solved, as one minus the Kaplan-Meier estimate
of survival. The higher line solves more often, the one further left sooner; a line that ends flat
below 1 has runs that the budget did not suffice for. That a run falls back later does not count.
"""

import math
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats as scipy_stats

from plotting import captions, curve_panels, style
from plotting.curve_pooling import matched, unmatched
from plotting.drawing import Drawing
from reading.kinds import TRAININGS
from reading.study import MissingDataError, Study
from stats import curves, designs

OF = TRAININGS

METRIC = "eval/deterministic_return_mean"
_ACROSS = 3
_FAILED = ("failed", "its ")
"""How the problem begins of a run that came to its end without a result."""


def draw(study: Study) -> Iterator[Drawing]:
    """Yield one figure; see the module.

    Raises:
        MissingDataError: the runs have no threshold, or no evaluations during training.
    """
    for place, part in designs.parts(study):
        if part.threshold is None:
            raise MissingDataError(
                f"the runs of {part.name} have no evaluation.solved in common, the return from "
                "which an episode counts as solved"
            )
        runs = _times(part, part.threshold)
        yield _drawing(f"solved_time{place}", part, pd.concat([runs, _failed(part)]))


def _times(study: Study, threshold: float) -> pd.DataFrame:
    """Return of each run with evaluations the share of its budget at which it first passed."""
    points = study.curves(METRIC)
    if points.empty:
        raise MissingDataError(f"no run of {study.name} has recorded {METRIC}")
    first = points[points["value"] >= threshold].groupby("run_id")["step"].min()
    runs = study.runs[study.runs["run_id"].isin(points["run_id"])]
    steps = runs["run_id"].map(first)
    share = (steps / curves.budgets(study).loc[runs.index]).clip(upper=1.0)
    return runs[["cell", *study.varied, "seed"]].assign(
        share=share.fillna(1.0), passed=steps.notna(), failed=False
    )


def _failed(study: Study) -> pd.DataFrame:
    """Return the runs without a result as runs that have not passed within their budget."""
    gaps = study.gaps[study.gaps["problem"].str.startswith(_FAILED)]
    words = {
        axis: gaps["cell"].str.split(" ").str[number] for number, axis in enumerate(study.varied)
    }
    failed = gaps[["cell", "seed"]].assign(**words, share=1.0, passed=False, failed=True)
    # Apart from the numbers of the runs, and of one type also where there is none.
    return failed.set_axis(range(-len(failed), 0)).astype({"passed": bool, "failed": bool})


def _curve(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the share of runs that have passed, with its 95% band: the corners of its steps.

    The band is undefined, NaN, while none and once all have passed, and of one seed.
    """
    sample = scipy_stats.CensoredData.right_censored(runs["share"], ~runs["passed"])
    survival = scipy_stats.ecdf(sample).sf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # where it is undefined
        # The stubs take the two curves for numbers.
        band: Any = survival.confidence_interval(method="log-log")
    curve = pd.DataFrame(
        {
            "share": survival.quantiles,
            "value": 1.0 - survival.probabilities,
            "low": 1.0 - band.high.probabilities,
            "high": 1.0 - band.low.probabilities,
        }
    )
    ends = pd.DataFrame({"share": [0.0, 1.0], "value": [0.0, runs["passed"].mean()]})
    curve = (
        pd.concat([curve, ends]).drop_duplicates("share").sort_values("share", ignore_index=True)
    )
    if runs["seed"].nunique() < 2:
        curve[["low", "high"]] = math.nan
    return curve.assign(runs=len(runs), passed=int(runs["passed"].sum()))


def _drawing(name: str, study: Study, runs: pd.DataFrame) -> Drawing:
    axes_of = [column for _, column in curves.lines(study)]
    across = min(_ACROSS, len(axes_of))
    down = math.ceil(len(axes_of) / across)
    figure = Figure(figsize=(style.PAGE if across > 1 else style.COLUMN, 2.7 * down))
    axes = list(figure.subplots(down, across, squeeze=False).flat)
    budgets = curves.budgets(study)
    x = curve_panels.scale(budgets, budgets.max())
    found, notes = [], []
    for number, column in enumerate(axes_of):
        rest = _rest(runs, study.varied, column)
        kept = matched(runs[column], rest)
        notes.append(unmatched(runs[column], rest, kept))
        drawn = [_curve(mine).assign(axis=column, word=word)
                 for word, mine in runs[kept].groupby(column)]  # fmt: skip
        found += drawn
        _panel(axes[number], drawn, x, column)
        if number % across == 0:
            axes[number].set_ylabel(f"share of runs past {study.threshold:g}")
    for ax in axes[len(axes_of) :]:
        ax.set_axis_off()
    data = pd.concat(found, ignore_index=True)
    if len(set(budgets)) == 1:
        data = data.assign(step=data["share"] * budgets.iloc[0])
    return Drawing(name, figure, data, _caption(study, runs, notes))


def _rest(runs: pd.DataFrame, varied: Sequence[str], column: str) -> "pd.Series[str]":
    """Return what a cell is beside its word of `column`, also of cells without a finished run."""
    if column == "cell":
        return pd.Series("", runs.index)
    settings = runs["cell"].map(lambda cell: " ".join(cell.split(" ")[len(varied) :]))
    words = runs[[axis for axis in varied if axis != column]]
    return curves.joined(words.assign(settings=settings))


def _panel(ax: Axes, drawn: Sequence[pd.DataFrame], x: curve_panels.Scale, column: str) -> None:
    colour = curve_panels.colours([str(curve["word"].iloc[0]) for curve in drawn], column)
    for number, ((word, shade), curve) in enumerate(zip(colour.items(), drawn, strict=True)):
        hides = any(_same(curve, other) for other in drawn[:number])
        passed, count = curve[["passed", "runs"]].iloc[0]
        corners = curve.loc[np.repeat(curve.index, 2)]
        at = corners["share"].to_numpy()[1:] * x.factor
        steps = corners.iloc[:-1]
        ax.fill_between(at, steps["low"], steps["high"], color=shade, alpha=style.BAND_ALPHA, lw=0)
        ax.plot(
            at, steps["value"], color=shade, ls=(0, (3, 3)) if hides else "-",
            label=f"{word} ({passed} of {count})", clip_on=False,
        )  # fmt: skip
    ax.set_ylim(0.0, 1.0)
    curve_panels.steps_axis(ax, x, lowest=True)
    ax.set_title("" if column == "cell" else column)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.28))


def _same(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    columns = ["share", "value"]
    return one[columns].reset_index(drop=True).equals(other[columns].reset_index(drop=True))


def _caption(study: Study, runs: pd.DataFrame, notes: Sequence[str]) -> str:
    failed, alone = int(runs["failed"].sum()), runs["seed"].nunique() < 2
    passed = int(runs["passed"].sum())
    return captions.compose(
        study,
        f"Share of runs whose evaluation without noise has reached {study.threshold:g}: one minus "
        f"the Kaplan-Meier estimate of survival; {passed} of {len(runs)} runs pass, the others are "
        "right-censored at the end of their budget.",
        "A step is the first evaluation that passes, late by up to the steps between two.",
        "" if passed else "No run has passed it, so all lines are zero.",
        f"Runs that failed ({failed}) count as not passing." if failed else "",
        "No band: one seed says nothing of the spread." if alone else
        "Band: 95%, pointwise (log-log), of runs taken as independent; undefined, and not drawn, "
        "while none and once all have passed.",
        *dict.fromkeys(notes),
    )  # fmt: skip
