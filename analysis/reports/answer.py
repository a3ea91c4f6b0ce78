"""The answer of a study in ten lines of Markdown, and its results: parts of two pages."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from reading.study import Study
from reports.wording import rounded
from stats.verdicts import ALL, MATTERS, NEGLIGIBLE, SAME, judged

BEGIN, END = "<!-- answer: begin, python analysis/answer.py -->", "<!-- answer: end -->"
NOTHING = (
    "Not answered yet: no run of the study `sweeps/study/` is in `analysis/data/study`. Its ten "
    "questions, how each will be judged and when, are laid down in "
    "[study.yaml](sweeps/study/study.yaml)."
)


def section(study: Study | None) -> str:
    """Return the section between its marks; without data it says so, and answers nothing."""
    body = NOTHING if study is None else "\n".join(_lines(study))
    return f"{BEGIN}\n{body}\n{END}"


def _lines(study: Study) -> list[str]:
    table = judged(study)
    confirmatory = table[table["in_family"]] if len(table) else table
    if confirmatory.empty:
        return [NOTHING]
    margin = study.plan.smallest_difference
    counts = confirmatory["verdict"].value_counts()
    told = ", ".join(f"{counts.get(word, 0)} {word}" for word in (MATTERS, NEGLIGIBLE, "open"))
    lines = [
        f"{study.plan.question} Of {len(confirmatory)} preregistered tests: {told}. A difference "
        f"of 1 is the way from a random policy to a good one; below {margin:g} it is negligible.",
        "",
        "| question | first vs second | first less second (95% interval) | pairs | verdict | on |",
        "|---|---|---|---:|---|---|",
    ]
    for name, rows in confirmatory.groupby("contrast", sort=False):
        first, *others = rows.to_dict("records")
        endpoint = "" if first["endpoint"] in first["title"] else f", {first['endpoint']}"
        verdicts = [f"**{first['verdict']}**", *_needed(first)]
        verdicts += [f"{one['endpoint']} {one['verdict']}" for one in others]
        lines.append(
            f"| {first['question']} | {first['title']}{endpoint} | {_difference(first)} "
            f"| {first['seeds']} | {'; '.join(verdicts)} | {_where(study, table, str(name))} |"
        )
    waiting = [name for name, one in study.plan.contrasts.items()
               if one.confirmatory and name not in set(table["contrast"])]  # fmt: skip
    if waiting:
        lines += ["", f"Not run yet: {', '.join(waiting)}."]
    lines += ["", "![The ten contrasts](analysis/results/study/verdicts.png)", "",
              "Made by `python analysis/answer.py` from `analysis/data/study`."]  # fmt: skip
    return lines


def _where(study: Study, table: pd.DataFrame, contrast: str) -> str:
    """Say on which environments a contrast was run, and on which it is still to be."""
    titles = {name: one.title for name, one in study.plan.environments.items()}
    mine = table[table["contrast"] == contrast]
    there, same = set(mine["environment"]), mine[mine["verdict"] == SAME]["environment"]
    planned = study.plan.contrasts[contrast].seeds
    groups = {
        "{}": [name for name in titles if name in there - set(same)],
        "{}: the same runs to the bit": [name for name in titles if name in set(same)],
        "not yet {}": [name for name in planned if name not in there],
    }
    said = [words.format(" and ".join(titles[name] for name in names))
            for words, names in groups.items() if names]  # fmt: skip
    return "; ".join(said)


def _needed(row: Mapping[Any, Any]) -> list[str]:
    return [f"about {row['needs']:.0f} more seeds would settle it"] if row["needs"] > 0 else []


def _difference(row: Mapping[Any, Any]) -> str:
    half = (row["high"] - row["low"]) / 2.0
    limits = f"{rounded(row['low'], half)} to {rounded(row['high'], half)}"
    return f"{rounded(row['estimate'], half)} ({limits})"


def results(study: Study | None) -> str:
    """Return all verdicts as a table, and what the runs took, between the same marks."""
    if study is None:
        return f"{BEGIN}\n{NOTHING}\n{END}"
    table = judged(study)
    rows = ["| | contrast | where | endpoint | seeds | difference (95% interval) | verdict |",
            "|---|---|---|---|---:|---|---|"]  # fmt: skip
    for row in table.to_dict("records"):
        where = "all" if row["environment"] == ALL else study.titles()[row["environment"]]
        limits = f"{row['low']:.3f} to {row['high']:.3f}"
        told = "0" if row["verdict"] == SAME else f"{row['estimate']:.4f} ({limits})"
        needs = f" ({row['needs']:.0f} more seeds)" if row["verdict"] == "open" else ""
        rows.append(
            f"| {row['contrast']} | {row['title']} | {where} | {row['endpoint']} | {row['seeds']} "
            f"| {told} | {row['verdict']}{needs} |"
        )
    spent = [_spent(name, mine) for name, mine in study.runs.groupby("sweep", sort=False)]
    costs = ["| sweep | runs | failed | core-hours |", "|---|---:|---:|---:|", *spent]
    return "\n".join([BEGIN, *rows, "", *costs, END])


def _spent(sweep: object, runs: pd.DataFrame) -> str:
    hours = runs["metric.time/cpu_seconds"].sum() / 3600
    return f"| `{sweep}` | {len(runs)} | {int(runs['failed'].sum())} | {hours:.2f} |"


def replaced(page: str, new: str, name: str = "the README") -> str:
    """Return a page with the section in its place.

    Raises:
        ValueError: it has no place for it.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{name} has no place for the answer: put {BEGIN} and {END} into it")
    return before + new + after
