"""How many runs solve the task, and after how many environment steps?

One panel per varied axis, a line per word: the share of runs that have reached the return from
which an episode counts as solved, in two consecutive evaluations without noise. The higher line
solves more often, the one further left sooner; a line that ends flat below 1 has runs that the
budget did not suffice for, or that failed.
"""

from collections.abc import Iterator

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from plotting import captions, panels, style
from plotting.drawing import Drawing
from reading.kinds import TRAININGS
from reading.sweep import MissingDataError, Sweep
from stats import curves, designs
from stats.thresholds import passed

OF = TRAININGS
_NEVER = 10.0  # budgets: beyond the axis, but counted


def draw(sweep: Sweep) -> Iterator[Drawing]:
    """Yield one figure per environment; see the module.

    Raises:
        MissingDataError: the runs have no threshold, or no two evaluations during training.
    """
    for place, part in designs.parts(sweep):
        if part.threshold is None:
            raise MissingDataError(
                f"the runs of {part.name} have no evaluation.solved in common, the return from "
                "which an episode counts as solved"
            )
        yield _drawing(f"time_to_threshold{place}", part, part.threshold)


def _drawing(name: str, sweep: Sweep, threshold: float) -> Drawing:
    data = passed(sweep, threshold)
    kept, copied = curves.distinct(sweep)
    data = data[~data["run_id"].isin(sweep.runs.loc[~kept, "run_id"])]
    columns = [column for _, column in curves.lines(sweep)]
    budgets = curves.budgets(sweep)
    x = panels.scale(budgets, budgets.max())
    across = min(3, len(columns))
    width = style.PAGE if across > 1 else style.COLUMN
    figure = Figure(figsize=(width, 2.5 * -(-len(columns) // across)))
    axes = figure.subplots(-(-len(columns) // across), across, squeeze=False, sharey=True).ravel()
    tidy = data.assign(x=(data["steps"] / x.unit).fillna(_NEVER * x.end))
    for ax, column in zip(axes, columns, strict=False):
        colour = style.colours(sorted(tidy[column].unique()))
        counts = tidy.groupby(column)["steps"].agg(["count", "size"])
        sns.ecdfplot(tidy, x="x", hue=column, palette=colour, ax=ax, legend=False, lw=1.4)
        for word, hue in colour.items():
            passing, every = counts.loc[word].astype(int)
            label = f"{style.plain(word)} ({passing} of {every})"
            ax.plot([], [], color=hue, label=label)
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.28))
        ax.set_title("" if column == "cell" else style.plain(column))
        ax.set(ylabel=f"share of runs past {threshold:g}", ylim=(0.0, 1.02))
        panels.steps_axis(ax, x)
    for ax in axes[len(columns) :]:
        ax.set_axis_off()
    caption = captions.compose(
        sweep,
        f"Share of runs that have reached {threshold:g} in two consecutive evaluations without "
        f"noise, against the steps at the first of the two; {data['steps'].count()} of {len(data)} "
        "runs do. Runs that failed never do. A step is late by up to the steps between two "
        "evaluations, and runs of one seed are no independent ones.",
        captions.copied(copied),
    )
    return Drawing(name, figure, pd.DataFrame(data), caption)
