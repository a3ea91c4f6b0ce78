"""After how many steps and seconds the runs of a sweep first pass a return.

    python analysis/table_time_to.py solve_bipedal_walker_replay --solved 300

prints, per run of the latest such sweep, the first evaluation during training whose deterministic
mean return is at least that, the wall time of training until then, evaluations left out, and the
return over fresh episodes at the end.
"""

import argparse

import pandas as pd

from gausspg import home
from gausspg.tracking import default_uri, metric_history
from sweep_runs import latest_finished

DURING, FINAL = "eval/deterministic_return_mean", "eval/final_deterministic_return_mean"
RATE = "time/steps_per_second"


def rows(uri: str, sweep: str, solved: float) -> pd.DataFrame:
    """Return one row per finished run of the latest sweep of that name.

    Raises:
        SystemExit: there is none.
    """
    runs = latest_finished(uri, sweep)
    points = metric_history(uri, runs["run_id"], [DURING, FINAL, RATE])
    found = []
    for seed, run_id in zip(runs["param.seed"], runs["run_id"], strict=True):
        own = points[points["run_id"] == run_id]
        evaluations = own[own["metric"] == DURING].sort_values("step")
        passed = evaluations[evaluations["value"] >= solved]
        steps = int(passed["step"].iloc[0]) if len(passed) else None
        found.append(
            {
                "seed": seed,
                "steps": steps,
                "seconds": None if steps is None else round(_seconds(own, steps), 1),
                "final": round(float(own.loc[own["metric"] == FINAL, "value"].iloc[-1]), 1),
            }
        )
    return pd.DataFrame(found)


def _seconds(points: pd.DataFrame, until: int) -> float:
    """Wall time of a run's iterations up to a step, by the rate each of them recorded."""
    rates = points[(points["metric"] == RATE) & (points["step"] <= until)].sort_values("step")
    taken = rates["step"].diff().fillna(rates["step"])
    return float((taken / rates["value"]).sum())


def main() -> None:
    """Read the arguments and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("sweep")
    parser.add_argument("--solved", type=float, required=True, help="return to be passed")
    parser.add_argument("--uri", default=default_uri(home.runs()), help="of the tracking store")
    arguments = parser.parse_args()
    print(rows(arguments.uri, arguments.sweep, arguments.solved).to_string(index=False))


if __name__ == "__main__":
    main()
