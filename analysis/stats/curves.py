"""What the curve figures share: one grid for all runs, and the lines that are drawn of it.

The budget of every run is cut into the same number of bins, so that runs of different budgets can
be laid over one another; a point counts for the stretch that ends at its step. Between two points
of a run a bin without any is interpolated; before its first and after its last there is nothing.
A mean is taken only where every seed has a value, so that its steps are never those of its members.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from reading.outcomes import copies
from reading.study import Study
from reading.sweep import MissingDataError, Sweep

MOST_BINS = 100


class Binned(NamedTuple):
    """A metric on the common grid.

    Attributes:
        values: a row per run, indexed as `Sweep.runs`, a column per bin, named by the share of the
            budget at its middle; NaN where the run has nothing.
        unusable: number of points left out: not finite, or not above 0 where logarithms are taken.
        logarithm: whether the values are decadic logarithms of the metric.
    """

    values: pd.DataFrame
    unusable: int
    logarithm: bool = False


def lines(sweep: Sweep) -> list[tuple[str, str]]:
    """Return, for each figure of a kind, the end of its name and the column that its lines are."""
    return [(f"_by_{axis}", axis) for axis in sweep.varied] or [("", "cell")]


def rest(sweep: Sweep, column: str) -> pd.DataFrame:
    """Return what tells cells apart beside `column`, as words; no columns for a line per cell."""
    return words_beside(sweep.runs, sweep, column)


def words_beside(runs: pd.DataFrame, sweep: Sweep, column: str) -> pd.DataFrame:
    """Return `rest` of any runs of a sweep."""
    if column == "cell":
        return pd.DataFrame(index=runs.index)
    words = runs[[axis for axis in sweep.varied if axis != column]]
    settings = {
        name: runs[f"param.{name}"].fillna("-").astype(str).map(f"{name}={{}}".format)
        for name in sweep.others
    }
    return words.assign(**settings)


def joined(words: pd.DataFrame) -> "pd.Series[str]":
    """Return each row of `rest` as one label."""
    return pd.Series([", ".join(row) for row in words.to_numpy()], index=words.index, dtype=object)


def budgets(sweep: Sweep | Study) -> "pd.Series[int]":
    """Return the environment steps that each run was given, indexed as `Sweep.runs`."""
    return sweep.runs["param.steps"].astype(int)


# A mean over the episodes that ended in an iteration counts as often as there were of them: where
# environments begin anew together, as after a checkpoint, the first to end are the shortest.
_WEIGHTS = {"train/return_mean": "train/episodes", "train/length_mean": "train/episodes"}


def binned(sweep: Sweep | Study, metric: str, *, logarithm: bool = False) -> Binned:
    """Bring a metric of all runs to the common grid; with `logarithm`, its decadic one.

    What is a mean over the episodes of an iteration is weighted by their number.

    Raises:
        MissingDataError: no run has a point of it.
    """
    every = sweep.curves(metric)
    usable = np.isfinite(every["value"]) & ((every["value"] > 0.0) | (not logarithm))
    points = every[usable]
    if points.empty:
        raise MissingDataError(f"no run of {sweep.name} has recorded {metric}")
    if logarithm:
        points = points.assign(value=np.log10(points["value"]))
    # So many bins that hardly any run has an empty one.
    count = int(min(MOST_BINS, points.groupby("run_id").size().quantile(0.1, "lower")))
    budget = points["run_id"].map(budgets(sweep).set_axis(sweep.runs["run_id"]))
    ends_in = -(-points["step"] * count // budget) - 1
    weights = _weights(sweep, metric, points)
    bins = [points["run_id"], ends_in.clip(0, count - 1)]
    means = (points["value"] * weights).groupby(bins).sum() / weights.groupby(bins).sum()
    values = means.unstack().reindex(index=sweep.runs["run_id"], columns=range(count))
    values = values.interpolate(axis="columns", limit_area="inside")
    middles = pd.Index((np.arange(count) + 0.5) / count, name="share")
    values = values.set_axis(sweep.runs.index).set_axis(middles, axis=1)
    return Binned(values, int((~usable).sum()), logarithm)


def _weights(sweep: Sweep | Study, metric: str, points: pd.DataFrame) -> "pd.Series[float]":
    """Return how much each point counts, indexed as they are."""
    if metric not in _WEIGHTS:
        return pd.Series(1.0, points.index)
    numbers = sweep.curves(_WEIGHTS[metric])
    both = points[["run_id", "step"]].merge(numbers, on=["run_id", "step"], how="left")
    return both["value"].set_axis(points.index).fillna(1.0)


def distinct(sweep: Sweep) -> tuple["pd.Series[bool]", list[str]]:
    """Tell which runs are drawn, and say which are left out as copies of others, to the bit.

    A cell is left out if all its runs are copies of those of one other cell.
    """
    of = copies(sweep.runs)
    cells = sweep.runs.set_index("run_id")["cell"]
    drawn, told = pd.Series(True, sweep.runs.index), []
    for cell, mine in of.groupby(sweep.runs["cell"], sort=True):
        originals = set(mine.map(cells).fillna("")) if (mine != "").all() else set()
        if len(originals) == 1:
            drawn &= sweep.runs["cell"] != cell
            told.append(f"{cell} = {originals.pop()}")
    return drawn, told


def lines_of(values: pd.DataFrame, **columns: "pd.Series[Any]") -> pd.DataFrame:
    """Return rows of `Binned.values` with what they are called, a row per bin: `share, value`.

    Where not every seed of a group (the columns but `seed`) has a value there is none.
    """
    names = [name for name in columns if name != "seed"]
    told = pd.DataFrame({name: column.loc[values.index] for name, column in columns.items()})
    tidy = told.join(values).melt([*columns], var_name="share", value_name="value")
    keys = [*names, "share"]
    groups = tidy.groupby(keys)["value"]
    whole = groups.transform("count") == groups.transform("size")
    return tidy[whole].astype({"share": float}).reset_index(drop=True)


def pooled(
    values: pd.DataFrame, word: "pd.Series[str]", cell: "pd.Series[str]", seed: "pd.Series[int]"
) -> pd.DataFrame:
    """Return `lines_of` the mean over the cells that all words have, by word and seed.

    Words are compared over the same cells; all count if there is no cell that all words have.
    """
    there = values.dropna(how="all").index
    word, cell, seed = word.loc[there], cell.loc[there], seed.loc[there]
    words = word.groupby(cell).nunique()
    kept = cell.isin(words.index[words == word.nunique()])
    kept = kept if kept.any() else ~kept
    groups = values.loc[there][kept].groupby([word[kept], seed[kept]])
    counts = cell[kept].groupby([word[kept], seed[kept]]).nunique()
    most = counts.groupby(level=0).transform("max")
    means = groups.mean().where(groups.count().eq(counts, axis=0))[counts == most]
    told = means.index.to_frame(index=False).set_axis(["word", "seed"], axis=1)
    return lines_of(means.reset_index(drop=True), word=told["word"], seed=told["seed"])
