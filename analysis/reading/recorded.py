"""What was recorded of a sweep, read as it is from a tracking store or from an export of one."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from gausspg.tracking import RUN_COLUMNS, StoreError, artifact_file, find_runs, metric_history

MANIFEST, RUNS, POINTS = "manifest.json", "runs.parquet", "points.parquet"
_OF = "sweep of the job"


class DataError(ValueError):
    """What was asked for cannot be analysed; the message is one line."""


@dataclass(frozen=True)
class Recorded:
    """What a store or an export holds of one sweep, as it is.

    Attributes:
        name: of the sweep, or of the selection.
        runs: see `gausspg.tracking.find_runs`; all runs, finished or not.
        points: see `gausspg.tracking.metric_history`.
        planned: per job of the sweep, the settings in which jobs differ and the seed, as strings.
    """

    name: str
    runs: pd.DataFrame
    points: pd.DataFrame
    planned: Sequence[Mapping[str, str]]


def read(
    source: str | Path,
    sweep: str | None = None,
    *,
    params: Mapping[str, object] | None = None,
    metrics: Iterable[str] | None = None,
) -> Recorded:
    """Read everything recorded of a sweep.

    Args:
        source: URI of a tracking store, or the folder of an export.
        sweep: its name; not needed where there is only one.
        params: keep the runs with these settings, `{"env": "pendulum"}`.
        metrics: whose points to read; None: all.

    Raises:
        DataError: there is nothing of the kind, or an export that is not what its manifest says.
    """
    try:
        if Path(source).is_dir():
            return _from_export(Path(source), sweep, params, metrics)
        return _from_store(str(source), sweep, params, metrics)
    except StoreError as error:
        raise DataError(str(error)) from error


def _from_store(
    uri: str,
    sweep: str | None,
    params: Mapping[str, object] | None,
    metrics: Iterable[str] | None,
) -> Recorded:
    everything, parents = _runs_and_parents(uri)
    return _of_store(uri, everything, parents, sweep, params, metrics)


def _runs_and_parents(uri: str) -> tuple[pd.DataFrame, "pd.Series[bool]"]:
    everything = find_runs(uri, parents=True)
    parents = everything.pop("kind") == "sweep"
    if parents.all():
        raise DataError(
            f"the store {uri} holds no runs: record some, or name another with --store URI"
        )
    return everything, parents


def _of_store(
    uri: str,
    everything: pd.DataFrame,
    parents: "pd.Series[bool]",
    sweep: str | None,
    params: Mapping[str, object] | None,
    metrics: Iterable[str] | None,
) -> Recorded:
    runs = everything[~parents]
    if sweep is not None:
        runs = _with_those_of_others(uri, sweep, runs, everything[parents])
    name, runs = _one_sweep(runs, sweep, params)
    planned: list[Mapping[str, str]] = []
    # Sweeps that began have a parent; a filter chooses among runs, not among plans.
    for parent in everything.loc[parents & (everything["sweep"] == name), "run_id"]:
        planned += [] if params else _plan(uri, parent)
    return Recorded(name, runs, metric_history(uri, runs["run_id"], metrics), planned)


def read_several(source: str | Path, sweeps: Sequence[str]) -> list[Recorded]:
    """Read the sweeps of a study that have a run, see `read`; from an export of all of them too."""
    try:
        if Path(source).is_dir():
            every = _from_export(Path(source), None, {}, None)
            return [part for name in sweeps if len((part := _part(every, name)).runs)]
        everything, parents = _runs_and_parents(str(source))
        there = set(everything.loc[~parents, "sweep"])
        return [
            _of_store(str(source), everything, parents, name, None, None)
            for name in sweeps
            if name in there
        ]
    except StoreError as error:
        raise DataError(str(error)) from error


def joined(parts: Sequence[Recorded], name: str) -> Recorded:
    """Return several sweeps as one record, from which `read_several` gets them back."""
    return Recorded(
        name,
        pd.concat([part.runs for part in parts], ignore_index=True),
        pd.concat([part.points.astype({"run_id": str, "metric": str}) for part in parts],
                  ignore_index=True).astype({"run_id": "category", "metric": "category"}),
        [dict(job) | {_OF: part.name} for part in parts for job in part.planned],
    )  # fmt: skip


def _part(every: Recorded, name: str) -> Recorded:
    runs = every.runs[every.runs["sweep"] == name]
    runs = runs.drop(columns=[c for c in runs if c not in RUN_COLUMNS and runs[c].isna().all()])
    points = every.points[every.points["run_id"].isin(runs["run_id"])]
    planned = [{k: v for k, v in job.items() if k != _OF} for job in every.planned
               if job.get(_OF) == name]  # fmt: skip
    return Recorded(name, runs.reset_index(drop=True), points.reset_index(drop=True), planned)


def _with_those_of_others(
    uri: str, sweep: str, runs: pd.DataFrame, parents: pd.DataFrame
) -> pd.DataFrame:
    """Count as runs of a sweep those, too, that another one had done before and it took over."""
    members: set[str] = set()
    for parent in parents.loc[parents["sweep"] == sweep, "run_id"]:
        # A sweep at work, or interrupted by force, has no table.
        with suppress(StoreError, KeyError):
            table = pd.read_csv(artifact_file(uri, parent, "summary.csv"), dtype=str)
            members |= set(table["run_id"].dropna())
    return runs.assign(sweep=runs["sweep"].mask(runs["run_id"].isin(members), sweep))


def _one_sweep(
    runs: pd.DataFrame, sweep: str | None, params: Mapping[str, object] | None
) -> tuple[str, pd.DataFrame]:
    known = sorted(runs["sweep"].dropna().unique())
    listed = ", ".join(known) or "none"
    if sweep is None and params is None:
        if len(known) != 1:
            raise DataError(f"name one of the sweeps that are there: {listed}")
        sweep = known[0]
    if sweep is not None:
        runs = runs[runs["sweep"] == sweep]
        if runs.empty:
            raise DataError(f"no run belongs to a sweep named {sweep}; there are: {listed}")
    for key, value in (params or {}).items():
        column = f"param.{key}"
        if column not in runs:
            raise DataError(f"no run has a setting named {key}: name one as in conf/")
        runs = runs[runs[column] == str(value)]
    if runs.empty:
        chosen = " ".join(f"{key}={value}" for key, value in (params or {}).items())
        raise DataError(f"no run of {sweep or 'the store'} has {chosen}: choose other settings")
    # Settings and metrics of other sweeps in the store have empty columns here.
    others = [name for name in runs if name not in RUN_COLUMNS and runs[name].isna().all()]
    return sweep or "selection", runs.drop(columns=others).reset_index(drop=True)


def _plan(uri: str, parent: str) -> list[Mapping[str, str]]:
    try:
        rows = json.loads(artifact_file(uri, parent, "plan.json").read_text())
    except StoreError:
        return []  # A sweep recorded before plans were.
    return [{key: str(value) for key, value in row.items()} for row in rows]


def _from_export(
    folder: Path,
    sweep: str | None,
    params: Mapping[str, object] | None,
    metrics: Iterable[str] | None,
) -> Recorded:
    manifest = _manifest(folder / MANIFEST)
    for name, expected in manifest["files"].items():
        if not (folder / name).is_file():
            raise DataError(f"{folder / name} is missing: export the data again")
        found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        if found != expected:
            raise DataError(
                f"{folder / name} has hash {found[:12]} and its manifest says {expected[:12]}: it "
                "was altered, export the data again"
            )
    name, runs = _one_sweep(pd.read_parquet(folder / RUNS), sweep, params)
    points = pd.read_parquet(folder / POINTS)
    wanted = points["run_id"].isin(runs["run_id"])
    if metrics is not None:
        wanted &= points["metric"].isin(list(metrics))
    points = points[wanted].reset_index(drop=True)
    return Recorded(name, runs, points, [] if params else manifest["planned"])


def _manifest(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise DataError(f"{path.parent} holds no {MANIFEST}: name the folder of an export")
    try:
        manifest = json.loads(path.read_text())
        complete = {RUNS, POINTS} <= manifest["files"].keys() and "planned" in manifest
    except (ValueError, KeyError, TypeError, AttributeError):
        complete = False
    if not complete:
        raise DataError(f"{path} is no manifest of an export any more: export the data again")
    return dict(manifest)
