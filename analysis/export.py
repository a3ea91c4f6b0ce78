"""Write the runs of a sweep or a study as a data set that is committed with the project.

    python analysis/export.py study

reads the tracking store and writes `analysis/data/study/`: `runs.parquet` (one row per run,
finished or not), `points.parquet` (one row per run, step and metric) and `manifest.json` with the
commands, what was planned, and the hash of both. `load.load` reads it as it reads a store.
"""

import argparse
import hashlib
import json
from pathlib import Path

from reading import sources
from reading.kinds import TRAININGS
from reading.preregistration import is_study
from reading.recorded import MANIFEST, POINTS, RUNS, DataError, Recorded
from reading.sweep import sweep_of
from reports.sentences import cost_line

# Where files lie on the machine that trained is nobody's business.
_LEFT_OUT = ["artifact_uri"]
_OF_THE_MACHINE = ("param.tracking.",)
_LARGEST = 20e6


def export(recorded: Recorded, folder: Path) -> int:
    """Write a data set; return its size in bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    runs = recorded.runs.drop(columns=_LEFT_OUT)
    runs = runs[[name for name in runs if not str(name).startswith(_OF_THE_MACHINE)]]
    runs.to_parquet(folder / RUNS, index=False, compression="zstd")
    recorded.points.to_parquet(folder / POINTS, index=False, compression="zstd")
    files = {name: (folder / name).read_bytes() for name in (RUNS, POINTS)}
    started = runs["started"]
    content = {
        "sweep": recorded.name,
        "commands": sorted(runs["command"].dropna().unique()),
        "trained": [str(started.min().date()), str(started.max().date())],
        "runs": len(runs),
        "points": len(recorded.points),
        "seconds": round(float(runs["seconds"].sum())),
        "planned": recorded.planned,
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    (folder / MANIFEST).write_text(json.dumps(content, indent=1) + "\n")
    return sum(len(data) for data in files.values())


def main() -> None:
    """Read the arguments, export."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("sweep", help="its name, or that of a study, as in sweeps/")
    parser.add_argument("--store", default="", metavar="URI", help="of the tracking store")
    parser.add_argument("--out", type=Path, default=sources.DATA, help="folder of the data sets")
    arguments = parser.parse_args()
    try:
        recorded = sources.record(sources.store_uri(arguments), arguments.sweep)
    except DataError as error:
        sources.fail(error)
    size = export(recorded, arguments.out / arguments.sweep)
    print(
        f"wrote {arguments.out / arguments.sweep}: {len(recorded.runs)} runs, {size / 1e6:.1f} MB"
    )
    if not is_study(recorded.name) and (sweep := sweep_of(recorded)).kind == TRAININGS:
        print(cost_line(sweep))
    if size > _LARGEST:
        print(f"warning: that is more than {_LARGEST / 1e6:.0f} MB, too much to commit")


if __name__ == "__main__":
    main()
