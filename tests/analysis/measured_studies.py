"""Sweeps of measurements made by hand: every number is named in the test that needs it."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from reading.recorded import Recorded
from reading.sweep import Sweep, sweep_of

USUAL = {
    "policy": "gaussian", "variance": "learned_global", "squash": "none",
    "problem.mean": 1.0, "std": 1.0, "rows": 1000, "baseline": None,
}  # fmt: skip


def measurement(
    problem: str,
    estimator: str,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    metrics: Mapping[str, float] | None = None,
    status: str = "FINISHED",
) -> dict[str, Any]:
    """Return the row of `gausspg.tracking.find_runs` of one measurement."""
    params = {"problem": problem, "estimator": estimator, "seed": seed, **USUAL, **(settings or {})}
    values = {"gradient/variance": 1.0, **(metrics or {})} if status == "FINISHED" else {}
    told = "-".join(str(value) for value in params.values())
    return {
        "run_id": told,
        "status": status,
        "error": None if status == "FINISHED" else "the wheels came off",
        "command": "python src/measure_gradients.py +sweep=gradients/made",
        "parent_run_id": None,
        "started": pd.Timestamp("2026-01-01", tz="UTC"),
        "seconds": 1.0,
        **{f"param.{name}": str(value) for name, value in params.items()},
        **{f"metric.{name}": value for name, value in values.items()},
    }


def recorded(
    rows: Sequence[Mapping[str, Any]], planned: Sequence[Mapping[str, str]] = ()
) -> Recorded:
    """Return the sweep of what `measurement` returned."""
    points = pd.DataFrame(columns=["run_id", "step", "metric", "value"])
    return Recorded("made", pd.DataFrame(list(rows)), points, planned)


def study(rows: Sequence[Mapping[str, Any]]) -> Sweep:
    """Return the study of what `measurement` returned."""
    return sweep_of(recorded(rows))


def scan(
    problem: str,
    setting: str,
    variances: Mapping[str, Mapping[float, tuple[float, float | None]]],
    seed: int = 0,
    **settings: Any,
) -> list[dict[str, Any]]:
    """Return measurements along a setting.

    Args:
        problem: of all.
        setting: that is scanned.
        variances: by estimator, by place: measured and exact; those of the scale are twice those
            of the mean.
        seed: of all.
        settings: of all.
    """
    rows = []
    for estimator, places in variances.items():
        for place, (measured, exact) in places.items():
            metrics = {"gradient/variance": 3.0 * measured}
            for part, factor in (("mean", 1.0), ("scale", 2.0)):
                metrics[f"gradient/variance_of_{part}"] = factor * measured
                if exact is not None:
                    metrics[f"gradient/exact_variance_of_{part}"] = factor * exact
            rows.append(
                measurement(problem, estimator, seed, {setting: place, **settings}, metrics)
            )
    return rows
