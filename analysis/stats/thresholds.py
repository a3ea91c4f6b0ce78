"""When a run has got somewhere: two consecutive evaluations beyond a return, not one lucky one."""

import numpy as np
import pandas as pd

from reading.sweep import MissingDataError, Sweep

METRIC = "eval/deterministic_return_mean"
RATE = "time/steps_per_second"


def passed(sweep: Sweep, threshold: float) -> pd.DataFrame:
    """Return when each run first passed a return and stayed there for a second evaluation.

    Returns:
        The runs with evaluations, as `cell, seed`, the varied words, `steps` and wall `seconds` of
        training until the first of the two, evaluations left out; NaN of what never did. Runs that
        failed never did.

    Raises:
        MissingDataError: no run has two evaluations.
    """
    points = sweep.curves(METRIC).sort_values(["run_id", "step"])
    if points.empty or points.groupby("run_id").size().max() < 2:
        raise MissingDataError(f"no run of {sweep.name} has two evaluations during training")
    above = points["value"] >= threshold
    again = above.groupby(points["run_id"]).shift(-1, fill_value=False)
    steps = points[above & again].groupby("run_id")["step"].min()
    every = pd.concat([part for part in (sweep.runs, sweep.failed) if len(part)])
    found = every[["run_id", "cell", *sweep.varied, "seed"]].reset_index(drop=True)
    found["steps"] = found["run_id"].map(steps).astype(float)
    rates = sweep.curves(RATE).sort_values(["run_id", "step"])
    taken = rates.groupby("run_id")["step"].diff().fillna(rates["step"]) / rates["value"]
    until = rates["step"] <= rates["run_id"].map(steps).astype(float)
    seconds = taken[until].groupby(rates["run_id"]).sum()
    found["seconds"] = found["run_id"].map(seconds).astype(float).where(np.isfinite(found["steps"]))
    return found
