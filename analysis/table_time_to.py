"""After how many steps and seconds the runs of a sweep first pass a return.

    python analysis/table_time_to.py solve_bipedal_walker_replay --store --solved 300

prints, per run, the first evaluation during training whose deterministic mean return is at least
that, the wall time of training until then, evaluations left out, and the returns over fresh
episodes at the end: of the last policy, and of the best by the evaluations during training.
"""

import pandas as pd

from reading import sources
from reading.kinds import TRAININGS
from reading.recorded import DataError
from reading.sweep import Sweep

DURING = "eval/deterministic_return_mean"
BEST = "eval/best_deterministic_return_mean"
RATE = "time/steps_per_second"


def rows(sweep: Sweep, solved: float) -> pd.DataFrame:
    """Return one row per run."""
    evaluations, rates = sweep.curves(DURING), sweep.curves(RATE)
    best = sweep.curves(BEST).set_index("run_id")["value"]
    found = []
    for run_id, cell, seed, score in zip(
        *(sweep.runs[name] for name in ("run_id", "cell", "seed", "score")), strict=True
    ):
        own = evaluations[evaluations["run_id"] == run_id]
        passed = own.loc[own["value"] >= solved, "step"]
        steps = int(passed.min()) if len(passed) else None
        taken = None if steps is None else seconds(rates[rates["run_id"] == run_id], steps)
        found.append(
            {
                "cell": cell,
                "seed": seed,
                "steps": steps,
                "seconds": None if taken is None else round(taken, 1),
                "final": round(score, 1),
                "best": round(best[run_id], 1) if run_id in best else None,
            }
        )
    return pd.DataFrame(found).astype({"steps": "Int64"})


def seconds(rates: pd.DataFrame, until: int) -> float:
    """Wall time of a run's iterations up to a step, by the rate each of them recorded."""
    rates = rates[rates["step"] <= until].sort_values("step")
    taken = rates["step"].diff().fillna(rates["step"])
    return float((taken / rates["value"]).sum())


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
    except DataError as error:
        sources.fail(error)


if __name__ == "__main__":
    main()
