"""Studies whose truth is known: runs that were never trained, with the effects they are given."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from reading.preregistration import Preregistration
from reading.recorded import Recorded
from reading.study import Study, study_of

ENVIRONMENTS = ("pendulum", "lunar_lander_continuous", "bipedal_walker", "half_cheetah")
VARIANCES, SQUASHES = ("fixed", "learned_global", "learned", "full"), ("none", "clip", "tanh")
SCALE = (-200.0, 300.0)
MARGIN = 0.05
USUAL = {"policy": "gaussian", "variance": "learned", "squash": "clip",
         "estimator": "score_function", "learner": "on_policy", "steps": "400000"}  # fmt: skip
_POINTS = 20

Worth = Callable[[Mapping[str, str]], float]
"""Normalised return of a cell, as a function of its settings."""


def sweep(
    name: str,
    axes: Mapping[str, Sequence[object]],
    worth: Worth,
    *,
    generator: np.random.Generator,
    seeds: Sequence[int] = range(15),
    spread: float = 0.05,
    usual: Mapping[str, object] | None = None,
    failing: Callable[[Mapping[str, str], int], bool] = lambda settings, seed: False,
    signal: bool = False,
) -> Recorded:
    """Return a sweep: every combination of `axes`, with `spread` from seed to seed in each cell.

    Where the environment is one of ours, `squash=none` is `squash=clip`, to the bit.
    """
    rows: list[dict[str, Any]] = []
    points: list[tuple[str, int, str, float]] = []
    for words in product(*axes.values()):
        own = {key: str(word) for key, word in zip(axes, words, strict=True)}
        settings = {**USUAL, **{k: str(v) for k, v in (usual or {}).items()}, **own}
        other = {"none": "clip", "clip": "none"}.get(settings["squash"])
        on_policy = settings["learner"] == "on_policy"
        twin = {**settings, "squash": other} if other and on_policy else None
        noises = generator.normal(size=(len(seeds), 3 + _POINTS))
        for seed, noise in zip(seeds, noises, strict=True):
            run = _run(name, settings, seed, failing(settings, seed))
            copied = [row for row in rows if twin and _same(row, twin, seed)]
            if copied:
                run |= {k: v for k, v in copied[0].items() if k.startswith("metric.")}
            elif run["status"] == "FINISHED":
                level = worth(settings) + spread * noise[0]
                run |= _metrics(level, spread, noise)
            rows.append(run)
            if run["status"] == "FINISHED":
                points += _curves(run, signal, noise)
    frame = pd.DataFrame(rows)
    tidy = pd.DataFrame(points, columns=["run_id", "step", "metric", "value"])
    planned = [{**{k: row[f"param.{k}"] for k in axes}, "seed": row["param.seed"]} for row in rows]
    return Recorded(name, frame, tidy.astype({"run_id": "category", "metric": "category"}), planned)


def _same(row: Mapping[str, Any], twin: Mapping[str, str], seed: int) -> bool:
    return row["param.seed"] == str(seed) and all(row[f"param.{k}"] == v for k, v in twin.items())


def _run(name: str, settings: Mapping[str, str], seed: int, failed: bool) -> dict[str, Any]:
    told = "-".join([name, *settings.values(), str(seed)])
    return {
        "run_id": told, "name": told, "status": "FAILED" if failed else "FINISHED", "sweep": name,
        "sweep_id": "1", "parent_run_id": None, "error": "a gradient is not finite" if failed
        else None, "started": pd.Timestamp("2026-01-01", tz="UTC"), "seconds": 60.0,
        "command": f"python src/run.py +sweep=study/{name}", "artifact_uri": "", "param.seed":
        str(seed), **{f"param.{key}": value for key, value in settings.items()},
    }  # fmt: skip


def _metrics(level: float, spread: float, noise: np.ndarray) -> dict[str, float]:
    low, high = SCALE
    with_noise, without = low + (high - low) * np.array([level, level + 0.3 * spread * noise[1]])
    return {
        "metric.eval/final_stochastic_return_mean": with_noise,
        "metric.eval/final_deterministic_return_mean": without,
        "metric.train/return_mean": with_noise + noise[2],
        "metric.critic/loss": float(np.exp(noise[2])),
        "metric.time/cpu_seconds": 55.0,
    }


def _curves(
    run: Mapping[str, Any], signal: bool, noise: np.ndarray
) -> list[tuple[str, int, str, float]]:
    steps = np.linspace(0.0, float(run["param.steps"]), _POINTS + 1)[1:].astype(int)
    rise = 1.0 - np.exp(-5.0 * np.arange(1, _POINTS + 1) / _POINTS)
    end = float(run["metric.eval/final_stochastic_return_mean"])
    values = SCALE[0] + (end - SCALE[0]) * rise + 5.0 * noise[3:]
    found = {"train/return_mean": values, "eval/deterministic_return_mean": values + 3.0}
    if signal:
        found["gradient/score_function_signal_to_noise"] = 0.01 * np.exp(0.2 * noise[3:])
        found["gradient/reparameterised_signal_to_noise"] = 0.04 * np.exp(0.2 * noise[3:])
    return [(run["run_id"], int(step), metric, float(value)) for metric, those in found.items()
            for step, value in zip(steps, those, strict=True)]  # fmt: skip


def plan(contrasts: Mapping[str, Mapping[str, Any]], **changed: Any) -> Preregistration:
    """Return a plan with these contrasts, on the environments here."""
    low, high = SCALE
    environments = {
        env: {"title": env.replace("_", " "), "where": {"env": env}, "random_return": low,
              "reference_return": high} for env in ENVIRONMENTS
    }  # fmt: skip
    usual = {
        "question": "Does it matter?", "smallest_difference": MARGIN, "reporting_seeds": (0, 19),
        "tuning_seeds": (1000, 1999), "environments": environments, "contrasts": contrasts,
    }  # fmt: skip
    return Preregistration.model_validate(usual | changed)


PAIRS = {
    "none": {"title": "full - diagonal", "block": "Variance", "over": ["squash"],
             "plus": [{"variance": "full"}], "minus": [{"variance": "learned"}]},
    "half": {"title": "fixed - global", "block": "Variance", "over": ["squash"],
             "plus": [{"variance": "fixed"}], "minus": [{"variance": "learned_global"}]},
    "beyond": {"title": "tanh - clip", "block": "Bound", "over": ["variance"],
               "plus": [{"squash": "tanh"}], "minus": [{"squash": "clip"}]},
    "same": {"title": "none - clip", "block": "Bound", "over": ["variance"],
             "plus": [{"squash": "none"}], "minus": [{"squash": "clip"}]},
}  # fmt: skip
"""Contrasts whose truth is 0, half the margin, three margins, and nothing at all."""


def worth(settings: Mapping[str, str]) -> float:
    """Return the truth behind `PAIRS`."""
    found = 0.6 + 0.5 * MARGIN * (settings["variance"] == "fixed")
    return found + 3.0 * MARGIN * (settings["squash"] == "tanh")


def study(seed: int = 0, seeds: int = 15, spread: float = 0.05, **changed: Any) -> Study:
    """Return a study of 4 environments x 12 cells x 15 seeds, with the effects of `PAIRS`."""
    axes = {"env": ENVIRONMENTS, "variance": VARIANCES, "squash": ("clip", "none", "tanh")}
    recorded = sweep("main", axes, worth, generator=np.random.default_rng(seed),
                     seeds=range(seeds), spread=spread)  # fmt: skip
    aggregate = {"sweeps": ["main"], "by": ["variance", "squash"]}
    return study_of([recorded], plan(PAIRS, aggregate=aggregate, **changed), "made")
