"""How much more does one word of an axis earn than another, all else equal?

A row per pair of words: the difference of the returns of the last policies, taken within each seed,
a mean over the cells of the other axes that both have; filled with noise, open without. A sweep
that is no study declares nothing beforehand: its contrasts are exploratory.
"""

from collections.abc import Iterator

from matplotlib.figure import Figure

from plotting import captions, forest, style
from plotting.drawing import Drawing
from reading.kinds import TRAININGS
from reading.sweep import MissingDataError, Sweep
from stats.verdicts import MARGIN, judged

OF = TRAININGS


def draw(sweep: Sweep) -> Iterator[Drawing]:
    """Yield the figure.

    Raises:
        MissingDataError: no two words share a seed.
    """
    table = judged(sweep)
    if table.empty:
        raise MissingDataError("no two cells that differ in one word share a seed")
    titles = {str(env): style.plain(str(env)) for env in table["environment"].unique()}
    margin = MARGIN if sweep.scale else None
    rows = forest.rows_of(table)
    figure = Figure(figsize=(style.PAGE, 0.9 + forest.height(rows)))
    unit = "difference in mean return, first less second"
    if sweep.scale:
        unit += " (1: from a random policy to a good one)"
    forest.draw(figure, table, titles, titles, margin, unit)
    forest.legend(figure, margin)
    compared = int(table["in_family"].sum())
    caption = captions.compose(
        sweep,
        "Differences of the returns of the last policies between words of an axis, paired by seed, "
        "means over the cells of the other axes; pale dots are seeds, lines 95% Student-t "
        f"intervals, one by one. Exploratory: verdicts are at 5% after Holm over {compared} "
        "comparisons; differs does not say that it matters, nor open that there is nothing; needs "
        "are seeds to add if the estimate were true.",
        captions.confounded(sweep),
    )
    return_columns = [name for name in table if name != "parts"]
    yield Drawing("contrasts", figure, table[return_columns], caption)
