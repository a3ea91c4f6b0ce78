"""Write one page per sweep or study: every run, what the runs say, and what they cannot say.

    python analysis/report.py                  # of all exported data, analysis/data/*
    python analysis/report.py study            # of one data set
    python analysis/report.py smoke --store    # of a sweep in the tracking store

writes `analysis/results/<name>/report.html`, which needs no other file and no network. The same
data give the same bytes.
"""

import itertools
import time
from pathlib import Path

from reading import sources
from reading.kinds import STUDIES, TRAININGS
from reading.preregistration import SWEEPS
from reading.recorded import DataError
from reading.study import Study
from reading.sweep import Sweep
from reports.gallery import Say, drawings
from reports.page import page
from reports.tables import tables


def make(subject: Sweep | Study, folder: Path, say: Say = print) -> Path:
    """Write the page of a sweep or a study into a folder; return its path."""
    begin = time.perf_counter()
    say(f"{subject.name}: {len(subject.runs)} runs")
    asked = subject.plan.question if isinstance(subject, Study) else question(subject.name)
    written = page(subject, asked, tables(subject), drawings(subject, say=say))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "report.html"
    path.write_text(written, encoding="utf-8", newline="\n")
    say(f"  wrote {path}, {path.stat().st_size / 1e6:.1f} MB, {time.perf_counter() - begin:.1f} s")
    return path


def question(name: str, folder: Path = SWEEPS) -> str:
    """Return the question that the file of a sweep begins with, "" if there is no such file."""
    path = folder / f"{name}.yaml"
    if Path(name).name != name or not path.is_file():
        return ""
    lines = path.read_text(encoding="utf-8").splitlines()
    above = itertools.takewhile(lambda line: line.startswith("#"), lines)
    comment = " ".join(line.removeprefix("#").strip() for line in above)
    asked = comment.partition("Question:")[2].partition("Cost:")[0].strip()
    return f"{asked[:1].upper()}{asked[1:]}"


def main() -> None:
    """Read the arguments, write."""
    parser = sources.parser(__doc__)
    parser.add_argument("--out", type=Path, default=sources.RESULTS, help="folder of the pages")
    arguments = parser.parse_args()
    try:
        # All before the first is written: a wrong name leaves nothing behind.
        subjects = list(sources.named(arguments, TRAININGS, STUDIES))
        if not subjects:
            raise DataError("there is no data set in analysis/data: export one, or add --store")
        for subject in subjects:
            make(subject, arguments.out / subject.name)
    except DataError as error:
        sources.fail(error)


if __name__ == "__main__":
    main()
