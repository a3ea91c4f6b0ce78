"""Which runs of a sweep count, and what was planned of which there is none."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from reading.kinds import Kind

_SEEN = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "killed"}

Gap = tuple[str, int, str]
"""Cell, seed, problem."""


Chosen = tuple[pd.DataFrame, pd.DataFrame, list[Gap], list[str]]


def choose(runs: pd.DataFrame, kind: Kind) -> Chosen:
    """Return the runs that count, those that failed for good, the gaps, and notes on repeated ones.

    Args:
        runs: with `cell`, `seed` and `score`, oldest first.
        kind: of the runs.
    """
    key = ["cell", "seed"]
    good = (runs["status"] == "FINISHED") & np.isfinite(runs["score"])
    chosen = runs[good].drop_duplicates(key, keep="last")
    tried = runs.drop_duplicates(key, keep="last").set_index(key)
    without = tried[~tried.index.isin(chosen.set_index(key).index)]
    failed = without[without["status"].isin(["FAILED", "KILLED"])].reset_index()
    gaps = [
        (str(cell), int(seed), _problem(str(status), error, kind))
        for (cell, seed), status, error in zip(
            without.index, without["status"], without.get("error", without["status"]), strict=True
        )
    ]
    replaced = len(runs) - len(tried)
    plural = "runs were" if replaced > 1 else "run was"
    notes = [f"{replaced} further {plural} of a cell and seed that ran again"] if replaced else []
    return chosen, failed, gaps, notes


def _problem(status: str, error: object, kind: Kind) -> str:
    if status == "FINISHED":
        return f"its {kind.score} is not finite or missing"
    told = f": {error}" if isinstance(error, str) and error != status else ""
    return _SEEN.get(status, "unfinished") + told


def never_run(
    runs: pd.DataFrame,
    planned: Sequence[Mapping[str, str]],
    naming: Sequence[str],
    kind: Kind,
) -> list[Gap]:
    """Return the planned jobs that left no run, and the seeds that only some cells have.

    Args:
        runs: with `cell` and `seed`, all of them.
        planned: see `Recorded`.
        naming: the parameters of which a cell's name is made, in order.
        kind: of the runs.
    """
    gaps: list[Gap] = []
    there = runs.filter(like="param.").rename(columns=lambda name: name.removeprefix("param."))
    named = [name.removeprefix("param.") for name in naming]
    for job in _absent(planned, there.astype(str)):
        parts = [
            job[name] if name in kind.axes else f"{name}={job[name]}"
            for name in named
            if name in job
        ]
        gaps.append(
            (" ".join(parts) or str(runs["cell"].iloc[0]), int(job["seed"]), "never started")
        )
    if planned and runs.groupby("cell")["seed"].nunique().max() == 1:
        return gaps  # random configurations: each is a cell with a seed of its own
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
