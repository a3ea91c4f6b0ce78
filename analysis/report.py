"""Write one page per sweep: what was asked, what the runs say, and what they cannot say.

    python analysis/report.py                  # of all exported data, analysis/data/*
    python analysis/report.py pilot            # of one data set
    python analysis/report.py pilot --store    # of a sweep in the tracking store

writes `analysis/results/<name>/report.html`, which needs no other file and no network. The same
data give the same bytes.
"""

import importlib.metadata
import itertools
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
from pandas.api.types import is_numeric_dtype
from reports.page import Html, tag

from plotting import captions
from reading import sources
from reading.kinds import TRAININGS
from reading.recorded import DataError
from reading.sweep import Sweep
from reports import page, sentences, tables
from reports.gallery import Say, drawings

SWEEPS = Path(__file__).parents[1] / "sweeps"
_LIBRARIES = ("matplotlib", "numpy", "pandas", "scipy")


def make(study: Sweep, folder: Path, say: Say = print) -> Path:
    """Write the page of a study into a folder; return its path."""
    begin = time.perf_counter()
    say(f"{study.name}: {len(study.runs)} runs, {len(study.cells)} cells")
    written = html(study, say)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "report.html"
    path.write_text(written, encoding="utf-8", newline="\n")
    say(f"  wrote {path}, {path.stat().st_size / 1e6:.1f} MB, {time.perf_counter() - begin:.1f} s")
    return path


def html(study: Sweep, say: Say = print) -> str:
    """Return the page of a study, whatever order its rows come in."""
    study = replace(
        study,
        runs=study.runs.sort_values([*study.varied, "cell", "seed"], ignore_index=True),
        gaps=study.gaps.sort_values(["cell", "seed", "problem"], ignore_index=True),
    )
    parts = {
        "What these runs say": _findings(study),
        "Tables": page.join(_tables(study)),
        "Figures": page.join(_figures(study, say)),
        f"What {_seeds(study)} can and cannot tell": _listed(sentences.power(study)),
        "Provenance": _provenance(study),
    }
    named = {f"part-{number}": heading for number, heading in enumerate(parts, 1)}
    links = [tag("a", heading, href=f"#{name}") for name, heading in named.items()]
    return page.document(
        study.name,
        tag(
            "header",
            tag("h1", study.name),
            *[tag("p", asked, class_="question") for asked in question(study.name)],
            tag("p", captions.design(study)),
            tag("nav", page.bullets(links), aria_label="Contents"),
        ),
        tag(
            "main",
            _incomplete(study),
            *[
                tag("section", tag("h2", heading, id=name), parts[heading], aria_labelledby=name)
                for name, heading in named.items()
            ],
        ),
    )


def question(name: str, folder: Path = SWEEPS) -> list[str]:
    """Return the question that the file of a sweep begins with, if there is such a file."""
    path = folder / f"{name}.yaml"
    if Path(name).name != name or not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    above = itertools.takewhile(lambda line: line.startswith("#"), lines)
    comment = " ".join(line.removeprefix("#").strip() for line in above)
    asked = comment.partition("Question:")[2].partition("Cost:")[0].strip()
    return [f"{asked[:1].upper()}{asked[1:]}"] if asked else []


def _seeds(study: Sweep) -> str:
    counts = study.runs.groupby("cell").size()
    low, high = int(counts.min()), int(counts.max())
    return f"{low} to {high} seeds" if low < high else "one seed" if low == 1 else f"{low} seeds"


def _incomplete(study: Sweep) -> Html:
    if study.gaps.empty and not study.notes:
        return Html()
    notes = [tag("p", f"{note}.") for note in study.notes]
    if study.gaps.empty:
        return tag("aside", *notes, class_="box", aria_label="Note")
    groups = study.gaps.groupby(["cell", "problem"], sort=True)
    rows = [
        {"cell": cell, "seeds": ", ".join(map(str, those)), "problem": problem}
        for (cell, problem), those in groups["seed"]
    ]
    named = page.table(pd.DataFrame(rows), "What was planned and has no result")
    return tag(
        "aside",
        tag("p", tag("strong", "Incomplete. "), " ".join(sentences.failures(study))),
        page.details("Cells and seeds without a result", named),
        *notes,
        class_="box",
        aria_label="Incomplete",
    )


def _findings(study: Sweep) -> Html:
    found = sentences.sections(study)
    return page.join(
        part for heading, those in found.items() for part in (tag("h3", heading), _listed(those))
    )


def _listed(those: Iterable[str]) -> Html:
    return page.bullets(page.sentence(one) for one in those)


def _tables(study: Sweep) -> Iterator[Html]:
    for number, one in enumerate(tables.tables(study), 1):
        numbers = [str(name) for name in one.data if is_numeric_dtype(one.data[name])]
        title = f"Table {number}: {one.name.replace('_', ' ')}"
        yield page.table(tables.formatted(one.data), title, one.caption, numbers)


def _figures(study: Sweep, say: Say) -> Iterator[Html]:
    for number, one in enumerate(drawings(study, say=say), 1):
        title = f"Figure {number}: {one.name.replace('_', ' ')}"
        first = one.caption.partition(". ")[0].rstrip(".")
        alternative = f"{title}. {first}. The caption and the tables have the rest."
        yield page.figure(
            one.figure, alternative, page.join([tag("strong", f"{title}. "), one.caption])
        )


def _provenance(study: Sweep) -> Html:
    runs = study.runs
    dates = [str(runs["started"].min().date()), str(runs["started"].max().date())]
    commands = sorted(runs["command"].dropna().unique()) if "command" in runs else []
    versions = [f"{name} {importlib.metadata.version(name)}" for name in _LIBRARIES]
    listing = pd.DataFrame(runs[["cell", "seed", "run_id", "config_hash"]])
    return page.join(
        [
            tag("p", "The runs were made by"),
            page.bullets(tag("code", command) for command in commands),
            page.bullets(
                [
                    f"Trained: {' to '.join(dict.fromkeys(dates))}, {len(runs)} runs, "
                    f"{runs['seconds'].sum() / 3600:.1f} hours of training in all.",
                    f"Statistics and figures: {', '.join(versions)}.",
                ]
            ),
            page.details(
                "Every run: identifier in the tracking store and hash of its configuration",
                page.table(listing.astype(str), "Runs of which this page is"),
            ),
        ]
    )


def main() -> None:
    """Read the arguments, write."""
    parser = sources.parser(__doc__)
    parser.add_argument("--out", type=Path, default=sources.RESULTS, help="folder of the pages")
    arguments = parser.parse_args()
    try:
        # All before the first is written: a wrong name leaves nothing behind.
        studies = list(sources.studies(arguments, TRAININGS))
        if not studies:
            raise DataError("there is no data set in analysis/data: export one, or add --store")
        for study in studies:
            make(study, arguments.out / study.name)
    except DataError as error:
        sources.fail(error)


if __name__ == "__main__":
    main()
