"""Several sweeps on several environments as one preregistered study."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import pandas as pd

from reading.kinds import STUDIES, Kind
from reading.outcomes import outcomes
from reading.preregistration import Preregistration, Words
from reading.recorded import DataError, Recorded
from reading.sweep import Sweep, sweep_of


@dataclass(frozen=True, eq=False)
class Study:
    """The runs of a study, on one scale.

    Attributes:
        name: of the study.
        plan: what was laid down before its first run.
        sweeps: those of which a run has finished, by name.
        runs: of all of them, see `outcomes.outcomes`; `environment` is the name in the plan,
            `sweep` that of the sweep, and `tuning` tells runs with tuning seeds.
        notes: sentences about sweeps and seeds that are lacking.
    """

    name: str
    plan: Preregistration
    sweeps: Mapping[str, Sweep]
    runs: pd.DataFrame
    notes: tuple[str, ...]
    kind: Kind = STUDIES

    @cached_property
    def gaps(self) -> pd.DataFrame:
        """What was planned and is not there: `sweep, cell, seed, problem`."""
        parts = [sweep.gaps.assign(sweep=name) for name, sweep in self.sweeps.items()]
        there = [part for part in parts if len(part)]
        columns = ["sweep", "cell", "seed", "problem"]
        return pd.concat(there)[columns] if there else pd.DataFrame(columns=columns)

    def curves(self, metric: str) -> pd.DataFrame:
        """Return the points of a metric: `run_id, step, value`."""
        parts = [
            sweep.curves(metric)[["run_id", "step", "value"]] for sweep in self.sweeps.values()
        ]
        return pd.concat(parts, ignore_index=True)

    def titles(self) -> dict[str, str]:
        """Return what the environments that have runs are called, in the order of the plan."""
        there = set(self.runs["environment"])
        return {n: one.title for n, one in self.plan.environments.items() if n in there}

    def of_aggregate(self) -> pd.DataFrame:
        """Return the runs of the sweeps that the plan shows over all environments together."""
        return self.runs[self.runs["sweep"].isin(self.plan.aggregate.get("sweeps", ()))]


def selected(runs: pd.DataFrame, words: Words) -> "pd.Series[bool]":
    """Tell which runs have all these settings.

    Raises:
        DataError: no run has such a setting at all.
    """
    chosen = pd.Series(True, runs.index)
    for name, value in words.items():
        column = name if name in runs else f"param.{name}"
        if column not in runs:
            raise DataError(f"no run has a setting named {name}: name one as in conf/")
        values = [str(each) for each in (value if isinstance(value, list | tuple) else [value])]
        chosen &= runs[column].fillna("None").astype(str).map(_plain).isin(map(_plain, values))
    return chosen


def _plain(value: str) -> str:
    """Write numbers that are equal alike."""
    try:
        return f"{float(value):g}"
    except ValueError:
        return value


def study_of(recorded: Sequence[Recorded], plan: Preregistration, name: str) -> Study:
    """Bring the sweeps of a study to one scale.

    Raises:
        DataError: there is no run; an environment without a scale; a reporting run in a tuning
            sweep or the other way round.
    """
    sweeps: dict[str, Sweep] = {}
    notes: list[str] = []
    for one in recorded:
        try:
            sweeps[one.name] = sweep_of(one)
        except DataError as error:
            notes.append(f"Sweep {one.name} has no result yet: {error}.")
    if not sweeps:
        raise DataError(f"no run of the study {name} has finished: run its sweeps first")
    frames = [_placed(sweep, plan).assign(sweep=each) for each, sweep in sweeps.items()]
    runs = pd.concat([frame for frame in frames if len(frame)], ignore_index=True)
    begin, end = plan.tuning_seeds
    runs["tuning"] = runs["seed"].between(begin, end)
    reporting = runs["seed"].between(*plan.reporting_seeds)
    tuned = runs["sweep"].isin(plan.tuning_sweeps)
    for wrong, seeds in ((runs[runs["tuning"] & ~tuned], "tuning"), (runs[reporting & tuned],
                                                                     "reporting")):  # fmt: skip
        if len(wrong):
            row = wrong.iloc[0]
            raise DataError(
                f"sweep {row['sweep']} has the {seeds} seed {row['seed']}: what was chosen with a "
                f"seed cannot be judged with it; run {row['sweep']} with other seeds"
            )
    return Study(name, plan, sweeps, runs, tuple(notes))


def _placed(sweep: Sweep, plan: Preregistration) -> pd.DataFrame:
    """Return the outcomes of a sweep, each run with its environment's name in the plan."""
    both = [part for part in (sweep.runs, sweep.failed) if len(part)]
    every = pd.concat(both, ignore_index=True)
    name = pd.Series("", every.index)
    for environment, one in plan.environments.items():
        if all(key in every or f"param.{key}" in every for key in one.where):
            name = name.mask(selected(every, one.where), environment)
    if (name == "").any():
        env = every.loc[name == "", "env"].iloc[0]
        raise DataError(
            f"environment {env} of sweep {sweep.name} has no scale: its returns cannot be "
            "normalised; add it to environments in study.yaml"
        )
    by_run = dict(zip(every["run_id"], name, strict=True))
    runs, failed = (
        part.assign(env=part["run_id"].map(by_run)) if len(part) else part
        for part in (sweep.runs, sweep.failed)
    )
    scales = {n: (e.random_return, e.reference_return) for n, e in plan.environments.items()}
    return outcomes(replace(sweep, runs=runs, failed=failed), scales)
