"""Studies of two axes whose true answer is known, and the sentences that hold some words."""

from collections.abc import Callable, Mapping
from itertools import product

import numpy as np
import pandas as pd

from reading.study import Study

VARIANCES, SQUASHES = ("fixed", "learned"), ("clip", "tanh")
BUDGET = 1000
CURVE = "eval/deterministic_return_mean"

Score = Callable[[str, str, int], float]


def noise(*key: object) -> float:
    """A number of about unit size that depends on the words and the seed only."""
    return float(np.random.default_rng([ord(c) for c in repr(key)]).normal())


def make(
    score: Score,
    seeds: int = 5,
    *,
    leave_out: frozenset[tuple[str, str, int]] = frozenset(),
    estimators: Mapping[str, Mapping[str, object]] | None = None,
    curve: Callable[[str, int, float], float] | None = None,
    gaps: tuple[tuple[str, int, str], ...] = (),
    solved: object = 100,
) -> Study:
    """Return a study of two axes; the second is the estimator if those are given."""
    second, words = ("estimator", list(estimators)) if estimators else ("squash", SQUASHES)
    rows, points = [], []
    for variance, word, seed in product(VARIANCES, words, range(seeds)):
        if (variance, word, seed) in leave_out:
            continue
        run = f"{variance}-{word}-{seed}"
        rows.append({
            "run_id": run, "cell": f"{variance} {word}", "seed": seed, "env": "pendulum",
            "policy": "gaussian", "variance": variance, "squash": "clip",
            "estimator": "score_function", "learner": "on_policy", "param.steps": str(BUDGET),
            "param.evaluation.solved": str(solved), "score": score(variance, word, seed),
            second: word, **(estimators or {}).get(word, {}),
        })  # fmt: skip
        for step in range(50, BUDGET + 1, 50):
            value = curve(f"{variance} {word}", seed, step / BUDGET) if curve else 0.0
            points.append((run, step, CURVE, value))
    return Study(
        "by_hand",
        pd.DataFrame(rows),
        pd.DataFrame(points, columns=["run_id", "step", "metric", "value"]),
        pd.DataFrame(gaps, columns=["cell", "seed", "problem"]),
        (), ("variance", second), (),
    )  # fmt: skip


def additive(size: float, spread: float = 1.0, start: float = 100.0) -> Score:
    """Tanh earns `size` more than clip, the variance nothing; seeds move all cells alike."""
    return lambda variance, squash, seed: (
        start
        + 50.0 * noise(seed)
        + size * (squash == "tanh")
        + spread * noise("own", variance, squash, seed)
    )


def about(told: list[str], *words: str) -> list[str]:
    return [one for one in told if all(word in one for word in words)]
