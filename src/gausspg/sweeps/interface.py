"""The commands as functions: a script or a notebook starts them and gets their runs back.

A function here starts the very command, in a process of its own, so that names, checks, identity,
skipping and recording are the command line's. Torch is not imported here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from gausspg.sweeps.child_command import Ended, run_command
from gausspg.sweeps.command import FINISHED, INTERRUPTED, REFUSED
from gausspg.tracking import default_uri, find_runs, location, metric_history, read_metrics

if TYPE_CHECKING:
    from gausspg.agent import Agent

Value = str | float | bool | None
"""Of a setting; None is `null`."""

_WORDS = ("env", "learner", "estimator", "policy", "variance", "squash", "seed")


@dataclass(frozen=True)
class Run:
    """One finished run.

    Attributes:
        id: in MLflow.
        folder: that holds everything of it.
    """

    id: str
    folder: Path

    @property
    def metrics(self) -> pd.DataFrame:
        """All metrics: one row per step, one column per metric, NaN where it has no value."""
        rows: dict[int, dict[str, float]] = {}
        for step, values in read_metrics(self.folder):
            rows.setdefault(step, {}).update(values)
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("step").sort_index()

    @property
    def agent(self) -> "Agent":
        """The last policy; the best one so far is `gausspg.load(run.id, name="best.pt")`."""
        from gausspg.agent import load

        return load(self.folder / "final.pt")


@dataclass(frozen=True)
class Sweep:
    """One sweep that ended; runs that failed are in its table, with their errors.

    Attributes:
        name: of the sweep.
        id: that the runs trained by it carry as `sweep_id`.
        folder: that holds them.
    """

    name: str
    id: str
    folder: Path

    @property
    def table(self) -> pd.DataFrame:
        """One row per run, those found recorded already among them.

        Columns: what was varied, the results, `status`, `seconds`, `run_id`, `error`.
        """
        return pd.read_csv(self.folder / "summary.csv")


def train(*settings: str, **named: Value | Sequence[Value]) -> Run:
    """Train one run, as `python src/run.py SETTING...` does, and wait for it.

    Args:
        settings: as on the command line, `"variance=full"`, `"learner.lr=1e-3"`.
        named: the same for names without a dot, `steps=4000`.

    Raises:
        ValueError: a setting is wrong; nothing was trained.
        RuntimeError: the run failed; the message says why, and where it is.
        KeyboardInterrupt: passed on to the run, which records that it was interrupted.
    """
    ended = _end([*settings, *_overrides(named, "[{}]")])
    run_id, folder = ended.printed("run id"), ended.printed("folder")
    if run_id is None or folder is None:
        raise RuntimeError(f"the run did not finish: {ended.error}")
    if ended.status != FINISHED:
        raise RuntimeError(f"run {run_id} in {folder} did not finish: {ended.error}")
    return Run(run_id, Path(folder))


def sweep(*settings: str, **named: Value | Sequence[Value]) -> Sweep:
    """Run a sweep, as `python src/run.py -m SETTING...` does, and wait for it.

    Args:
        settings: as on the command line, `"variance=fixed,learned"`, `"+sweep=smoke"`.
        named: the same for names without a dot; a list holds the values to try, `seed=[0, 1, 2]`.

    Raises:
        ValueError: a setting is wrong; nothing was trained.
        RuntimeError: there is no table, as with an optimiser's sweeper; what ran is recorded.
        KeyboardInterrupt: passed on to the runs, which record it; the same call goes on with them.
    """
    ended = _end(["-m", *settings, *_overrides(named, "{}")])
    found = ended.sweep()
    if found is None:
        raise RuntimeError(f"the command left no sweep of its own: {ended.error}")
    return Sweep(found[0], found[1], Path(found[2]))


def runs(sweep: str | None = None, *, store: str | None = None, **words: object) -> pd.DataFrame:
    """Return the recorded runs, one row each, oldest first.

    Args:
        sweep: its name; None: of all sweeps, and runs alone.
        store: MLflow's address; None: $MLFLOW_TRACKING_URI, else `runs/mlflow.db`.
        words: that runs must have, `variance="full"`, `seed=3`.

    Returns:
        Columns `run_id`, `name`, `status`, `sweep`, `error`, `started` (UTC), `seconds` ...,
        `param.NAME` (text), `metric.NAME` (the last value).

    Raises:
        StoreError: it cannot be read.
    """
    return find_runs(_store(store), sweep, params=words)


def points(
    *metrics: str,
    runs: pd.DataFrame | Iterable[str] | None = None,
    sweep: str | None = None,
    store: str | None = None,
) -> pd.DataFrame:
    """Return all values of metrics over training, tidy: one row per value, as seaborn likes it.

    Args:
        metrics: names, `"train/return_mean"`; none: all that are curves.
        runs: ids, or a frame with a column `run_id`; None: all of `sweep`, or all there are.
        sweep: name of a sweep.
        store: as of `runs`.

    Returns:
        Columns `run_id`, `step`, `metric`, `value`, then the words of the run (`variance`,
        `squash` ..., `seed`) and every other parameter in which these runs differ.

    Raises:
        StoreError: it cannot be read.
    """
    found = find_runs(_store(store), sweep)
    if runs is not None:
        chosen = runs["run_id"] if isinstance(runs, pd.DataFrame) else list(runs)
        found = found[found["run_id"].isin(chosen)]
    history = metric_history(_store(store), found["run_id"], metrics or None)
    params = found.filter(like="param.").rename(columns=lambda name: name.removeprefix("param."))
    kept = [name for name in params if name in _WORDS or params[name].nunique(dropna=False) > 1]
    ordered = sorted(kept, key=lambda name: (*_WORDS, name).index(name))
    labels = params[ordered].assign(run_id=found["run_id"])
    if "seed" in labels:
        labels["seed"] = labels["seed"].astype(int)
    return history.astype({"run_id": object, "metric": object}).merge(labels, on="run_id")


def _store(uri: str | None) -> str:
    return uri or default_uri(location.runs_folder())


def _end(arguments: Sequence[str]) -> Ended:
    ended = run_command(arguments)
    if ended.status == INTERRUPTED or ended.interrupted:
        raise KeyboardInterrupt
    if ended.status == REFUSED:
        raise ValueError(ended.error)
    return ended


def _overrides(named: Mapping[str, Value | Sequence[Value]], several: str) -> list[str]:
    """Return settings as they are typed; `several` is how values side by side are written."""
    return [f"{name}={_typed(value, several)}" for name, value in named.items()]


def _typed(value: Value | Sequence[Value], several: str) -> str:
    if value is None:
        return "null"
    if isinstance(value, str | float | int):
        return str(value)
    return several.format(",".join(_typed(one, several) for one in value))
