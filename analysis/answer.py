"""Write the answer of the study, and its results, or check that those written are the present ones.

    python analysis/answer.py            # print them
    python analysis/answer.py --write    # the answer into README.md, the results into STUDY.md
    python analysis/answer.py --check    # exit status 1 if these have others

They are made of `analysis/data/study` alone, and without data they say that there is no answer yet.
"""

import argparse
import sys
from pathlib import Path

from reading import sources
from reading.recorded import MANIFEST, DataError
from reading.study import Study
from reports.answer import replaced, results, section

README = Path(__file__).parents[1] / "README.md"
RESULTS = Path(__file__).parent / "STUDY.md"
NAME = "study"


def present() -> dict[Path, str]:
    """Return the section of each page as the data have it now."""
    study: Study | None = None
    if (sources.DATA / NAME / MANIFEST).is_file():
        loaded = sources.loaded(NAME)
        assert isinstance(loaded, Study)
        study = loaded
    return {README: section(study), RESULTS: results(study)}


def main() -> None:
    """Read the arguments, write or compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--write", action="store_true", help="into README.md and STUDY.md")
    what.add_argument("--check", action="store_true", help="that these have them")
    arguments = parser.parse_args()
    try:
        sections = present()
        if not (arguments.write or arguments.check):
            print("\n\n".join(sections.values()))
            return
        texts = {path: path.read_text(encoding="utf-8") for path in sections}
        changed = {path: replaced(texts[path], sections[path], path.name) for path in sections}
    except (DataError, ValueError) as error:
        sources.fail(error)
    stale = [path.name for path in texts if texts[path] != changed[path]]
    if arguments.write:
        for path, text in changed.items():
            path.write_text(text, encoding="utf-8")
    elif stale:
        print(f"the answer in {' and '.join(stale)} is stale: python analysis/answer.py --write")
        sys.exit(1)


if __name__ == "__main__":
    main()
