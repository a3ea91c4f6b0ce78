"""What the numbers of a sweep or study support, in plain English, and nothing more."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from plotting import style
from reading.study import Study
from reading.sweep import Sweep
from reports.wording import counted, probability, rounded
from stats.estimates import share_interval
from stats.verdicts import ALL, DIFFERS, MARGIN, MATTERS, NEGLIGIBLE, SAME, judged

CLAIM = 10
"""Seeds per cell below which no claim is made."""
_MESSAGES = 5  # named at most; the rest is counted


def sections(subject: Sweep | Study) -> dict[str, list[str]]:
    """Return all sentences, by heading; what cannot be said is said too, with the reason."""
    table = judged(subject)
    margin = _margin(subject)
    found = {"Differences": [verdict(row, margin) for row in table.to_dict("records")]}
    if isinstance(subject, Sweep):
        found["Solved"] = solved(subject)
    found["Failed and missing"] = failures(subject)
    found["What these seeds can tell"] = power(subject, table)
    found["Cost"] = cost(subject)
    return {heading: those for heading, those in found.items() if those}


def _margin(subject: Sweep | Study) -> float | None:
    if isinstance(subject, Study):
        return subject.plan.smallest_difference
    return MARGIN if subject.scale else None


def verdict(row: Mapping[Any, Any], margin: float | None) -> str:
    """Say a verdict with its number, interval, p, seeds and, where it is open, what it needs."""
    where = "" if row["environment"] == ALL else f" on {style.plain(row['environment'])}"
    label = "" if row["confirmatory"] else " (exploratory)"
    endpoint = "" if row["endpoint"] in row["title"] else f", {row['endpoint']}"
    name = f"{row['title']}{where}{endpoint}{label}"
    if row["verdict"] == SAME:
        return f"{name}: the same runs, to the bit."
    half = (row["high"] - row["low"]) / 2.0 or float("nan")
    seeds = counted(row["seeds"], "paired seed")
    if pd.isna(row["low"]):
        return f"{name}: open. {rounded(row['estimate'])} with {seeds}: no interval."
    limits = f"{rounded(row['low'], half)} to {rounded(row['high'], half)}"
    numbers = f"{rounded(row['estimate'], half)} ({limits}; {seeds}"
    flips = (
        f"{probability(row['p_adjusted'])}; by sign flips, uncorrected, "
        f"{probability(row['p_sign_flip'])}"
    )
    failed = int(row["failed_plus"] + row["failed_minus"])
    lost = f" {failed} of {row['runs_plus'] + row['runs_minus']} runs failed." if failed else ""
    if row["verdict"] == NEGLIGIBLE:
        inside = probability(row["p_equivalence_adjusted"])
        return f"{name}: negligible. {numbers}; within {margin:g}: {inside}).{lost}"
    if row["verdict"] in {MATTERS, DIFFERS}:
        return f"{name}: {row['verdict']}. {numbers}; {flips}).{lost}"
    needs = row["needs"]
    more = "" if pd.isna(needs) else (
        " More than 1,000 further seeds would be needed." if needs > 1000 else
        f" {counted(needs, 'further seed')} per environment would settle it if that were true."
    )  # fmt: skip
    return f"{name}: open. {numbers}; {flips}).{more}{lost}"


def solved(sweep: Sweep) -> list[str]:
    """Say which cells solve the task with every seed, with none, and with some."""
    if sweep.threshold is None:
        return ["No return is recorded from which on the task is solved: none is called so."]
    counts = (
        (sweep.runs["score"] >= sweep.threshold).groupby(sweep.runs["cell"]).agg(["sum", "size"])
    )
    kinds = {
        "every seed": counts[counts["sum"] == counts["size"]],
        "some seeds": counts[(counts["sum"] > 0) & (counts["sum"] < counts["size"])],
        "no seed": counts[counts["sum"] == 0],
    }
    told = [
        f"Solved with {kind}: {', '.join(f'{a} ({k} of {n})' for a, k, n in those.itertuples())}."
        for kind, those in kinds.items()
        if len(those)
    ]
    most = int(counts["size"].max())
    return [
        "A seed solves the task if its last policy, without noise, has a mean return of at least "
        f"{sweep.threshold:g}; {most} of {most} is compatible with a true share of "
        f"{share_interval(most, most).low:.0%} to 100%.",
        *told,
    ]


def failures(subject: Sweep | Study) -> list[str]:
    """Say what was planned and has no result, and why."""
    gaps, notes = subject.gaps, list(subject.notes)
    if gaps.empty:
        return notes
    kinds = gaps["problem"].str.partition(":")[0].value_counts().sort_index()
    each = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
    declared = isinstance(subject, Study) or subject.scale is not None
    told = [
        f"{counted(len(gaps), 'run')} without a result ({each}). Those that failed "
        + ("count as a random policy; the table of finished runs alone is beside it." if declared
           else "have no declared score, and every number is of those that finished.")
    ]  # fmt: skip
    failed = gaps[gaps["problem"].str.startswith("failed")].sort_values(["cell", "seed"])
    messages = [f"{row['cell']} seed {row['seed']}: {row['problem'].partition(':')[2].strip()}"
                for row in failed.head(_MESSAGES).to_dict("records")]  # fmt: skip
    more = f"; and {len(failed) - _MESSAGES} more" if len(failed) > _MESSAGES else ""
    return told + ([f"Failed: {'; '.join(messages)}{more}."] if messages else []) + notes


def power(subject: Sweep | Study, table: pd.DataFrame) -> list[str]:
    """Say what so many seeds can tell, and whether pairing paid."""
    keys = ["sweep", "cell"] if isinstance(subject, Study) else ["cell"]
    counts = subject.runs.groupby(keys).size()
    fewest, most = int(counts.min()), int(counts.max())
    number = counted(most, "seed") if fewest == most else f"{fewest} to {counted(most, 'seed')}"
    told = [f"The seed is the unit of replication; a cell has {number}."]
    if fewest < CLAIM and isinstance(subject, Sweep):
        told.append(f"Fewer than {CLAIM} seeds per cell are exploratory: no claim is made.")
    ratios = table["variance_ratio"].dropna() if len(table) else pd.Series(dtype=float)
    if len(ratios):
        told.append(
            f"Paired differences vary {ratios.median():.2f} times as much as unpaired ones would "
            f"(median; {ratios.min():.2f} to {ratios.max():.2f}): below 1 equal seeds pay."
        )
    return told


def cost_line(sweep: Sweep) -> str:
    """Return the line `# Cost` of a sweep's file as the recorded runs have it."""
    runs = pd.concat([part for part in (sweep.runs, sweep.failed) if len(part)])
    steps = runs["param.steps"].astype(float)
    name = "metric.time/cpu_seconds"
    measured = name in runs and runs[name].notna().all()
    hours = runs[name if measured else "seconds"].sum() / 3600
    each = " or ".join(f"{one:,.0f}" for one in sorted(steps.unique()))
    return (
        f"# Cost: {counted(len(runs), 'run')} of {each} steps ({steps.sum() / 1e6:.3g} million in "
        f"all), {hours:.2g} {'core-hours' if measured else 'hours of wall time'}, measured."
    )


def cost(subject: Sweep | Study) -> list[str]:
    """Say what the recorded runs took."""
    runs = subject.runs
    told = f"{counted(len(runs), 'run')} took {runs['seconds'].sum() / 3600:.2f} hours of wall time"
    if "metric.time/cpu_seconds" in runs:
        measured = runs["metric.time/cpu_seconds"].dropna()
        told += (
            f" and {measured.sum() / 3600:.2f} core-hours of processor time ({len(measured)} runs)"
        )
    return [f"{told}."]
