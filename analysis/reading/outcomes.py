"""What every run counts as: its returns with and without noise, failures included, copies marked.

A run that failed for good has a declared score, that of a random policy: what diverges does not
leave a comparison. Where the scale of an environment is known, returns are normalised: 0 is a
random policy, 1 the reference.
"""

import hashlib
from collections.abc import Mapping

import numpy as np
import pandas as pd

from reading.recorded import DataError
from reading.sweep import Sweep

WITH, WITHOUT = "with noise", "without noise"
LEARNING, NOISE, FAILED = "during training", "gain from noise", "share of failed runs"
PRIMARY = (WITH, WITHOUT)
_METRICS = {
    WITH: "metric.eval/final_stochastic_return_mean",
    WITHOUT: "metric.eval/final_deterministic_return_mean",
}
TRAINING = "train/return_mean"
_WHAT_HAPPENED = ("metric.train/", "metric.eval/", "metric.gradient/", "metric.critic/")
Scales = Mapping[str, tuple[float, float]]
"""By environment: return of a random policy, and of a good one."""


def outcomes(sweep: Sweep, scales: Scales | None = None) -> pd.DataFrame:
    """Return one row per run of a sweep that finished or failed.

    Args:
        sweep: of trainings.
        scales: by word of the environment; None: that of the runs, if they have one.

    Returns:
        The columns of `Sweep.runs`, `environment`, `failed` (without a scale, failed runs have no
        row, as they have no score), `copy_of` (the identifier of an earlier run that is the same
        one to the bit, else ""), and a column per endpoint: `WITH`, `WITHOUT`, `LEARNING` (mean
        over the budget), `NOISE` (with less without) and `FAILED` (0 or 1).
    """
    known = scales or (dict.fromkeys(sweep.runs["env"], sweep.scale) if sweep.scale else None)
    finished = sweep.runs.assign(failed=False, copy_of=copies(sweep.runs))
    finished[LEARNING] = finished["run_id"].map(_mean_over_budget(sweep)).astype(float)
    finished = finished.join(returns(finished))
    columns = [WITH, WITHOUT, LEARNING]
    if known is None:
        found = finished
    else:
        both = [finished, sweep.failed.assign(failed=True, copy_of="")]
        found = pd.concat([part for part in both if len(part)], ignore_index=True)
        low, high = _limits(found["env"], known)
        for name in columns:
            normalised = (found[name] - low) / (high - low)
            found[name] = normalised.mask(found["failed"].astype(bool), 0.0)
    found = found.assign(environment=found["env"], failed=found["failed"].astype(bool))
    found[NOISE], found[FAILED] = found[WITH] - found[WITHOUT], found["failed"].astype(float)
    return found


def returns(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the mean returns `WITH` and `WITHOUT` noise of the last policies, as they are."""
    empty = pd.Series(np.nan, runs.index)
    found = pd.DataFrame(
        {n: runs.get(metric, empty).astype(float) for n, metric in _METRICS.items()}
    )
    return found.assign(**{WITHOUT: found[WITHOUT].fillna(runs["score"])})


def _limits(env: "pd.Series[str]", scales: Scales) -> tuple["pd.Series[float]", "pd.Series[float]"]:
    for word in sorted(set(env)):
        low, high = scales.get(word, (np.nan, np.nan))
        if not high > low:
            raise DataError(
                f"environment {word} has no scale: its returns cannot be normalised; give it "
                "random_return and a reference_return above that in study.yaml"
            )
    return env.map(lambda word: scales[word][0]), env.map(lambda word: scales[word][1])


def copies(runs: pd.DataFrame) -> "pd.Series[str]":
    """Return for each run the first one with the same seed that is the same one, to the bit.

    Where an environment clips actions itself, `none` and `clip` on policy are such a pair: returns,
    losses and gradients agree, while what is told of the bound (clip share) and of time does not.
    """
    names = [str(name) for name in runs if str(name).startswith(_WHAT_HAPPENED)]
    if not names:
        return pd.Series("", runs.index)
    values = runs[sorted(names)].astype(float)
    prints = pd.Series(
        [hashlib.sha256(row.tobytes()).hexdigest() for row in values.to_numpy()], runs.index
    )
    keys = prints + runs["env"].astype(str) + runs["seed"].astype(str)
    # Two numbers could agree by chance, or as the best there is; curves and norms do not.
    keys = keys.where(values.nunique(axis=1) > 3, runs["run_id"])
    first = runs.groupby(keys)["run_id"].transform("first")
    return first.where(first != runs["run_id"], "")


def _mean_over_budget(sweep: Sweep) -> "pd.Series[float]":
    """Return of each run the mean of its training returns, each for the steps that led to it."""
    points = sweep.curves(TRAINING)
    points = points[np.isfinite(points["value"])]
    before = points.groupby("run_id")["step"].shift().fillna(0.0)
    taken = points["step"] - before
    total = (points["value"] * taken).groupby(points["run_id"]).sum()
    return total / taken.groupby(points["run_id"]).sum()
