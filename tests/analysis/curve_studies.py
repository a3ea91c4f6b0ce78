"""Small studies made by hand for the tests of the curve figures."""

import pandas as pd

from reading.sweep import AXES, Sweep

SCORE = ("gaussian", "learned", "clip", "score_function", "on_policy")
REPARAMETERISED = ("gaussian", "learned", "clip", "reparameterised", "replay")


def run(cell=SCORE, seed=0, env="pendulum", score=1.0, steps=100, solved="5", curves=None, **more):
    """Return a run and its points: `curves` maps a metric to `{step: value}`."""
    words = dict(zip(AXES, (env, *cell), strict=True)) | more
    name = "-".join([*words.values(), str(seed)])
    row = {"run_id": name, "seed": seed, "score": score, "param.steps": str(steps), **words}
    points = [
        {"run_id": name, "step": step, "metric": metric, "value": value}
        for metric, curve in (curves or {}).items()
        for step, value in curve.items()
    ]
    return row | {"param.evaluation.solved": solved}, points


def study(runs, gaps=(), varied=None, others=()):
    """Return the study of what `run` returned; axes with several words are the varied ones."""
    frame = pd.DataFrame([row for row, _ in runs])
    if varied is None:
        varied = tuple(axis for axis in AXES if frame[axis].nunique() > 1)
    labels = [frame[axis] for axis in varied]
    labels += [f"{name}=" + frame[f"param.{name}"] for name in others]
    frame["cell"] = [" ".join(words) for words in zip(*labels, strict=True)] or "score_function"
    points = pd.DataFrame(
        [point for _, points in runs for point in points],
        columns=["run_id", "step", "metric", "value"],
    )
    return Sweep(
        name="made",
        runs=frame,
        points=points.astype({"run_id": "category", "metric": "category"}),
        gaps=pd.DataFrame(list(gaps), columns=["cell", "seed", "problem"]),
        notes=(),
        varied=tuple(varied),
        others=tuple(others),
    )
