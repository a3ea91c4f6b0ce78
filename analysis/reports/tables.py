"""The results and the comparisons of a study as tables: CSV, Markdown and LaTeX.

`results`: a row per cell, also of those none of whose seeds finished. `comparisons`: a row per pair
of words of every axis, within the same words of the other axes and the same seeds. CSV has all
digits; where it has `x`, `x_low` and `x_high`, the others have `x [low, high]`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import floor, isnan, log10, nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from plotting import captions
from reading.study import Study
from stats import estimates as stats
from stats.contrasts import Contrast, by_environment, comparisons
from stats.designs import Grid, grid_of
from stats.improvements import RESAMPLES, improvement
from stats.paired import bonferroni_level, further_seeds

_SCORES = ("mean", "iqm", "min", "max", "difference", "with_noise")
_NOISY = "metric.eval/final_stochastic_return_mean"
_SHARES, _P_VALUES = ("solved", "improvement"), ("p", "p_holm")
_TEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_TEX |= {"<": r"\textless{}", ">": r"\textgreater{}", **{c: f"\\{c}" for c in "&%$#_{}"}}
_RESULTS = (
    "Return of the last policy: mean over seeds (Student-t interval), interquartile mean "
    "(bootstrap), extremes, and the share of seeds whose mean return is that of a solved episode "
    "(Clopper-Pearson) where one is known; with_noise is the mean of the same policies acting with "
    "their noise. Failed and missing are seeds. Brackets are 95% intervals; returns of one seed "
    "have none."
)
_COMPARISONS = (
    "Return of the last policy: word less versus, paired by seed, a mean over the cells of the "
    "other axes that both have, and the probability of improvement. Brackets are 95% intervals, "
    "each on its own; p is of the paired t test, p_holm corrected for the whole table, and a "
    "verdict is settled where that is at most 0.05. with_noise is the difference where the same "
    "policies act with their noise, which no verdict is about. further_seeds lack, if the "
    "difference is the true one, for a power of 0.8 at a level corrected by Bonferroni."
)


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        name: stem of its files.
        data: the numbers, unrounded.
        caption: what they are, of which seeds and budget, and what is missing.
    """

    name: str
    data: pd.DataFrame
    caption: str


def tables(study: Study) -> list[Table]:
    """Return the results, and the comparisons if anything differs between cells."""
    generator = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for environment, part in by_environment(study):
        where = {"env": environment} if environment else {}
        rows += [where | row for row in _results(part, grid_of(part), generator)]
    found = [Table("results", pd.DataFrame(rows), captions.compose(study, _RESULTS))]
    pairs = comparisons(study)
    if any(one.seeds[0] for one in pairs):
        data = pd.DataFrame([_compared(one, len(pairs), generator) for one in pairs])
        if _NOISY in study.runs:
            noisy = [one.difference[:3] for one in comparisons(_with_noise(study))]
            _insert(data, "with_noise", noisy, before="improvement")
        found.append(Table("comparisons", data, captions.compose(study, _COMPARISONS)))
    return found


def _with_noise(study: Study) -> Study:
    """Return the study with the returns of the policies' noisy actions in the place of scores."""
    return replace(study, runs=study.runs.assign(score=study.runs[_NOISY]))


def _insert(data: pd.DataFrame, name: str, intervals: Sequence[Any], before: str) -> None:
    at = list(data).index(before)
    for offset, key in enumerate(_limits(name, (0.0, 0.0, 0.0))):
        data.insert(at + offset, key, [interval[offset] for interval in intervals])


def _results(study: Study, grid: Grid, generator: np.random.Generator) -> Iterator[dict[str, Any]]:
    columns = [name if name in study.varied else f"param.{name}" for name in grid.names]
    rows = study.runs[columns].fillna("-").astype(str).to_numpy().tolist()
    labels = dict(zip(map(tuple, rows), study.runs["cell"], strict=True))
    noisy = dict(grid_of(_with_noise(study)).cells()) if _NOISY in study.runs else {}
    for cell, scores in grid.cells():
        named = dict(zip(grid.names, cell, strict=True)) or {"cell": labels[cell]}
        numbers = _numbers(scores[~np.isnan(scores)], study.threshold, generator)
        if cell in noisy:
            own = noisy[cell][~np.isnan(noisy[cell])]
            numbers |= _limits("with_noise", stats.mean_interval(own))
        yield named | numbers | _without(study, labels[cell])
    for label in sorted(set(study.gaps["cell"]) - set(labels.values())):
        words = [word.rpartition("=")[2] for word in label.split(" ")]
        words = words if len(words) == len(grid.names) else [label]
        named = dict(zip(grid.names or ["cell"], words, strict=False))
        yield named | {"seeds": 0} | _without(study, label)


def _numbers(
    scores: stats.Array, threshold: float | None, generator: np.random.Generator
) -> dict[str, Any]:
    middle = stats.Interval(stats.interquartile_mean(scores), nan, nan)
    if len(scores) > 1:
        middle = stats.interquartile_mean_interval(scores, generator, resamples=RESAMPLES)
    row = {"seeds": len(scores), **_limits("mean", stats.mean_interval(scores))}
    row |= {**_limits("iqm", middle), "min": scores.min(), "max": scores.max()}
    if threshold is not None:
        solved = int((scores >= threshold).sum())
        row |= _limits("solved", stats.share_interval(solved, len(scores)))
    return row


def _limits(name: str, interval: Sequence[float]) -> dict[str, Any]:
    return dict(zip((name, f"{name}_low", f"{name}_high"), interval, strict=True))


def _without(study: Study, label: str) -> dict[str, str]:
    """Return the seeds of a cell that failed, and those of which there is no finished run yet."""
    gaps = study.gaps[study.gaps["cell"] == label].sort_values("seed")
    seeds: dict[str, list[str]] = {"failed": [], "missing": []}
    for seed, problem in zip(gaps["seed"], gaps["problem"], strict=True):
        ended = str(problem).startswith(("failed", "killed", "its "))
        seeds["failed" if ended else "missing"].append(str(seed))
    return {name: ", ".join(listed) for name, listed in seeds.items()}


def _compared(one: Contrast, pairs: int, generator: np.random.Generator) -> dict[str, Any]:
    row: dict[str, Any] = {"env": one.environment} if one.environment else {}
    row |= {"axis": one.axis, "word": one.words[0], "versus": one.words[1]}
    row |= {"cells": one.settings[0], "seeds": one.seeds[0]}
    difference, low, high, p_value = one.difference
    row |= _limits("difference", (difference, low, high))
    row |= {"p": p_value, "p_holm": one.adjusted}
    estimate, further = stats.Interval(nan, nan, nan), nan
    if one.seeds[0]:
        estimate = improvement(*one.blocks, generator)
        further = further_seeds(*one.scores, level=bonferroni_level(0.95, pairs))
    row |= {**_limits("improvement", estimate), "further_seeds": further}
    return row | {"verdict": _verdict(low, high, one.adjusted)}


def _verdict(low: float, high: float, p_value: float) -> str:
    if low == high == 0.0:
        return "identical"
    if not p_value <= 0.05:
        return "not settled"
    return "higher" if low > 0.0 else "lower"


def save(table: Table, folder: Path) -> list[Path]:
    """Write `<name>.csv`, `.md` and `.tex` (which needs booktabs); return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    csv, markdown, latex = (folder / f"{table.name}.{kind}" for kind in ("csv", "md", "tex"))
    table.data.to_csv(csv, index=False, float_format="%.6g", lineterminator="\n")
    text = formatted(table.data)
    sides = ["r" if is_numeric_dtype(table.data[name]) else "l" for name in text]
    rows = [list(text), ["---:" if side == "r" else "---" for side in sides], *text.to_numpy()]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    markdown.write_text("\n".join([*lines, "", table.caption, ""]))
    head, *body = (" & ".join(map(_tex, row)) + r" \\" for row in [rows[0], *rows[2:]])
    lines = [r"\begin{table}", r"\centering\scriptsize\setlength{\tabcolsep}{3pt}"]
    lines += [rf"\caption{{{_tex(table.caption)}}}", rf"\begin{{tabular}}{{{''.join(sides)}}}"]
    lines += [r"\toprule", head, r"\midrule", *body, r"\bottomrule"]
    latex.write_text("\n".join([*lines, r"\end{tabular}", r"\end{table}", ""]))
    return [csv, markdown, latex]


def formatted(data: pd.DataFrame) -> pd.DataFrame:
    """Return the table as text, with intervals beside their estimates."""
    scores = [name for name in data if str(name).startswith(_SCORES)]
    largest = np.nanmax(data[scores].abs().to_numpy(), initial=0.0)
    digits = max(0, 2 - floor(log10(largest))) if largest > 0.0 else 0
    text = pd.DataFrame({n: [_text(str(n), value, digits) for value in data[n]] for n in data})
    for name in [name for name in text if f"{name}_low" in text]:
        low, high = text.pop(f"{name}_low"), text.pop(f"{name}_high")
        text[name] += (" [" + low + ", " + high + "]").where(low != "", "")
    return text


def _text(name: str, value: object, digits: int) -> str:
    if not isinstance(value, float):
        return str(value)
    if isnan(value):
        return ""
    if name in _P_VALUES:
        return f"{value:.3f}" if value >= 0.001 else "<0.001"
    places = digits if name.startswith(_SCORES) else 2 if name.startswith(_SHARES) else 0
    return f"{round(value, places) + 0.0:.{places}f}"


def _tex(text: str) -> str:
    """Escape a text for LaTeX; a minus is one."""
    escaped = "".join(_TEX.get(character, character) for character in text)
    return re.sub(r"(?<![\w.])-(?=\d)", "$-$", escaped)
