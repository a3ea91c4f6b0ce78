"""A tracking store of runs that were never trained, in the real format and of any size.

For the benchmark and the tests of the analysis: the schema is MLflow's own, the settings are those
of three variances by three squashes as a run records them, the curves are made up. The effects are
known: `tanh` earns 40 more than `none`, `fixed` 20 less than the other variance modes, all else
nothing.
"""

import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import product
from pathlib import Path

import numpy as np

from gausspg.tracking import SweepRecorder, open_store

VARIANCES, SQUASHES = ("fixed", "learned", "full"), ("none", "clip", "tanh")
ESTIMATORS = {"score_function": "on_policy", "reparameterised": "replay"}
METRICS = (
    "train/return_mean", "eval/deterministic_return_mean", "eval/final_deterministic_return_mean",
    "eval/final_stochastic_return_mean", "policy/std_mean", "policy/entropy", "policy/saturation",
    "policy/condition_number", "gradient/policy_norm", "gradient/policy_variance",
    "gradient/policy_signal_to_noise", "time/steps_per_second",
)  # fmt: skip
STEPS, SOLVED = 300_000, 200
_START_MS = 1_700_000_000_000

Row = tuple[object, ...]


def fill(
    folder: Path, runs: int, points: int = 200, sweep: str = "pilot", settings: int = 40,
    metrics: Sequence[str] = METRICS,
) -> str:  # fmt: skip
    """Create a sqlite store with one sweep of `runs` finished runs; return its URI.

    Args:
        folder: receives the database and the artifacts.
        runs: rounded down to whole seeds of the 18 cells, at least one.
        points: of every metric of every run.
        sweep: its name.
        settings: parameters per run beside the axes.
        metrics: that every run has recorded.
    """
    store = open_store(f"sqlite:///{folder.absolute() / 'mlflow.db'}", folder, "gausspg")
    jobs = list(product(range(max(1, runs // 18)), VARIANCES, SQUASHES, ESTIMATORS))
    names = ("seed", "variance", "squash", "estimator")
    with SweepRecorder(store, folder / sweep, sweep, "synthetic", {"runs": len(jobs)}) as parent:
        parent.plan(
            [dict(zip(names, job, strict=True)) | {"learner": ESTIMATORS[job[-1]]} for job in jobs]
        )
        parent.set_final_status("FINISHED")
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        for number, job in enumerate(jobs):
            _insert(
                connection, str(store.experiment_id), parent.run_id, sweep, number, job, points,
                settings, metrics,
            )  # fmt: skip
        connection.commit()
    return store.uri


def _insert(
    connection: sqlite3.Connection, experiment: str, parent: str, sweep: str, number: int,
    job: tuple[int, str, str, str], points: int, settings: int, metrics: Sequence[str],
) -> None:  # fmt: skip
    run, (seed, variance, squash, estimator) = uuid.UUID(int=number + 1).hex, job
    begin = _START_MS + 1000 * number
    connection.execute(
        "INSERT INTO runs (run_uuid, name, source_type, status, start_time, end_time, "
        "lifecycle_stage, artifact_uri, experiment_id) VALUES (?,?,?,?,?,?,?,?,?)",
        (run, f"synthetic-{number}", "LOCAL", "FINISHED", begin, begin + 60_000, "active",
         f"synthetic/{run}", int(experiment)),
    )  # fmt: skip
    params = {
        "env": "lunar_lander_continuous", "policy": "gaussian", "variance": variance,
        "squash": squash, "estimator": estimator, "learner": ESTIMATORS[estimator], "seed": seed,
        "steps": STEPS, "evaluation.solved": SOLVED,
        **{f"env.setting_{index}": index for index in range(settings)},
    }  # fmt: skip
    tags = {
        "sweep": sweep, "sweep_id": "synthetic", "mlflow.parentRunId": parent,
        "command": f"python src/run.py +sweep={sweep}",
    }  # fmt: skip
    _many(connection, "params", [(key, str(value), run) for key, value in params.items()])
    _many(connection, "tags", [(key, value, run) for key, value in tags.items()])
    curves = dict(_curves(job, points, metrics))
    _many(connection, "metrics", [
        (key, value, begin + index, run, step, 0)
        for key, (steps, values) in curves.items()
        for index, (step, value) in enumerate(zip(steps, values, strict=True))
    ])  # fmt: skip
    _many(connection, "latest_metrics", [
        (key, values[-1], begin + len(values) - 1, steps[-1], 0, run)
        for key, (steps, values) in curves.items()
    ])  # fmt: skip


def _many(connection: sqlite3.Connection, table: str, rows: Sequence[Row]) -> None:
    marks = ",".join("?" * len(rows[0]))
    connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)


def _curves(
    job: tuple[int, str, str, str], points: int, metrics: Sequence[str]
) -> Iterator[tuple[str, tuple[list[int], list[float]]]]:
    """Yield every metric's steps and values: a rise towards the cell's level, and noise."""
    seed, variance, squash, estimator = job
    cell = (
        VARIANCES.index(variance) * 6 + SQUASHES.index(squash) * 2 + (estimator != "score_function")
    )
    shared = np.random.default_rng(seed).normal()
    noise = np.random.default_rng([seed, cell])
    level = 180.0 + 40.0 * (squash == "tanh") - 20.0 * (variance == "fixed") + 15.0 * shared
    level += 15.0 * noise.normal()
    steps = np.linspace(STEPS / points, STEPS, points).astype(int)
    rise = 1.0 - np.exp(-4.0 * steps / STEPS)
    for name in metrics:
        jitter = noise.normal(size=points)
        if name.startswith("eval/final"):
            yield name, ([int(steps[-1])], [float(level)])
        elif "return" in name:
            yield name, (steps.tolist(), (-200.0 + (level + 200.0) * rise + 10 * jitter).tolist())
        else:
            yield name, (steps.tolist(), (0.5 - 0.3 * rise + 0.02 * jitter).tolist())
