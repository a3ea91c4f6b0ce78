"""The sentences every caption needs: which seeds, which budget, and what is missing."""

from collections.abc import Sequence

from plotting import panels
from reading.kinds import MEASUREMENTS
from reading.study import Study
from reading.sweep import Sweep

_NAMED = 3


def design(sweep: Sweep) -> str:
    """Say what was run: environment, cells, seeds, budget, settings held equal."""
    counts = sweep.runs.groupby("cell").size()
    seeds = _range(int(counts.min()), int(counts.max()))
    plural = "seed" if seeds == "1" else "seeds"
    cells = f"{len(counts)} cells" if len(counts) > 1 else "one cell"
    fixed = [sweep.runs[axis].iloc[0] for axis in ("variance", "squash", "estimator", "learner")
             if sweep.runs[axis].nunique() == 1 and sweep.runs[axis].iloc[0] != "-"]  # fmt: skip
    words = f" ({', '.join(fixed)})" if fixed else ""
    environments = ", ".join(sorted(sweep.runs["env"].unique()))
    return f"{environments}, {cells}{words}, {seeds} {plural} per cell, {budget(sweep)}."


def measured(sweep: Sweep) -> str:
    """Say what was measured: problems, settings held equal, estimates, seeds."""
    runs = sweep.runs
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


def budget(sweep: Sweep) -> str:
    """Say how many environment steps the runs took, by estimator where they differ."""
    steps = sweep.runs.groupby("estimator")["param.steps"].unique()
    listed = {str(word): _listed(sorted(map(int, those))) for word, those in steps.items()}
    if len(set(listed.values())) == 1:
        return f"{next(iter(listed.values()))} environment steps"
    return " and ".join(f"{these} environment steps ({word})" for word, these in listed.items())


def incomplete(sweep: Sweep) -> str:
    """Say what is missing, or nothing."""
    if sweep.gaps.empty:
        return " ".join(f"{note}." for note in sweep.notes)
    gaps = sweep.gaps
    kinds = gaps["problem"].str.partition(":")[0].value_counts(sort=False).sort_index()
    counted = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
    named = "; ".join(f"{row.cell} seed {row.seed}" for row in gaps.head(_NAMED).itertuples())
    more = "" if len(gaps) <= _NAMED else f" and {len(gaps) - _NAMED} more"
    total = len(gaps) + len(sweep.runs)
    return f"INCOMPLETE, {len(gaps)} of {total} runs: {counted} ({named}{more})."


def band(sweep: Sweep) -> str:
    """Say what the band of a mean over seeds is, and of which cells there is none."""
    seeds = sweep.runs.groupby("cell").size()
    few = int((seeds < panels.FEWEST).sum())
    if few == len(seeds):
        return f"No band: with fewer than {panels.FEWEST} seeds it would fill the panel."
    lacking = f"; none with fewer than {panels.FEWEST} seeds" if few else ""
    return f"Band: 95% Student-t interval of the mean over seeds{lacking}."


def confounded(sweep: Sweep) -> str:
    """Say which settings the words of the estimator brought along, so that they differ in them."""
    if "estimator" not in sweep.varied:
        return ""
    settings = [name for name in map(str, sweep.runs) if name.startswith("param.")
                and name.split(".")[1] not in {"estimator", "seed", *sweep.varied}]  # fmt: skip
    words = sweep.runs["estimator"]
    brought = [
        name.removeprefix("param.").removeprefix("learner.")
        for name in settings
        if len({frozenset(those) for _, those in
                sweep.runs[name].fillna("-").astype(str).groupby(words)}) > 1
        and not name.endswith("_target_")
    ]  # fmt: skip
    if not brought:
        return ""
    shown = ", ".join(brought[:6]) + (f" and {len(brought) - 6} more" if len(brought) > 6 else "")
    return (
        f"The estimators do not differ alone: with them come other settings ({shown}), and a "
        "difference between them is that of the whole family."
    )


def copied(pairs: Sequence[str]) -> str:
    """Say which cells are not drawn, as their runs are those of others."""
    return f"The same runs to the bit, drawn once: {'; '.join(pairs)}." if pairs else ""


def compose(sweep: Sweep, *sentences: str) -> str:
    """Join the sentences of a figure with those every caption needs."""
    what = measured(sweep) if sweep.kind == MEASUREMENTS else design(sweep)
    parts = [*sentences, what, incomplete(sweep)]
    return " ".join(part for part in parts if part)


def of_study(study: Study, *sentences: str) -> str:
    """Join the sentences of a study's figure with its design and what is missing of it."""
    runs, gaps = study.runs, study.gaps
    finished = int((~runs["failed"]).sum())
    copied = int((runs["copy_of"] != "").sum())
    parts = [
        *sentences,
        f"{study.name}: {', '.join(study.titles().values())}; {len(study.sweeps)} sweeps, "
        f"{finished} runs" + (f", {copied} of them copies of others" if copied else "") + ".",
        f"{len(runs) - finished} further runs failed." if len(runs) > finished else "",
        f"{len(gaps) - (len(runs) - finished)} planned runs are missing."
        if len(gaps) > len(runs) - finished else "",
    ]  # fmt: skip
    return " ".join(part for part in parts if part)


def _range(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"


def _listed(numbers: list[int]) -> str:
    return ", ".join(f"{number:,}" for number in numbers)
