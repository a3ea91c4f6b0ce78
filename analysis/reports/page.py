"""One HTML file that needs no other and no network: every run to point at, verdicts, figures.

What comes from the data is text and is escaped, so that nothing of it becomes markup.
"""

import base64
import html
import io
import json
from collections.abc import Iterable, Iterator
from importlib import resources
from string import Template

import pandas as pd

from plotting import captions, style
from plotting.drawing import Drawing
from reading.outcomes import LEARNING, PRIMARY, outcomes
from reading.study import Study
from reading.sweep import Sweep
from reports.sentences import sections
from reports.tables import Table, formatted

_PIXELS = 110  # per inch of a figure
_ENDPOINTS = (*PRIMARY, LEARNING)


def page(
    subject: Sweep | Study, question: str, tables: Iterable[Table], drawings: Iterable[Drawing]
) -> str:
    """Return the page of a sweep or a study."""
    design = captions.of_study(subject) if isinstance(subject, Study) else captions.design(subject)
    parts = [
        *(_section(heading, _listed(those)) for heading, those in sections(subject).items()),
        _section("Figures", "".join(_figure(one) for one in drawings)),
        _section("Tables", "".join(_table(one) for one in tables)),
        _section("Where it comes from", _listed(_commands(subject))),
    ]
    text = resources.files("reports").joinpath("page.html").read_text(encoding="utf-8")
    return Template(text).substitute(
        title=html.escape(subject.name),
        question=html.escape(question),
        design=html.escape(design),
        sections="\n".join(parts),
        data=json.dumps(_data(subject), allow_nan=False, sort_keys=True).replace("<", "\\u003c"),
    )


def _data(subject: Sweep | Study) -> dict[str, object]:
    runs = subject.runs if isinstance(subject, Study) else outcomes(subject)
    runs = runs.sort_values("run_id")
    words = ["cell", *(("sweep",) if isinstance(subject, Study) else ()), *subject.kind.axes]
    axes = [word for word in words if word in runs and (word == "cell" or runs[word].nunique() > 1)]
    found = [
        {
            "id": str(row["run_id"]),
            "environment": str(row["environment"]),
            "seed": int(row["seed"]),
            "failed": bool(row["failed"]),
            "command": str(row.get("command", "")),
            "words": {axis: str(row[axis]) for axis in axes},
            "values": {name: None if pd.isna(row[name]) else float(f"{row[name]:.6g}")
                       for name in _ENDPOINTS},
        }
        for row in runs.to_dict("records")
    ]  # fmt: skip
    return {
        "runs": found, "axes": axes, "endpoints": list(_ENDPOINTS),
        "environments": sorted(set(runs["environment"].astype(str))),
    }  # fmt: skip


def _section(heading: str, inside: str) -> str:
    return f"<section>\n<h2>{html.escape(heading)}</h2>\n{inside}\n</section>"


def _listed(those: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{html.escape(one)}</li>" for one in those) + "</ul>"


def _figure(one: Drawing) -> str:
    buffer = io.BytesIO()
    with style.applied():
        one.figure.savefig(buffer, format="png", metadata={"Software": None}, dpi=_PIXELS)
    source = base64.b64encode(buffer.getvalue()).decode()
    caption, name = html.escape(one.caption), html.escape(one.name.replace("_", " "))
    return (
        f'<figure><img alt="{name}: {caption.partition(". ")[0]}" '
        f'src="data:image/png;base64,{source}"><figcaption><strong>{name}.</strong> {caption}'
        "</figcaption></figure>"
    )


def _table(one: Table) -> str:
    text = formatted(one.data)
    head = "".join(f"<th>{html.escape(str(name).replace('_', ' '))}</th>" for name in text)
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(value))}</td>" for value in row) + "</tr>"
        for row in text.itertuples(index=False)
    )
    return (
        f"<details open><summary>{html.escape(one.name.replace('_', ' '))}</summary>"
        f'<p class="soft">{html.escape(one.caption)}</p><div class="wide" tabindex="0"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></details>"
    )


def _commands(subject: Sweep | Study) -> Iterator[str]:
    runs = subject.runs
    yield f"Trained {runs['started'].min().date()} to {runs['started'].max().date()}."
    yield from sorted(runs["command"].dropna().unique())
