"""The results and the comparisons of a sweep or study as tables: CSV, Markdown and LaTeX.

CSV has all digits; where it has `x`, `x_low` and `x_high`, the others have `x [low, high]`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from plotting import captions
from reading.outcomes import PRIMARY, returns
from reading.study import Study
from reading.sweep import Sweep
from reports.wording import rounded
from stats import designs
from stats.estimates import mean_interval, share_interval
from stats.verdicts import judged, verdicts

_P_VALUES = ("p", "p_sign_flip", "p_equivalence", "p_adjusted", "p_equivalence_adjusted")
_SHOWN = [
    "contrast", "title", "environment", "endpoint", "seeds", "estimate", "estimate_low",
    "estimate_high", "p_adjusted", "p_sign_flip", "p_equivalence_adjusted", "variance_ratio",
    "failed", "verdict", "needs",
]  # fmt: skip
_TEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_TEX |= {"<": r"\textless{}", ">": r"\textgreater{}", **{c: f"\\{c}" for c in "&%$#_{}"}}
_RESULTS = (
    "Return of the last policy, acting with its noise and without it: mean over seeds with its 95% "
    "Student-t interval; the share of seeds whose mean return without noise is that of a solved "
    "episode (Clopper-Pearson) where one is known; mean seconds of a run. Failed and missing are "
    "seeds."
)
_COMPARISONS = (
    "Plus less minus of each contrast, paired by seed: the difference with its interval, p of no "
    "difference (t test; after Holm in the family), p of all sign flips (exact up to 20 seeds), p "
    "of a difference beyond the margin (two one-sided t tests), the variance of paired by that of "
    "unpaired differences (below 1 pairing pays), runs that failed, the verdict, and the seeds per "
    "environment that would settle an open one if the estimate were true."
)
_FINISHED = "The same without the runs that failed, in the place of their declared scores. "


@dataclass(frozen=True)
class Table:
    """One table: stem of its files, unrounded numbers, and what they are."""

    name: str
    data: pd.DataFrame
    caption: str


def tables(subject: Sweep | Study) -> list[Table]:
    """Return the results, and the comparisons if anything differs between cells."""
    if isinstance(subject, Study):
        rows = [{"sweep": name} | row for name, sweep in subject.sweeps.items()
                for row in _results(sweep)]  # fmt: skip
        caption = captions.of_study(subject, _RESULTS)
    else:
        rows, caption = list(_results(subject)), captions.compose(subject, _RESULTS)
    found = [Table("results", pd.DataFrame(rows), caption)]
    table = judged(subject)
    if len(table):
        found.append(Table("comparisons", compared(table), _COMPARISONS))
    if isinstance(subject, Study) and subject.runs["failed"].any():
        finished = verdicts(subject, subject.runs[~subject.runs["failed"]])
        found.append(Table("finished_only", compared(finished), _FINISHED + _COMPARISONS))
    return found


def compared(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of verdicts that a table shows."""
    failed = table["failed_plus"].astype(str) + " + " + table["failed_minus"].astype(str)
    named = table.assign(estimate_low=table["low"], estimate_high=table["high"], failed=failed)
    return named[_SHOWN]


def _results(sweep: Sweep) -> Iterator[dict[str, Any]]:
    for place, part in designs.parts(sweep):
        environment = {"env": part.runs["env"].iloc[0]} if place else {}
        runs = part.runs.join(returns(part.runs))
        for cell, mine in runs.groupby("cell", sort=True):
            row: dict[str, Any] = environment | {"cell": cell, "seeds": len(mine)}
            for endpoint in PRIMARY:
                scores = mine[endpoint].dropna().to_numpy()
                if len(scores):
                    row |= _limits(endpoint.replace(" ", "_"), mean_interval(scores))
            if part.threshold is not None:
                solved = int((mine["score"] >= part.threshold).sum())
                row |= _limits("solved", share_interval(solved, len(mine)))
            if "seconds" in mine:
                row["wall_seconds"] = float(mine["seconds"].mean())
            if "metric.time/cpu_seconds" in mine:
                row["cpu_seconds"] = float(mine["metric.time/cpu_seconds"].mean())
            yield row | _without(part, str(cell))
        for cell in sorted(set(part.gaps["cell"]) - set(runs["cell"])):
            yield environment | {"cell": cell, "seeds": 0} | _without(part, str(cell))


def _limits(name: str, interval: Any) -> dict[str, float]:
    return dict(zip((name, f"{name}_low", f"{name}_high"), map(float, interval), strict=True))


def _without(sweep: Sweep, cell: str) -> dict[str, str]:
    """Return the seeds of a cell that failed, and those of which there is no finished run yet."""
    gaps = sweep.gaps[sweep.gaps["cell"] == cell].sort_values("seed")
    ended = gaps["problem"].astype(str).str.startswith(("failed", "killed", "its "))
    listed = {"failed": gaps[ended], "missing": gaps[~ended]}
    return {name: ", ".join(map(str, those["seed"])) for name, those in listed.items()}


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
    text = pd.DataFrame(index=data.index)
    for name in map(str, data):
        if name.endswith(("_low", "_high")):
            continue
        if f"{name}_low" in data:
            limits = data[[name, f"{name}_low", f"{name}_high"]].astype(float)
            text[name] = [_interval(*row) for row in limits.itertuples(index=False)]
        else:
            text[name] = [_text(name, value) for value in data[name]]
    return text


def _interval(value: float, low: float, high: float) -> str:
    if isnan(value):
        return ""
    half = (high - low) / 2.0 or float("nan")
    limits = "" if isnan(low) else f" [{rounded(low, half)}, {rounded(high, half)}]"
    return rounded(value, half) + limits


def _text(name: str, value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    if isnan(value):
        return ""
    if name in _P_VALUES:
        return f"{value:.3f}" if value >= 0.001 else "<0.001"
    return f"{value:.2f}" if name == "variance_ratio" else f"{value:,.0f}"


def _tex(text: str) -> str:
    """Escape a text for LaTeX; a minus is one."""
    escaped = "".join(_TEX.get(character, character) for character in text)
    return re.sub(r"(?<![\w.])-(?=\d)|\N{MINUS SIGN}", "$-$", escaped)
