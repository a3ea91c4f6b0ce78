"""Learning curves of one sweep: every seed, and the mean of the cells with its interval.

    python analysis/fig_learning_curves.py solve_bipedal_walker

reads the tracking store and writes `analysis/figures/learning_curves_<sweep>.png` with the numbers
behind it as `.csv`. Returns are those of training episodes, with the policy's noise; the crosses at
the end are the final evaluations without it.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from gausspg import home
from gausspg.tracking import default_uri, metric_history
from sweep_runs import latest_finished

TRAINING, FINAL = "train/return_mean", "eval/final_deterministic_return_mean"
_BINS = 100


def load(uri: str, sweep: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the sweep's latest runs, and their curves binned to a common grid.

    Raises:
        SystemExit: there is no finished run of such a sweep.
    """
    runs = latest_finished(uri, sweep)
    runs["cell"] = _cells(runs)
    points = metric_history(uri, runs["run_id"], [TRAINING, FINAL])
    points = points.merge(runs[["run_id", "cell", "param.seed"]], on="run_id")
    width = points["step"].max() / _BINS
    training = points[points["metric"] == TRAINING].copy()
    training["step"] = ((training["step"] // width + 0.5) * width).astype(int)
    keys = ["cell", "param.seed", "metric", "step"]
    curves = training.groupby(keys, as_index=False)["value"].mean()
    final = points.loc[points["metric"] == FINAL, [*keys, "value"]]
    return runs, pd.concat([pd.DataFrame(curves), pd.DataFrame(final)], ignore_index=True)


def _cells(runs: pd.DataFrame) -> pd.Series:
    """Name what differs between runs beside the seed; below an axis that differs, its word does."""
    names = [name for name in map(str, runs) if name.startswith("param.") and name != "param.seed"]
    differing = [name for name in names if runs[name].nunique(dropna=False) > 1]
    shown = [
        name for name in differing
        if name.count(".") == 1 or ".".join(name.split(".")[:2]) not in differing
    ]  # fmt: skip
    columns = [runs[name].fillna("-").astype(str) for name in shown or ["param.estimator"]]
    return pd.Series([" ".join(words) for words in zip(*columns, strict=True)], index=runs.index)


def draw(ax: Axes, curves: pd.DataFrame) -> None:
    """Draw every seed thinly, and each cell's mean with a 95% Student-t interval over seeds."""
    cells = list(dict.fromkeys(curves["cell"]))
    for cell, colour in zip(cells, sns.color_palette("colorblind", len(cells)), strict=True):
        mine = curves[(curves["cell"] == cell) & (curves["metric"] == TRAINING)]
        table = mine.pivot(index="step", columns="param.seed", values="value")
        table = table.interpolate(limit_area="inside")
        steps = table.index.to_numpy() / 1e6
        for seed in table:
            ax.plot(steps, table[seed], color=colour, alpha=0.35, linewidth=0.8)
        count = table.shape[1]
        present, mean = table.count(axis=1), table.mean(axis=1)
        ax.plot(steps, mean, color=colour, linewidth=2, label=f"{cell} ({count} seeds)")
        if count > 1:
            half = stats.t.ppf(0.975, present - 1) * table.std(axis=1) / np.sqrt(present)
            ax.fill_between(steps, mean - half, mean + half, color=colour, alpha=0.15, lw=0)
        final = curves[(curves["cell"] == cell) & (curves["metric"] == FINAL)]
        ax.plot(final["step"] / 1e6, final["value"], "x", color=colour, markersize=6, clip_on=False)
    ax.set_xlabel("environment steps (million)")
    ax.set_ylabel("return of an episode")
    ax.legend(frameon=False, loc="lower right")
    sns.despine(ax=ax)


def main() -> None:
    """Load, draw, save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("sweep", help="name of the sweep, as in sweeps/")
    parser.add_argument("--uri", default=default_uri(home.runs()), help="tracking store")
    parser.add_argument("--solved", type=float, help="draw a line at this return")
    arguments = parser.parse_args()
    runs, curves = load(arguments.uri, arguments.sweep)
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    ax = figure.subplots()
    if arguments.solved is not None:
        ax.axhline(arguments.solved, color="0.6", linewidth=0.8, linestyle="--", zorder=0)
    draw(ax, curves)
    ax.set_title(f"{arguments.sweep}: {len(runs)} runs", fontsize=10)
    folder = Path(__file__).parent / "figures"
    folder.mkdir(exist_ok=True)
    stem = folder / f"learning_curves_{arguments.sweep}"
    curves.to_csv(stem.with_suffix(".csv"), index=False, float_format="%.4f")
    # No date in the file: the same data give the same bytes.
    figure.savefig(stem.with_suffix(".png"), dpi=150, metadata={"Software": None})
    print(f"wrote {stem.with_suffix('.png')} and the numbers behind it as .csv")


if __name__ == "__main__":
    main()
