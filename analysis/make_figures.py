"""Draw every figure and table of a sweep or a study.

    python analysis/make_figures.py                  # of all exported data, analysis/data/*
    python analysis/make_figures.py study            # of one data set, or a study of several sweeps
    python analysis/make_figures.py smoke --store    # of a sweep in the tracking store

writes `analysis/results/<name>/`: PNG, PDF, CSV with the numbers and TXT with the caption of each
figure, CSV, Markdown and LaTeX of each table, and `manifest.json` with the runs, the hashes of
their configurations, the commands that made them and the hash of every file. What is read from a
store is also attached to the sweep's run there, unless `--no-attach`.
"""

import hashlib
import importlib.metadata
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from gausspg.tracking import StoreError, add_artifacts, add_to_note
from plotting import drawing
from reading import sources
from reading.kinds import MEASUREMENTS
from reading.recorded import MANIFEST, DataError
from reading.study import Study
from reading.sweep import Sweep
from reports import tables
from reports.gallery import drawings, figure_names
from reports.sentences import sections

_SENTENCES, _PICTURES = 8, 4  # on the page of a run, which takes 5,000 characters


def make(subject: Sweep | Study, folder: Path, only: Sequence[str] | None = None) -> list[Path]:
    """Draw all (or only some) figures and the tables into a folder.

    What an earlier call left there and this one does not make again is removed.
    """
    begin = time.perf_counter()
    cells = subject.runs["cell"].nunique()
    print(f"{subject.name}: {len(subject.runs)} runs, {cells} cell{'s' * (cells > 1)}", flush=True)
    problems = Counter(problem.partition(":")[0] for problem in subject.gaps["problem"])
    for problem, count in sorted(problems.items()):
        print(f"  incomplete: {count} runs {problem}")
    files: list[Path] = []
    for one in drawings(subject, only):
        files += drawing.save(one, folder)
    # They are of returns.
    for table in () if subject.kind == MEASUREMENTS else tables.tables(subject):
        files += tables.save(table, folder)
    hashes = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    before = _listed(folder)
    if only is None:
        for name in before.keys() - hashes.keys():
            (folder / name).unlink(missing_ok=True)
    else:
        hashes = before | hashes
    files.append(_write_manifest(subject, folder, hashes))
    print(f"  wrote {folder}, {time.perf_counter() - begin:.1f} s")
    return files


def _listed(folder: Path) -> dict[str, str]:
    """Return the files of an earlier manifest, which alone are ours, with their hashes."""
    path = folder / MANIFEST
    return dict(json.loads(path.read_text())["files"]) if path.is_file() else {}


def _write_manifest(subject: Sweep | Study, folder: Path, hashes: Mapping[str, str]) -> Path:
    """Write what the files were made of; without a date, so that equal data give equal bytes."""
    runs = subject.runs[["run_id", "cell", "seed", "config_hash"]].to_dict("records")
    path = folder / MANIFEST
    content = {
        "name": subject.name,
        "commands": sorted(subject.runs["command"].dropna().unique()),
        "runs": runs,
        "gaps": subject.gaps.to_dict("records"),
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("matplotlib", "numpy", "pandas", "scipy", "seaborn")
        },
        "files": dict(sorted(hashes.items())),
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path


def findings(subject: Sweep | Study, folder: Path, run_id: str) -> str:
    """Return the differences as sentences, and the figures, in Markdown for the page of a run."""
    lines = [f"- {sentence}" for sentence in sections(subject)["Differences"][:_SENTENCES]]
    address = "get-artifact?run_uuid={run}&path=figures/{name}"
    pictures = [
        f"![{path.stem}]({address.format(run=run_id, name=path.name)})"
        for path in sorted(folder.glob("*.png"))[:_PICTURES]
    ]
    return "\n".join([*lines, "", *pictures])


def attach(subject: Sweep | Study, uri: str, folder: Path) -> None:
    """Add files and findings to the run of the latest sweep, where its runs are browsed."""
    parents = subject.runs.sort_values("started")["parent_run_id"].dropna()
    if parents.empty:
        print("  attached to no run: these belong to no sweep's own run")
        return
    add_artifacts(uri, parents.iloc[-1], folder, "figures")
    add_to_note(uri, parents.iloc[-1], "Findings", findings(subject, folder, parents.iloc[-1]))
    print(f"  attached to run {parents.iloc[-1]} of the store")


def main() -> None:
    """Read the arguments, draw."""
    parser = sources.parser(__doc__)
    parser.add_argument("--only", nargs="+", choices=figure_names(), help="only these figures")
    parser.add_argument("--out", type=Path, default=sources.RESULTS, help="folder of the figures")
    parser.add_argument("--no-attach", action="store_true", help="leave the store as it is")
    arguments = parser.parse_args()
    try:
        for subject in sources.named(arguments):
            folder = arguments.out / subject.name
            make(subject, folder, arguments.only)
            if arguments.store is not None and not arguments.no_attach:
                attach(subject, sources.store_uri(arguments), folder)
    except (DataError, StoreError) as error:
        sources.fail(error)


if __name__ == "__main__":
    main()
