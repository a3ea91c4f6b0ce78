"""Studies made by hand: every score is named in the test that needs it."""

from collections.abc import Mapping, Sequence

import pandas as pd

from reading.sweep import AXES, Sweep

USUAL = {
    "env": "lunar_lander_continuous", "policy": "gaussian", "variance": "learned",
    "squash": "none", "estimator": "score_function", "learner": "on_policy",
}  # fmt: skip


def made(
    names: Sequence[str],
    scores: Mapping[tuple[str, ...], Mapping[int, float]],
    threshold: float | None = None,
    gaps: Sequence[tuple[str, int, str]] = (),
) -> Sweep:
    """Return the study with these scores.

    Args:
        names: of what the cells differ in; what is no axis is another setting.
        scores: by the cell's words, by seed.
        threshold: of solved.
        gaps: cell, seed, problem.
    """
    rows = [
        _run(dict(zip(names, words, strict=True)), seed, score, threshold)
        for words, seeds in scores.items()
        for seed, score in seeds.items()
    ]
    return Sweep(
        name="made",
        runs=pd.DataFrame(rows),
        points=pd.DataFrame(columns=["run_id", "step", "metric", "value"]),
        gaps=pd.DataFrame(list(gaps), columns=["cell", "seed", "problem"]),
        notes=(),
        varied=tuple(name for name in AXES if name in names),
        others=tuple(name for name in names if name not in AXES),
    )


def _run(
    words: Mapping[str, str], seed: int, score: float, threshold: float | None
) -> dict[str, object]:
    cell = [word if name in AXES else f"{name}={word}" for name, word in words.items()]
    return {
        "run_id": "-".join([*words.values(), str(seed)]),
        "cell": " ".join(cell) or USUAL["estimator"],
        "seed": seed,
        "score": score,
        **{axis: words.get(axis, word) for axis, word in USUAL.items()},
        **{f"param.{name}": word for name, word in words.items()},
        "param.steps": "1000",
        "param.evaluation.solved": str(threshold),
    }


def numbered(*scores: float) -> dict[int, float]:
    """Return the scores of seeds 0, 1, ..."""
    return dict(enumerate(scores))


def shuffled(study: Sweep) -> Sweep:
    """Return the study with its runs in another order."""
    return Sweep(**{**vars(study), "runs": study.runs.sample(frac=1.0, random_state=1)})
