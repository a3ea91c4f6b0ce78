"""What the numbers of a study support, in plain English, and nothing more.

Every function maps a study to sentences; what cannot be said is said too, with the reason.
"""

from collections.abc import Callable

import pandas as pd

from reading.study import Study
from reports.sentences_on_words import differences, interactions
from reports.wording import counted, digits, listed, rounded
from stats.contrasts import POWER, by_environment, contrasts, detectable
from stats.convergence import by_chance, metric_of, trends
from stats.estimates import Array, mean_interval, share_interval

CLAIM = 10
"""Seeds per cell below which no claim is made."""

_FEW, _CELLS, _MESSAGES = 3, 24, 5  # named at most; the rest is counted


def sections(study: Study) -> dict[str, list[str]]:
    """Return all sentences about what was found, by heading."""
    parts: dict[str, Callable[[Study], list[str]]] = {
        "Returns": returns,
        "Differences between words": differences,
        "Interactions": interactions,
        "Solved": solved,
        "Still learning at the end": converged,
    }
    found = {heading: part(study) for heading, part in parts.items()}
    return {heading: those for heading, those in found.items() if those}


def sentences(study: Study) -> list[str]:
    """Return all sentences: what was found, what is missing, and what the seeds can tell."""
    found = [one for part in sections(study).values() for one in part]
    return found + failures(study) + power(study)


def returns(study: Study) -> list[str]:
    """Say what the cells earn, or within what range where they are many."""
    told = []
    for environment, part in by_environment(study):
        where = f"{environment}: " if environment else ""
        groups = part.runs.sort_values("seed").groupby("cell", sort=True)["score"]
        if len(groups) > _FEW:
            means = groups.mean()
            told.append(
                f"{where}The mean final returns of the {len(means)} cells, without noise, range "
                f"from {rounded(means.min())} to {rounded(means.max())}."
            )
            continue
        told += [f"{where}{_return(str(cell), scores.to_numpy())}" for cell, scores in groups]
    return told


def _return(cell: str, scores: Array) -> str:
    mean = mean_interval(scores)
    half = (mean.high - mean.low) / 2.0
    earned = f"The mean final return of {cell}, without noise, is {rounded(mean.estimate, half)}"
    if len(scores) < 2:
        return f"{earned} with one seed."
    limits = f"95% interval {rounded(mean.low, half)} to {rounded(mean.high, half)}"
    least, most = rounded(scores.min(), half), rounded(scores.max(), half)
    return f"{earned} ({limits}; {len(scores)} seeds, from {least} to {most})."


def solved(study: Study) -> list[str]:
    """Say which cells solve the task with every seed, with none, and with some."""
    return [one for where, part in by_environment(study) for one in _solved(where, part)]


def _solved(environment: str, study: Study) -> list[str]:
    where = f"{environment}: " if environment else ""
    if study.threshold is None:
        return [
            f"{where}No return is recorded from which on the task is solved: none is called so."
        ]
    reached = study.runs["score"] >= study.threshold
    counts = reached.groupby(study.runs["cell"], sort=True).agg(["sum", "size"])
    shares = [(str(cell), int(row["sum"]), int(row["size"])) for cell, row in counts.iterrows()]
    kinds = {
        "with every seed": [cell for cell, k, n in shares if k == n],
        "with some seeds": [f"{cell} ({k} of {n})" for cell, k, n in shares if 0 < k < n],
        "with no seed": [cell for cell, k, _ in shares if k == 0],
    }
    told = [
        f"{where}A seed solves the task if its last policy, without noise, has a mean return of at "
        f"least {study.threshold:g}."
    ]
    for kind, cells in kinds.items():
        if cells:
            all_of = f"{len(cells)} of {counted(len(shares), 'cell')}"
            told.append(f"{where}Solved {kind}: {all_of}: {listed(cells, _CELLS)}.")
    most = max(n for _, _, n in shares)
    low = share_interval(most, most).low
    told.append(
        f"{where}{most} of {most} is compatible with a true share of {low:.0%} to 100%, and 0 of "
        f"{most} with one of 0% to {1 - low:.0%} (95% Clopper-Pearson intervals)."
    )
    return told


def converged(study: Study) -> list[str]:
    """Say which cells were still rising or falling at the end, and by which criterion."""
    metric = metric_of(study)
    if metric is None:
        return ["Curves have too few points to say which cells were still learning at the end."]
    found = trends(study, metric)
    judged = [one for one in found if one.seeds > 1]
    if not judged:
        return ["One seed per cell has no standard error: whether it converged is not judged."]
    seeds = sorted({one.seeds for one in judged})
    decimals = digits(max(abs(one.change) for one in judged))
    told = [
        f"A cell is called still rising, that is not converged, if its {metric} over the last "
        "fifth of the budget is above that over the fifth before by more than one standard error "
        f"over seeds; a flat curve is called so with a chance of {by_chance(seeds[0]):.0%} "
        f"({counted(seeds[0], 'seed')})."
    ]
    for direction, those in {
        "Still rising, not converged": [one for one in judged if one.rising],
        "Falling by the same measure": [one for one in judged if one.falling],
    }.items():
        if those:
            cells = [f"{one.cell} ({one.change:+,.{decimals}f})" for one in those]
            told.append(
                f"{direction}: {len(those)} of {len(judged)} cells: {listed(cells, _CELLS)}."
            )
    flat = sum(not one.rising and not one.falling for one in judged)
    if flat:
        verb = "is" if flat == 1 else "are"
        told.append(
            f"{flat} of {counted(len(judged), 'cell')} {verb} neither, which does not show that a "
            "larger budget would change nothing."
        )
    if len(judged) < len(found):
        told.append(f"Not judged: {counted(len(found) - len(judged), 'cell')} with one seed.")
    return told


def failures(study: Study) -> list[str]:
    """Say what was planned and has no result, and why."""
    gaps = study.gaps
    if gaps.empty:
        return []
    kinds = gaps["problem"].str.partition(":")[0]
    counts = kinds.value_counts().sort_index()
    total = len(gaps) + len(study.runs)
    each = ", ".join(f"{number} {kind}" for kind, number in counts.items())
    told = [
        f"{len(gaps)} of {counted(total, 'run')} have no result ({each}): every number here is of "
        "those that finished, and says nothing of the others."
    ]
    failed = gaps[kinds == "failed"].sort_values(["cell", "seed"])
    messages = [f"{cell} seed {seed}: {_message(why)}" for cell, seed, why in failed.to_numpy()]
    if not messages:
        return told
    cells = counted(failed["cell"].nunique(), "cell")
    return [
        *told,
        f"Failed: {listed(messages, _MESSAGES)}.",
        f"Where training itself broke down, in {cells} at most, means and differences are of the "
        "seeds in which it did not, and flatter the cell if the others would have earned less.",
    ]


def _message(problem: str) -> str:
    return problem.partition(":")[2].strip().rstrip(".") or "no message"


def power(study: Study) -> list[str]:
    """Say what so many seeds can tell and what they cannot."""
    counts = study.runs.groupby("cell").size()
    fewest, most = int(counts.min()), int(counts.max())
    number = counted(most, "seed") if fewest == most else f"{fewest} to {counted(most, 'seed')}"
    told = [f"The seed is the unit of replication; a cell has {number}."]
    if fewest < CLAIM:
        told.append(
            f"Fewer than {CLAIM} seeds per cell are exploratory: no claim is made, and the "
            "differences above describe these runs."
        )
    else:
        told.append("A claim takes 10 seeds per cell, and 20 to 30 where it is of one environment.")
    if most < 2:
        return [*told, "One seed has no spread: there are no intervals and no tests."]
    return told + _detectable(study, most)


def _detectable(study: Study, seeds: int) -> list[str]:
    found = contrasts(study)
    least = detectable(seeds)
    told = (
        f"{seeds} paired seeds find, with power {POWER} at the 5% level, a difference of at least "
        f"{least:.1f} standard deviations of the paired differences"
    )
    spreads = pd.Series([one.spread for one in found if one.seeds[0] == seeds]).dropna()
    if len(spreads):
        low, high = (rounded(least * float(spread)) for spread in (spreads.min(), spreads.max()))
        span = low if low == high else f"{low} to {high}, depending on the comparison"
        told += f", here a return of {span}"
    told += "; a smaller one can be there and stay unseen."
    if len(found) < 2:
        return [told]
    corrected = detectable(seeds, len(found))
    return [
        told,
        f"Corrected for {len(found)} comparisons it takes up to {corrected:.1f} standard "
        "deviations.",
    ]
