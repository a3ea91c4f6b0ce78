"""How much processor time and memory the analysis takes, for stores of growing size.

    python analysis/benchmarks/analysis.py                      # 1,000 runs: load, figures, report
    python analysis/benchmarks/analysis.py --runs 1000 10000    # and whether loading grows linearly

fills temporary stores with runs of 200 points of 12 metrics, in MLflow's own format, and measures
each size in a process of its own. Filling 10,000 runs takes some minutes and 6 GB of disk. Figures
and report are made of the smallest size only, as they draw cells and not runs.
"""

import argparse
import contextlib
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

POINTS = 200


def measure(uri: str, folder: Path | None) -> dict[str, float]:
    """Return processor seconds of loading, figures and report (given a folder); peak memory."""
    begin = time.process_time()
    from reading.sweep import load

    imported = time.process_time()
    study = load(uri, "pilot")
    found = {
        "runs": len(study.runs),
        "import_s": imported - begin,
        "load_s": time.process_time() - imported,
    }
    if folder is not None:
        import make_figures
        import report

        with contextlib.redirect_stdout(io.StringIO()):
            begin = time.process_time()
            make_figures.make(study, folder)
            found["figures_s"] = time.process_time() - begin
            begin = time.process_time()
            report.make(study, folder)
            found["report_s"] = time.process_time() - begin
    # Kilobytes on Linux, bytes on macOS.
    unit = 1e9 if sys.platform == "darwin" else 1e6
    found["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    return found


def main() -> None:
    """Read the arguments, fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, nargs="+", default=[1000], help="sizes of the stores")
    parser.add_argument("--measure", nargs=2, metavar=("URI", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parents[1]))
    if arguments.measure:
        uri, folder = arguments.measure
        print(json.dumps(measure(uri, Path(folder) if folder else None)))
        return
    for size in sorted(arguments.runs):
        with tempfile.TemporaryDirectory() as temporary:
            from benchmarks.synthetic_store import fill

            uri = fill(Path(temporary), size, POINTS)
            folder = str(Path(temporary) / "figures") if size == min(arguments.runs) else ""
            command = [sys.executable, __file__, "--measure", uri, folder]
            found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        print("  ".join(f"{name} {value:.4g}" for name, value in found.items()), flush=True)


if __name__ == "__main__":
    main()
