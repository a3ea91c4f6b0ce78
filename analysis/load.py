"""From a tracking store, or from data exported from one, to the tidy frames that figures are of.

A *cell* is a configuration without its seed. For every seed of a cell the latest finished run
counts; what is missing, failed, unfinished or without a return is listed in `Study.gaps`, and what
a later run replaced in `Study.notes`: nothing is dropped in silence.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recorded import DataError, Recorded, read

AXES = ("env", "policy", "variance", "squash", "estimator", "learner")
# In the order in which others bring them along: an estimator its learner, that its squash.
_BROUGHT = ("squash", "learner", "policy", "variance", "estimator", "env")
FINAL = "eval/final_deterministic_return_mean"

# Settings of how a run is recorded and shown, not of what is trained.
_INCIDENTAL = ("param.jobs", "param.sweep", "param.tracking.", "param.video.")
_SEED = "param.seed"
_SEEN = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "killed"}


@dataclass(frozen=True)
class Study:
    """The runs of one sweep, ready to be analysed.

    Attributes:
        name: of the sweep.
        runs: one row per cell and seed, in the order of the cells: `run_id`, `cell`, `seed`, the
            words of `AXES` that the runs have, `config_hash`, `score` (`FINAL`), and the columns of
            `gausspg.tracking.find_runs`.
        points: `run_id, step, metric, value` of those runs; `run_id` and `metric` categorical.
        gaps: `cell, seed, problem`: of what was planned, what there is no finished run of.
        notes: sentences about runs that were left out for another reason.
        varied: the axes in which the cells differ, smallest set that tells them apart.
        others: settings that tell cells apart where the axes do not.
    """

    name: str
    runs: pd.DataFrame
    points: pd.DataFrame
    gaps: pd.DataFrame
    notes: tuple[str, ...]
    varied: tuple[str, ...]
    others: tuple[str, ...]

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
        name = "param.evaluation.solved"
        found = set(self.runs[name]) if name in self.runs else set()
        return float(found.pop()) if len(found) == 1 and found.isdisjoint({"None", None}) else None

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
) -> Study:
    """Read a sweep from a store or an export and see what is complete.

    The arguments are those of `recorded.read`.

    Raises:
        DataError: there is nothing to analyse, or an export that is not what its manifest says.
    """
    recorded = read(source, sweep, params=params, metrics=metrics)
    return study_of(recorded)


def study_of(recorded: Recorded) -> Study:
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
        raise DataError(f"the runs of {recorded.name} have no seed: they are no trainings")
    runs["seed"] = runs[_SEED].astype(int)
    words = runs[settings].fillna("").astype(str)
    runs["config_hash"] = [
        hashlib.sha256(json.dumps(row).encode()).hexdigest()[:16]
        for row in words.assign(seed=runs[_SEED]).to_dict("records")
    ]
    identity = words.agg("\n".join, axis=1)
    for axis in AXES:
        runs[axis] = runs.get(f"param.{axis}", pd.Series("-", runs.index)).fillna("-")
    varied, others = _distinguishing(runs, words, identity, recorded.planned)
    labels = [runs[name] for name in varied] + [
        words[name].map(f"{name.removeprefix('param.')}={{}}".format) for name in others
    ]
    label = pd.concat(labels, axis=1).agg(" ".join, axis=1) if labels else runs["estimator"]
    runs["cell"] = label
    runs["score"] = runs.get(f"metric.{FINAL}", pd.Series(np.nan, runs.index))
    chosen, gaps, notes = _choose(runs)
    gaps += _never_run(runs, recorded.planned, [*varied, *others])
    if chosen.empty:
        raise DataError(
            f"no run of {recorded.name} has finished with a return, of {len(runs)}: the first "
            f"problem is {gaps[0][2]}"
        )
    order = [*varied, "cell", "seed"]
    chosen = chosen.sort_values(order, ignore_index=True)
    points = recorded.points[recorded.points["run_id"].isin(chosen["run_id"])]
    return Study(
        name=recorded.name,
        runs=chosen,
        points=points.reset_index(drop=True),
        gaps=pd.DataFrame(sorted(set(gaps)), columns=["cell", "seed", "problem"]),
        notes=tuple(notes),
        varied=varied,
        others=tuple(name.removeprefix("param.") for name in others),
    )


def _distinguishing(
    runs: pd.DataFrame,
    words: pd.DataFrame,
    identity: "pd.Series[str]",
    planned: Sequence[Mapping[str, str]],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the smallest sets of axes, and of other settings, that tell all cells apart."""
    # Also of those that are still to come; a word that they do not name is that of all runs.
    usual = runs[list(AXES)].iloc[0]
    # A plan that does not name an axis in which runs differ cannot say where its jobs stand.
    differ = [axis for axis in AXES if runs[axis].nunique() > 1]
    coming = [
        {axis: job.get(axis, usual[axis]) for axis in AXES}
        for job in planned
        if all(axis in job for axis in differ)
    ]
    known = pd.concat([runs[list(AXES)], pd.DataFrame(coming, columns=list(AXES), dtype=object)])
    differing = [axis for axis in AXES if known[axis].nunique() > 1]
    varied = _needed(known, [], differing, first=_BROUGHT)
    if _told_apart(runs, varied) == identity.nunique():
        return tuple(varied), ()
    others = [
        name for name in map(str, words)
        if words[name].nunique() > 1 and name.removeprefix("param.").partition(".")[0] not in varied
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


Gap = tuple[str, int, str]


def _choose(runs: pd.DataFrame) -> tuple[pd.DataFrame, list[Gap], list[str]]:
    """Return the runs that count, the gaps, and notes on runs replaced by later ones."""
    key = ["cell", "seed"]
    good = (runs["status"] == "FINISHED") & np.isfinite(runs["score"])
    chosen = runs[good].drop_duplicates(key, keep="last")
    tried = runs.drop_duplicates(key, keep="last").set_index(key)
    without = tried[~tried.index.isin(chosen.set_index(key).index)]
    gaps = [
        (str(cell), int(seed), _problem(str(status), error))
        for (cell, seed), status, error in zip(
            without.index, without["status"], without.get("error", without["status"]), strict=True
        )
    ]
    replaced = len(runs) - len(tried)
    plural = "runs were" if replaced > 1 else "run was"
    notes = [f"{replaced} further {plural} of a cell and seed that ran again"] if replaced else []
    return chosen, gaps, notes


def _problem(status: str, error: object) -> str:
    if status == "FINISHED":
        return f"its {FINAL} is not finite or missing"
    told = f": {error}" if isinstance(error, str) and error != status else ""
    return _SEEN.get(status, "unfinished") + told


def _never_run(
    runs: pd.DataFrame, planned: Sequence[Mapping[str, str]], naming: Sequence[str]
) -> list[Gap]:
    """Return the planned jobs that left no run, and the seeds that only some cells have."""
    gaps: list[Gap] = []
    there = runs.filter(like="param.").rename(columns=lambda name: name.removeprefix("param."))
    named = [name.removeprefix("param.") for name in naming]
    for job in _absent(planned, there.astype(str)):
        parts = [
            job[name] if name in AXES else f"{name}={job[name]}" for name in named if name in job
        ]
        gaps.append(
            (" ".join(parts) or str(runs["cell"].iloc[0]), int(job["seed"]), "never started")
        )
    known = {(cell, seed) for cell, seed, _ in gaps}
    everywhere = set(runs["seed"])
    for label, seeds in runs.groupby("cell", sort=False)["seed"].unique().items():
        absent = {(str(label), int(seed)) for seed in everywhere.difference(seeds)} - known
        gaps += [(cell, seed, "no run") for cell, seed in absent]
    return gaps


def _absent(planned: Sequence[Mapping[str, str]], there: pd.DataFrame) -> list[dict[str, str]]:
    """Return the planned jobs to which no run corresponds in all the settings they name."""
    found: list[dict[str, str]] = []
    # Each command plans in its own terms: jobs are compared in what their own plan names.
    for keys in dict.fromkeys(tuple(job) for job in planned):
        alike = pd.DataFrame([job for job in planned if tuple(job) == keys]).drop_duplicates()
        recorded = there.reindex(columns=list(keys)).drop_duplicates()
        merged = alike.merge(recorded, on=list(keys), how="left", indicator="found")
        absent = merged.loc[merged["found"] == "left_only", list(keys)]
        found += [{str(k): str(v) for k, v in row.items()} for row in absent.to_dict("records")]
    return found
