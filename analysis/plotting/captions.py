"""The sentences every caption needs: which seeds, which budget, and what is missing."""

import pandas as pd

from reading.kinds import MEASUREMENTS
from reading.study import Study

_NAMED = 3


def design(study: Study) -> str:
    """Say what was run: environment, cells, seeds, budget, settings held equal."""
    counts = study.runs.groupby("cell").size()
    seeds = _range(int(counts.min()), int(counts.max()))
    plural = "seed" if seeds == "1" else "seeds"
    cells = f"{len(counts)} cells" if len(counts) > 1 else "one cell"
    fixed = [study.runs[axis].iloc[0] for axis in ("variance", "squash", "estimator", "learner")
             if study.runs[axis].nunique() == 1 and study.runs[axis].iloc[0] != "-"]  # fmt: skip
    words = f" ({', '.join(fixed)})" if fixed else ""
    environments = ", ".join(sorted(study.runs["env"].unique()))
    return f"{environments}, {cells}{words}, {seeds} {plural} per cell, {budget(study)}."


def measured(study: Study) -> str:
    """Say what was measured: problems, settings held equal, estimates, seeds."""
    runs = study.runs
    fixed = [f"{axis} {runs[axis].iloc[0]}" for axis in ("variance", "squash")
             if runs[axis].nunique() == 1 and runs[axis].iloc[0] != "-"]  # fmt: skip
    words = f" ({', '.join(fixed)})" if fixed else ""
    counts = runs.groupby("cell").size()
    seeds = _range(int(counts.min()), int(counts.max()))
    plural = "seed" if seeds == "1" else "seeds"
    estimates = _listed(sorted(set(runs["param.rows"].astype(int))))
    problems = ", ".join(sorted(runs["problem"].unique()))
    return (
        f"{problems}{words}, {len(runs)} measurements of {estimates} estimates each, {seeds} "
        f"{plural} per cell."
    )


def budget(study: Study) -> str:
    """Say how many environment steps the runs took, by estimator where they differ."""
    steps = study.runs.groupby("estimator")["param.steps"].unique()
    listed = {str(word): _listed(sorted(map(int, those))) for word, those in steps.items()}
    if len(set(listed.values())) == 1:
        return f"{next(iter(listed.values()))} environment steps"
    return " and ".join(f"{these} environment steps ({word})" for word, these in listed.items())


def incomplete(study: Study) -> str:
    """Say what is missing, or nothing."""
    if study.gaps.empty:
        return " ".join(f"{note}." for note in study.notes)
    gaps = study.gaps
    kinds = gaps["problem"].str.partition(":")[0].value_counts(sort=False).sort_index()
    counted = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
    named = "; ".join(f"{row.cell} seed {row.seed}" for row in gaps.head(_NAMED).itertuples())
    more = "" if len(gaps) <= _NAMED else f" and {len(gaps) - _NAMED} more"
    total = len(gaps) + len(study.runs)
    return f"INCOMPLETE, {len(gaps)} of {total} runs: {counted} ({named}{more})."


def interval(seeds_per_cell: "pd.Series[int]", what: str) -> str:
    """Say what the interval is, and of which cells it cannot be drawn.

    Args:
        seeds_per_cell: by cell.
        what: `"95% Student-t interval of the mean over seeds"`.
    """
    alone = int((seeds_per_cell < 2).sum())
    if alone == 0:
        return f"{what}."
    if alone == len(seeds_per_cell):
        return "No interval: one seed says nothing of the spread."
    cells = "a cell" if alone == 1 else f"{alone} cells"
    return f"{what}; none for {cells} with one seed, which says nothing of the spread."


def compose(study: Study, *sentences: str) -> str:
    """Join the sentences of a figure with those every caption needs."""
    what = measured(study) if study.kind == MEASUREMENTS else design(study)
    parts = [*sentences, what, incomplete(study)]
    return " ".join(part for part in parts if part)


def _range(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"


def _listed(numbers: list[int]) -> str:
    return ", ".join(f"{number:,}" for number in numbers)
