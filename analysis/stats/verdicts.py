"""What a contrast is worth: *matters*, *negligible* or *open*, with its interval and its seeds.

Within an environment a contrast is the mean of its groups in plus less that in minus, taken within
each seed over the cells that both sides have. *Negligible*: the corrected p of the equivalence test
is at most the level, so that the difference is smaller than the smallest one of interest, whether
or not it is zero. *Matters*: it is not, and the corrected p of no difference is. *Open*: neither.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from reading.outcomes import outcomes
from reading.preregistration import Contrast
from reading.recorded import DataError
from reading.study import Study, selected
from reading.sweep import Sweep
from stats.designs import complete_block
from stats.equivalence import difference, seeds_for_equivalence, sign_flip_p
from stats.estimates import Array
from stats.paired import bonferroni_level, holm, seeds_needed
from stats.sequential import looks_so_far, sequential_p, two_sided

ALL = "all"
MATTERS, NEGLIGIBLE, OPEN, SAME = "matters", "negligible", "open", "the same runs"
DIFFERS = "differs"
"""In the place of *matters* where no smallest difference of interest is known."""
MARGIN = 0.05
"""Smallest difference of interest of a sweep, which declares none, in units of the scale."""


class Sides(NamedTuple):
    """A contrast in one environment.

    Attributes:
        differences: plus less minus of each seed, `[seeds]`, by ascending seed.
        seeds: of which both sides have all cells.
        lacking: number of seeds that only one side has.
        cells: over which the means are.
        ratio: variance of the differences by that of unpaired ones; NaN of one seed.
        failed: runs that failed, in plus and in minus.
        runs: in plus and in minus.
        same: whether plus and minus are the same runs, to the bit.
    """

    differences: Array
    seeds: list[int]
    lacking: int
    cells: int
    ratio: float
    failed: tuple[int, int]
    runs: tuple[int, int]
    same: bool


def compared(runs: pd.DataFrame, contrast: Contrast, endpoint: str) -> Sides | None:
    """Take a contrast within each seed of one environment.

    Args:
        runs: of the environment, see `outcomes.outcomes`.
        contrast: to be taken.
        endpoint: a column of runs.

    Returns:
        None if a side has no runs, or no seed has both.
    """
    groups = [runs[selected(runs, words)] for words in (*contrast.plus, *contrast.minus)]
    tables = [_table(group, contrast.over, endpoint) for group in groups]
    cells = sorted(set.intersection(*(set(table.columns) for table in tables)))
    every = sorted(set().union(*(table.index for table in tables)))
    blocks = np.array([table.reindex(index=every, columns=cells).to_numpy() for table in tables])
    there = np.isfinite(blocks).all(axis=0)
    if not there.any():
        return None
    rows, columns = complete_block(there)
    means = blocks[:, rows][:, :, columns].mean(axis=2)
    half = len(contrast.plus)
    own = means[:half].sum(axis=0) - means[half:].sum(axis=0)
    unpaired = means.var(axis=1, ddof=1).sum() if rows.sum() > 1 else math.nan
    sides = [pd.concat(part) for part in (groups[:half], groups[half:])]
    copied = any(set(group["copy_of"]) - {""} for group in groups)
    return Sides(
        differences=own,
        seeds=[seed for seed, kept in zip(every, rows, strict=True) if kept],
        lacking=int((~rows).sum()),
        cells=int(columns.sum()),
        ratio=float(own.var(ddof=1) / unpaired) if unpaired > 0.0 else math.nan,
        failed=(int(sides[0]["failed"].sum()), int(sides[1]["failed"].sum())),
        runs=(len(sides[0]), len(sides[1])),
        same=half == 1 and copied and bool((own == 0.0).all() and columns.all()),
    )


def _table(group: pd.DataFrame, over: Sequence[str], endpoint: str) -> pd.DataFrame:
    columns = [name if name in group else f"param.{name}" for name in over]
    words = group[columns].fillna("-").astype(str).agg(" ".join, axis=1) if columns else "-"
    cells = group[endpoint].groupby([group["seed"], pd.Series(words, group.index)])
    return cells.mean().unstack()


@lru_cache(maxsize=8)
def judged(subject: Study | Sweep) -> pd.DataFrame:
    """Return the verdicts on all runs of a study or sweep; do not change them."""
    return verdicts(subject, subject.runs if isinstance(subject, Study) else outcomes(subject))


def verdicts(subject: Study | Sweep, runs: pd.DataFrame) -> pd.DataFrame:
    """Judge the contrasts of a study, or of a sweep every pair of words of every axis.

    Args:
        subject: to be judged.
        runs: `Study.runs`, or the outcomes of a sweep; or a part of them.

    Returns:
        A row per contrast, endpoint and environment, and one for `ALL` where there are several:
        `contrast, title, block, question, confirmatory, endpoint, environment, parts` (`Sides`),
        `seeds, cells, estimate, low, high, p, p_sign_flip, p_equivalence, variance_ratio, spread,
        failed_plus, runs_plus, failed_minus, runs_minus, lacking, looks, p_adjusted,
        p_equivalence_adjusted, in_family, verdict, needs` (further seeds per environment). The
        family that Holm corrects, and whose intervals are widened by Bonferroni, are the rows over
        all environments of the confirmatory contrasts (of a sweep, all rows); the others stand
        alone. Empty if nothing can be compared.

    Raises:
        DataError: a contrast is of cells that do not exist.
    """
    preregistered = isinstance(subject, Study)
    if isinstance(subject, Study):
        plan = subject.plan
        contrasts, looks, level = plan.contrasts, plan.looks, plan.level
        margin: float | None = plan.smallest_difference
    else:
        contrasts, looks, level = dict(pairs(subject)), (), 0.05
        margin = MARGIN if subject.scale else None
    rows = [
        row
        for name, one in contrasts.items()
        for endpoint in one.endpoints
        for row in _judged(name, one, endpoint, runs, margin, looks)
    ]
    if not rows:
        return pd.DataFrame()
    return _with_verdicts(pd.DataFrame(rows), margin, level, preregistered)


def pairs(sweep: Sweep) -> Iterator[tuple[str, Contrast]]:
    """Yield every pair of words of every axis, and how axes of two words each interact."""
    columns = [axis for axis in sweep.varied if axis != "env"] + list(sweep.others)
    words = {
        name: sorted(set(sweep.runs[name if name in sweep.runs else f"param.{name}"].fillna("-")))
        for name in columns
    }
    minus = "\N{MINUS SIGN}"
    for name, mine in words.items():
        over = tuple(other for other in columns if other != name)
        for first, second in combinations(mine, 2):
            yield f"{name}: {first} {minus} {second}", Contrast(
                title=f"{first} {minus} {second}", block=name, over=over, confirmatory=False,
                plus=({name: first},), minus=({name: second},),
            )  # fmt: skip
    for a, b in combinations([name for name in columns if len(words[name]) == 2], 2):
        (a1, a2), (b1, b2) = words[a], words[b]
        yield f"{a} x {b}", Contrast(
            title=f"({a1} {minus} {a2}) with {b1} less that with {b2}", block=f"{a} x {b}",
            over=tuple(other for other in columns if other not in (a, b)), confirmatory=False,
            plus=({a: a1, b: b1}, {a: a2, b: b2}), minus=({a: a2, b: b1}, {a: a1, b: b2}),
        )  # fmt: skip


def _judged(
    name: str,
    contrast: Contrast,
    endpoint: str,
    runs: pd.DataFrame,
    margin: float | None,
    looks: Sequence[int],
) -> Iterator[dict[str, Any]]:
    """Yield a row per environment, and that of all of them."""
    if contrast.sweeps:
        runs = runs[runs["sweep"].isin(contrast.sweeps)]
    if runs.empty:
        return  # its sweeps are still to be run
    settings = {
        *contrast.over,
        *(key for words in (*contrast.plus, *contrast.minus) for key in words),
    }
    needed = [*settings, *(f"param.{key}" for key in settings), "seed", "environment", endpoint,
              "failed", "copy_of"]  # fmt: skip
    runs = runs[[name for name in dict.fromkeys(needed) if name in runs]]
    for words in (*contrast.plus, *contrast.minus):
        if not selected(runs, words).any():
            told = " ".join(f"{key}={value}" for key, value in words.items())
            raise DataError(
                f"contrast {name} is of cells that do not exist: no run has {told}; correct "
                "study.yaml, or run the sweep that has them"
            )
    sides = {
        str(environment): found
        for environment, mine in runs.groupby("environment", sort=True)
        if not contrast.environments or environment in contrast.environments
        if (found := compared(mine, contrast, endpoint)) is not None
    }
    groups = {environment: [one] for environment, one in sides.items()}
    if len(sides) > 1:
        groups[ALL] = [one for one in sides.values() if not one.same] or list(sides.values())
    for environment, parts in groups.items():
        planned = [contrast.seeds.get(e, 0) for e in sides if environment in (e, ALL)]
        yield {
            "contrast": name, "title": contrast.title, "block": contrast.block,
            "question": contrast.question, "confirmatory": contrast.confirmatory,
            "endpoint": endpoint, "environment": environment, "parts": parts,
            "whole": environment == ALL or len(sides) == 1,
            **_numbers(parts, min(planned), margin, looks),
        }  # fmt: skip


def _numbers(
    parts: Sequence[Sides], planned: int, margin: float | None, looks: Sequence[int]
) -> dict[str, Any]:
    """Return the estimates and tests of one row, by the seeds of the looks that are due."""
    counts = [len(one.differences) for one in parts]
    due, fractions = looks_so_far(min(counts), looks, planned or max(*looks, *counts, 0))
    # What lies between two looks is not looked at; a mean of unequal environments ends with all.
    even = len(set(counts)) == 1
    used = [
        [one.differences[: look if even or look < min(counts) else None] for one in parts]
        for look in due
    ]
    samples = used[-1] if used else [one.differences for one in parts]
    found, last = [difference(each) for each in used], difference(samples)
    inside = [one.equivalence(margin) for one in found] if margin else []
    spreads = [sample.var(ddof=1) if len(sample) > 1 else math.nan for sample in samples]
    tested = bool(inside) and not np.isnan(inside).any()
    return {
        "seeds": sum(map(len, samples)),
        "cells": min(one.cells for one in parts),
        "difference": last,
        "estimate": last.estimate,
        "p": two_sided([one.p_value() for one in found], fractions),
        "p_sign_flip": sign_flip_p(samples),
        "p_equivalence": sequential_p(inside, fractions) if tested else math.nan,
        "variance_ratio": float(np.mean([one.ratio for one in parts])),
        "spread": math.sqrt(float(np.mean(spreads))),
        "failed_plus": sum(one.failed[0] for one in parts),
        "runs_plus": sum(one.runs[0] for one in parts),
        "failed_minus": sum(one.failed[1] for one in parts),
        "runs_minus": sum(one.runs[1] for one in parts),
        "lacking": sum(one.lacking for one in parts),
        "same": all(one.same for one in parts),
        "looks": f"{len(due)} of {len(fractions)}" if looks else "",
    }


def _with_verdicts(
    rows: pd.DataFrame, margin: float | None, level: float, preregistered: bool
) -> pd.DataFrame:
    family = ~rows["same"]
    if preregistered:
        family &= rows["whole"] & rows["confirmatory"]
    for name in ("p", "p_equivalence"):
        rows[f"{name}_adjusted"] = rows[name]
        rows.loc[family, f"{name}_adjusted"] = holm(rows.loc[family, name].to_numpy(dtype=float))
    wide = bonferroni_level(1.0 - level, max(1, int(family.sum()))) if preregistered else 1 - level
    limits = [
        one.interval(wide if together else 1.0 - level)
        for one, together in zip(rows["difference"], family, strict=True)
    ]
    rows["low"], rows["high"] = np.transpose(limits)
    rows["in_family"] = family
    rows["verdict"] = np.select(
        [rows["same"], rows["p_equivalence_adjusted"] <= level, rows["p_adjusted"] <= level],
        [SAME, NEGLIGIBLE, MATTERS if margin else DIFFERS],
        OPEN,
    )
    rows["needs"] = [
        _needs(row, margin, 1.0 - (wide if row["in_family"] else 1.0 - level))
        for row in rows.to_dict("records")
    ]
    return rows.drop(columns=["same", "whole", "difference"])


def _needs(row: Mapping[Any, Any], margin: float | None, level: float) -> float:
    """Return further seeds per environment that would settle it, were the estimates the truth."""
    if row["verdict"] != OPEN or not row["spread"] > 0.0:
        return math.nan
    environments = len(row["parts"])
    spread, estimate = row["spread"] / math.sqrt(environments), float(row["estimate"])
    needed = seeds_needed(estimate, spread, level=1.0 - level)
    if margin:
        needed = min(needed, seeds_for_equivalence(margin, spread, estimate, level=level))
    return max(1.0, needed - row["seeds"] // environments)
