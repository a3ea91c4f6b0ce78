"""After how many steps and seconds the runs of a sweep pass a return and stay there.

    python analysis/table_time_to.py solve_bipedal_walker_replay --store --solved 300

prints, per run, the first of two consecutive evaluations during training whose deterministic mean
returns are at least that, the wall time of training until then, evaluations left out, and the
returns over fresh episodes at the end: of the last policy, and of the best by the evaluations.
"""

import pandas as pd

from reading import sources
from reading.kinds import TRAININGS
from reading.recorded import DataError
from reading.sweep import MissingDataError, Sweep
from stats.thresholds import passed

BEST = "eval/best_deterministic_return_mean"


def rows(sweep: Sweep, solved: float) -> pd.DataFrame:
    """Return one row per run."""
    best = sweep.curves(BEST).set_index("run_id")["value"]
    final = sweep.runs.set_index("run_id")["score"]
    found = passed(sweep, solved)
    found = found.assign(final=found["run_id"].map(final), best=found["run_id"].map(best))
    return found[["cell", "seed", "steps", "seconds", "final", "best"]].round(1)


def main() -> None:
    """Read the arguments and print the tables."""
    parser = sources.parser(__doc__)
    parser.add_argument("--solved", type=float, required=True, help="return to be passed")
    arguments = parser.parse_args()
    try:
        for sweep in sources.sweeps(arguments, TRAININGS):
            print(rows(sweep, arguments.solved).to_string(index=False))
            if len(sweep.gaps):
                print("without a finished run:", sweep.gaps.to_string(index=False), sep="\n")
    except (DataError, MissingDataError) as error:
        sources.fail(error)


if __name__ == "__main__":
    main()
