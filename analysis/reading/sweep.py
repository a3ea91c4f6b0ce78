"""From a tracking store, or from data exported from one, to the tidy frames that figures are of.

A *cell* is a configuration without its seed. For every seed of a cell the latest finished run
counts; what is missing, failed, unfinished or without a return is listed in `Sweep.gaps`, and what
a later run replaced in `Sweep.notes`: nothing is dropped in silence.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reading import missing
from reading.kinds import TRAININGS, Kind, kind_of
from reading.recorded import DataError, Recorded, read

AXES, FINAL = TRAININGS.axes, TRAININGS.score

# Settings of how a run is recorded and shown, not of what is trained.
_INCIDENTAL = ("param.jobs", "param.sweep", "param.tracking.", "param.video.")
_SEED = "param.seed"


class MissingDataError(Exception):
    """The data lack what a figure or a table is of; the message says what, in one line."""


@dataclass(frozen=True, eq=False)
class Sweep:
    """The runs of one sweep, ready to be analysed.

    Attributes:
        name: of the sweep.
        runs: one row per cell and seed, in the order of the cells: `run_id`, `cell`, `seed`, the
            words of its kind's axes that the runs have, `config_hash`, `score` (the metric of its
            kind), and the columns of `gausspg.tracking.find_runs`.
        points: `run_id, step, metric, value` of those runs; `run_id` and `metric` categorical.
        gaps: `cell, seed, problem`: of what was planned, what there is no finished run of.
        notes: sentences about runs that were left out for another reason.
        varied: the axes in which the cells differ, smallest set that tells them apart.
        others: settings that tell cells apart where the axes do not.
        kind: what the runs are.
        failed: as `runs`, those that failed and have no score.
    """

    name: str
    runs: pd.DataFrame
    points: pd.DataFrame
    gaps: pd.DataFrame
    notes: tuple[str, ...]
    varied: tuple[str, ...]
    others: tuple[str, ...]
    kind: Kind = TRAININGS
    failed: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def cells(self) -> list[str]:
        """The cells that have a run, in order."""
        return list(dict.fromkeys(self.runs["cell"]))

    @property
    def seeds(self) -> list[int]:
        """All seeds, ascending."""
        return sorted(int(seed) for seed in self.runs["seed"].unique())

    @property
    def threshold(self) -> float | None:
        """The return from which an episode counts as solved, if all runs have the same."""
        return self._common("param.evaluation.solved")

    @property
    def scale(self) -> tuple[float, float] | None:
        """Returns of a random policy and of a good one, if they are known and the same for all."""
        names = ("param.evaluation.random_return", "param.evaluation.reference_return")
        low, high = (self._common(name) for name in names)
        return None if low is None or high is None else (low, high)

    def _common(self, name: str) -> float | None:
        found = set(self.runs[name].fillna("None")) if name in self.runs else set()
        return float(found.pop()) if len(found) == 1 and "None" not in found else None

    def curves(self, metric: str) -> pd.DataFrame:
        """The points of a metric with `cell`, `seed` and the words of their runs; may be empty."""
        rows = self._rows_of_metric.get(metric)
        points = self.points.iloc[[] if rows is None else rows]
        columns = ["run_id", "cell", "seed", *self.varied]
        merged = points.astype({"run_id": str}).merge(self.runs[columns], on="run_id")
        return merged.drop(columns="metric").sort_values(
            ["cell", "seed", "step"], kind="stable", ignore_index=True
        )

    @cached_property
    def _rows_of_metric(self) -> dict[str, Any]:
        # Once for all figures: to search millions of rows for each of a dozen metrics is slow.
        groups = self.points.groupby("metric", observed=True).indices
        return {str(metric): rows for metric, rows in groups.items()}


def load(
    source: str | Path,
    sweep: str | None = None,
    *,
    params: Mapping[str, object] | None = None,
    metrics: Iterable[str] | None = None,
) -> Sweep:
    """Read a sweep from a store or an export and see what is complete.

    The arguments are those of `recorded.read`.

    Raises:
        DataError: there is nothing to analyse, or an export that is not what its manifest says.
    """
    recorded = read(source, sweep, params=params, metrics=metrics)
    return sweep_of(recorded)


def sweep_of(recorded: Recorded) -> Sweep:
    """Choose the run that counts of each cell and seed, and list what there is none of.

    Raises:
        DataError: there is no finished run.
    """
    runs = recorded.runs.copy()
    settings = [
        name for name in map(str, runs)
        if name.startswith("param.") and name != _SEED and not name.startswith(_INCIDENTAL)
    ]  # fmt: skip
    if _SEED not in runs:
        raise DataError(
            f"the runs of {recorded.name} have no seed: they are no runs of this project"
        )
    try:
        kind = kind_of(runs)
    except ValueError as error:
        raise DataError(f"{recorded.name}: {error}") from error
    runs["seed"] = runs[_SEED].astype(int)
    words = runs[settings].fillna("").astype(str)
    # Of what a run has itself: whatever else is loaded beside it, its hash stays.
    runs["config_hash"] = [
        hashlib.sha256(json.dumps(sorted((k, v) for k, v in row.items() if v)).encode())
        .hexdigest()[:16]
        for row in words.assign(seed=runs[_SEED]).to_dict("records")
    ]  # fmt: skip
    # Row by row: twenty times as fast as the frame's own `agg`.
    identity = pd.Series(["\n".join(row) for row in words.to_numpy()], runs.index, dtype=object)
    for axis in kind.axes:
        runs[axis] = runs.get(f"param.{axis}", pd.Series("-", runs.index)).fillna("-")
    varied, others = _distinguishing(runs, words, identity, recorded.planned, kind)
    labels = [runs[name] for name in varied] + [
        words[name].map(f"{name.removeprefix('param.')}={{}}".format) for name in others
    ]
    cells = [" ".join(row) for row in zip(*labels, strict=True)]
    runs["cell"] = cells if labels else runs["estimator"]
    runs["score"] = runs.get(f"metric.{kind.score}", pd.Series(np.nan, runs.index))
    chosen, failed, gaps, notes = missing.choose(runs, kind)
    gaps += missing.never_run(runs, recorded.planned, [*varied, *others], kind)
    if chosen.empty:
        raise DataError(
            f"no run of {recorded.name} has finished with {kind.score}, of {len(runs)}: the first "
            f"problem is {gaps[0][2]}"
        )
    order = [*varied, "cell", "seed"]
    chosen = chosen.sort_values(order, ignore_index=True)
    points = recorded.points[recorded.points["run_id"].isin(chosen["run_id"])]
    return Sweep(
        name=recorded.name,
        runs=chosen,
        points=points.reset_index(drop=True),
        gaps=pd.DataFrame(sorted(set(gaps)), columns=["cell", "seed", "problem"]),
        notes=tuple(notes),
        varied=varied,
        others=tuple(name.removeprefix("param.") for name in others),
        kind=kind,
        failed=failed.sort_values(order, ignore_index=True),
    )


def _distinguishing(
    runs: pd.DataFrame,
    words: pd.DataFrame,
    identity: "pd.Series[str]",
    planned: Sequence[Mapping[str, str]],
    kind: Kind,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the smallest sets of axes, and of other settings, that tell all cells apart."""
    axes = list(kind.axes)
    # Also of those that are still to come; a word that they do not name is that of all runs.
    usual = runs[axes].iloc[0]
    # A plan that does not name an axis in which runs differ cannot say where its jobs stand.
    differ = [axis for axis in axes if runs[axis].nunique() > 1]
    coming = [
        {axis: job.get(axis, usual[axis]) for axis in axes}
        for job in planned
        if all(axis in job for axis in differ)
    ]
    known = pd.concat([runs[axes], pd.DataFrame(coming, columns=axes, dtype=object)])
    differing = [axis for axis in axes if known[axis].nunique() > 1]
    varied = _needed(known, [], differing, first=kind.brought)
    if _told_apart(runs, varied) == identity.nunique():
        return tuple(varied), ()
    settings = [name for name in map(str, words) if words[name].nunique() > 1]
    # The words say what is set below them, unless it was also set in another way.
    others = [
        name for name in settings
        if name.removeprefix("param.").partition(".")[0] not in varied
        or (words.groupby([runs[axis] for axis in varied])[name].nunique() > 1).any()
    ]  # fmt: skip
    return tuple(varied), tuple(_needed(pd.concat([runs[varied], words], axis=1), varied, others))


def _needed(
    frame: pd.DataFrame, kept: list[str], names: list[str], first: Sequence[str] | None = None
) -> list[str]:
    """Drop, by `first` or from the end, what tells no more rows apart than the rest does."""
    most = _told_apart(frame, [*kept, *names])
    for name in names[::-1] if first is None else first:
        fewer = [other for other in names if other != name]
        if _told_apart(frame, [*kept, *fewer]) == most:
            names = fewer
    return names


def _told_apart(frame: pd.DataFrame, names: list[str]) -> int:
    return len(frame[names].drop_duplicates()) if names else 1
