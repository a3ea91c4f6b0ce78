"""Write the answer of the study into the README, or check that the one there is the present one.

    python analysis/answer.py            # print it
    python analysis/answer.py --write    # into README.md
    python analysis/answer.py --check    # exit status 1 if README.md has another

It is made of `analysis/data/study` alone, and without data it says that there is no answer yet.
"""

import argparse
import sys
from pathlib import Path

from reading import sources
from reading.recorded import MANIFEST, DataError
from reading.study import Study
from reports.answer import replaced, section

README = Path(__file__).parents[1] / "README.md"
NAME = "study"


def present() -> str:
    """Return the section as the data have it now."""
    if not (sources.DATA / NAME / MANIFEST).is_file():
        return section(None)
    study = sources.loaded(NAME)
    assert isinstance(study, Study)
    return section(study)


def main() -> None:
    """Read the arguments, write or compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--write", action="store_true", help="into README.md")
    what.add_argument("--check", action="store_true", help="that README.md has it")
    arguments = parser.parse_args()
    try:
        new = present()
        if not (arguments.write or arguments.check):
            print(new)
            return
        text = README.read_text(encoding="utf-8")
        changed = replaced(text, new)
    except (DataError, ValueError) as error:
        sources.fail(error)
    if arguments.write:
        README.write_text(changed, encoding="utf-8")
    elif changed != text:
        print("the answer in README.md is stale: python analysis/answer.py --write")
        sys.exit(1)


if __name__ == "__main__":
    main()
