"""Give runs to somebody else, and take in theirs.

    python src/share.py export SWEEP OUT     a sweep by its name, a part of it or a run by its id
    python src/share.py import FOLDER        into runs/ and the tracking store

An export holds configurations, provenance, metrics and trained policies, and the hash of each file.
What was imported can be analysed, loaded and reproduced as if it had been trained here; an import
may be stopped and repeated at any time. Exit status: 0 done, 1 the store did not take all of it, 2
nothing was done.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("GAUSSPG_ROOT", str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from gausspg.records import exporting, importing
from gausspg.records.shared import SharedError
from gausspg.tracking import StoreError, default_uri, location

DONE, INCOMPLETE, REFUSED = 0, 1, 2


def main() -> int:
    """Export or import, print; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    verbs = parser.add_subparsers(dest="verb", required=True)
    giving = verbs.add_parser("export", help="write runs into a folder")
    giving.add_argument("what", metavar="SWEEP", help="name or id of a sweep, or id of a run")
    giving.add_argument("out", metavar="OUT", type=Path, help="the folder, which must be new")
    taking = verbs.add_parser("import", help="take in the runs of a folder")
    taking.add_argument("folder", metavar="FOLDER", type=Path, help="that was exported")
    taking.add_argument("--store", help="URI of the tracking store; default: that of the runs")
    arguments = parser.parse_args()
    try:
        if arguments.verb == "export":
            return _export(arguments.what, arguments.out)
        return _import(arguments.folder, arguments.store)
    except SharedError as error:
        print(f"error: {error}", file=sys.stderr)
        return REFUSED
    except (StoreError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return INCOMPLETE


def _export(what: str, out: Path) -> int:
    found = exporting.export_runs(location.runs_folder(), what, out)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"{out}: {len(found)} runs, {size / 1e6:.1f} MB")
    return DONE


def _import(folder: Path, store: str | None) -> int:
    uri = store or default_uri(location.runs_folder())
    done = importing.import_runs(folder, location.runs_folder(), uri, print)
    print(f"{len(done.new)} runs imported, {done.known} were here already")
    return DONE


if __name__ == "__main__":
    sys.exit(main())
