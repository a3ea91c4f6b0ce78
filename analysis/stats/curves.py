"""What the curve figures share: one grid for all runs, and means over cells and seeds.

The budget of every run is cut into the same number of bins, so that runs of different budgets can
be laid over one another; a point counts for the stretch that ends at its step. Between two points
of a run a bin without any is interpolated; before its first and after its last there is nothing. A
mean is taken only where every seed has a value, so that its steps are never those of its members.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from reading.study import MissingDataError, Study
from stats import estimates as stats

MOST_BINS, MOST_SEEDS = 100, 20
_SUMMARY = ["word", "line", "share", "value", "low", "high", "seeds"]


class Binned(NamedTuple):
    """A metric on the common grid.

    Attributes:
        values: a row per run, indexed as `Study.runs`, a column per bin, named by the share of the
            budget at its middle; NaN where the run has nothing.
        unusable: number of points left out: not finite, or not above 0 where logarithms are taken.
        logarithm: whether the values are decadic logarithms of the metric.
    """

    values: pd.DataFrame
    unusable: int
    logarithm: bool = False


def lines(study: Study) -> list[tuple[str, str]]:
    """Return, for each figure of a kind, the end of its name and the column that its lines are."""
    return [(f"_by_{axis}", axis) for axis in study.varied] or [("", "cell")]


def rest(study: Study, column: str) -> pd.DataFrame:
    """Return what tells cells apart beside `column`, as words; no columns for a line per cell."""
    if column == "cell":
        return pd.DataFrame(index=study.runs.index)
    words = study.runs[[axis for axis in study.varied if axis != column]]
    settings = {
        name: study.runs[f"param.{name}"].fillna("-").astype(str).map(f"{name}={{}}".format)
        for name in study.others
    }
    return words.assign(**settings)


def joined(words: pd.DataFrame) -> "pd.Series[str]":
    """Return each row of `rest` as one label."""
    return pd.Series([", ".join(row) for row in words.to_numpy()], index=words.index, dtype=object)


def budgets(study: Study) -> "pd.Series[int]":
    """Return the environment steps that each run was given, indexed as `Study.runs`."""
    return study.runs["param.steps"].astype(int)


# A mean over the episodes that ended in an iteration counts as often as there were of them: where
# environments begin anew together, as after a checkpoint, the first to end are the shortest.
_WEIGHTS = {"train/return_mean": "train/episodes", "train/length_mean": "train/episodes"}


def binned(study: Study, metric: str, *, logarithm: bool = False) -> Binned:
    """Bring a metric of all runs to the common grid; with `logarithm`, its decadic one.

    What is a mean over the episodes of an iteration is weighted by their number.

    Raises:
        MissingDataError: no run has a point of it.
    """
    every = study.curves(metric)
    usable = np.isfinite(every["value"]) & ((every["value"] > 0.0) | (not logarithm))
    points = every[usable]
    if points.empty:
        raise MissingDataError(f"no run of {study.name} has recorded {metric}")
    if logarithm:
        points = points.assign(value=np.log10(points["value"]))
    # So many bins that hardly any run has an empty one.
    count = int(min(MOST_BINS, points.groupby("run_id").size().quantile(0.1, "lower")))
    budget = points["run_id"].map(budgets(study).set_axis(study.runs["run_id"]))
    ends_in = -(-points["step"] * count // budget) - 1
    weights = _weights(study, metric, points)
    bins = [points["run_id"], ends_in.clip(0, count - 1)]
    means = (points["value"] * weights).groupby(bins).sum() / weights.groupby(bins).sum()
    values = means.unstack().reindex(index=study.runs["run_id"], columns=range(count))
    values = values.interpolate(axis="columns", limit_area="inside")
    middles = pd.Index((np.arange(count) + 0.5) / count, name="share")
    values = values.set_axis(study.runs.index).set_axis(middles, axis=1)
    return Binned(values, int((~usable).sum()), logarithm)


def _weights(study: Study, metric: str, points: pd.DataFrame) -> "pd.Series[float]":
    """Return how much each point counts, indexed as they are."""
    if metric not in _WEIGHTS:
        return pd.Series(1.0, points.index)
    numbers = study.curves(_WEIGHTS[metric])
    both = points[["run_id", "step"]].merge(numbers, on=["run_id", "step"], how="left")
    return both["value"].set_axis(points.index).fillna(1.0)


def summarise(
    values: pd.DataFrame, word: "pd.Series[str]", cell: "pd.Series[str]", seed: "pd.Series[int]"
) -> pd.DataFrame:
    """Return each word's mean over cells and then over seeds, and the thin lines behind it.

    Args:
        values: rows of `Binned.values`.
        word: of every run, the line it belongs to.
        cell: of every run, which of the cells of its word.
        seed: of every run.

    Returns:
        `word, line, share, value, low, high, seeds`. `line` is "mean", over the seeds that all
        cells of the word have, with its 95% Student-t interval; else the name of a cell (mean over
        its seeds) or, for a word of one cell, of a seed, unless there are too many to be told
        apart.
    """
    rows = values.dropna(how="all")
    found = []
    for name, mine in rows.groupby(word.loc[rows.index], sort=True):
        own = cell.loc[mine.index]
        by_seed = _complete_means(mine, seed.loc[mine.index], own.nunique()).dropna(how="all")
        found.append(_mean_over_seeds(by_seed).assign(word=name, line="mean", seeds=len(by_seed)))
        if own.nunique() > 1:
            thin = _complete_means(mine, own)
        elif len(mine) <= MOST_SEEDS:
            thin = mine.set_axis("seed " + seed.loc[mine.index].astype(str)).sort_index()
        else:
            continue
        stacked = thin.rename_axis(index="line", columns="share").stack().dropna()
        tidy = pd.DataFrame({"value": stacked}).reset_index()
        found.append(tidy.assign(word=name, seeds=1 if own.nunique() == 1 else np.nan))
    summary = pd.concat(found, ignore_index=True) if found else pd.DataFrame()
    return summary.reindex(columns=_SUMMARY)


def _complete_means(
    rows: pd.DataFrame, by: "pd.Series[Any]", members: int | None = None
) -> pd.DataFrame:
    """Return the means of groups of rows where all members (all rows of the group) have a value."""
    groups = rows.groupby(by)
    wanted = groups.size() if members is None else members
    return groups.mean().where(groups.count().eq(wanted, axis=0))


def _mean_over_seeds(rows: pd.DataFrame) -> pd.DataFrame:
    complete = rows.columns[rows.notna().all()]
    if not len(rows) or not len(complete):
        return pd.DataFrame(columns=["share", "value", "low", "high"], dtype=float)
    mean = stats.mean_interval(rows[complete].to_numpy())
    return pd.DataFrame(
        {"share": complete, "value": mean.estimate, "low": mean.low, "high": mean.high}
    )
