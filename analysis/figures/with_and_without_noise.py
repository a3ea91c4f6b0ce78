"""Does it matter whether a trained policy keeps its noise?

A panel per environment, a row per cell: the normalised return of the same last policies acting with
their noise (filled) and without (open). Where the order of the rows is not the same for both, the
way of acting decides which choice is better.
"""

from collections.abc import Iterator

from matplotlib.figure import Figure

from plotting import captions, panels, style
from plotting.drawing import Drawing
from reading.kinds import STUDIES
from reading.outcomes import PRIMARY, WITH
from reading.study import Study
from reading.sweep import MissingDataError

OF = STUDIES


def draw(study: Study) -> Iterator[Drawing]:
    """Yield the figure.

    Raises:
        MissingDataError: none of the plan's aggregate has run.
    """
    runs = study.of_aggregate()
    runs = runs[runs["copy_of"] == ""]
    if runs.empty:
        raise MissingDataError("none of the sweeps of the plan's aggregate has run")
    cell = runs[list(study.plan.aggregate["by"])].agg(" ".join, axis=1).map(style.plain)
    columns = ["environment", "cell", "seed"]
    data = runs.assign(cell=cell).melt(columns, list(PRIMARY), "acting", "return").dropna()
    titles = {n: t for n, t in study.titles().items() if n in set(data["environment"])}
    names = sorted(data["cell"].unique())
    figure = Figure(figsize=(style.PAGE, 1.0 + 0.22 * len(names)))
    axes = figure.subplots(1, len(titles), sharey=True, squeeze=False)[0]
    for ax, (environment, title) in zip(axes, titles.items(), strict=True):
        panels.acting_rows(ax, data[data["environment"] == environment], names)
        ax.set_title(title)
    figure.supxlabel("normalised return of the last policy", fontsize=8)
    panels.acting_legend(figure)
    caption = captions.of_study(
        study,
        f"The same last policies acting {WITH} and without it: pale dots are seeds, lines 95% "
        "Student-t intervals of their mean. A failed run counts as a random policy, 0.",
    )
    yield Drawing("with_and_without_noise", figure, data, caption)
