"""What are a Gaussian policy's choices worth? Does one of them matter?

A row per preregistered contrast, a column per environment and one for all of them: the paired
difference of normalised returns, where 1 is the way from a random policy to a good one; filled for
policies that act with their noise, open without. A line within the grey band is a difference too
small to matter, one clear of zero and not within it matters, and any other is open.
"""

from collections.abc import Iterator, Mapping

import pandas as pd
from matplotlib.figure import Figure

from plotting import captions, forest, style
from plotting.drawing import Drawing
from reading.kinds import STUDIES
from reading.outcomes import PRIMARY
from reading.study import Study
from reading.sweep import MissingDataError
from stats.verdicts import ALL, SAME, judged

OF = STUDIES
_SHARED = 3  # contrasts that an environment needs for a column of its own
_WIDTH = 7.4


def draw(study: Study) -> Iterator[Drawing]:
    """Yield the figure.

    Raises:
        MissingDataError: no contrast has runs.
    """
    table = judged(study)
    if table.empty:
        raise MissingDataError("no contrast has runs on both sides yet")
    marks = table["confirmatory"].map({True: "", False: " (exploratory)"})
    table = table.assign(title=table["title"] + marks)
    titles = study.titles()
    columns = _columns(table, titles)
    if len(columns) != 1:
        columns |= {ALL: "all together"}
    margin = study.plan.smallest_difference
    primary = table["endpoint"].isin(PRIMARY)
    others = table.loc[~primary.groupby(table["contrast"]).transform("any"), "endpoint"].unique()
    figure = Figure(figsize=(_WIDTH, 1.1 + forest.height(forest.rows_of(table))))
    unit = (
        "second named is better  \N{LEFTWARDS ARROW}  difference in return (1: from a random "
        "policy to a good one)  \N{RIGHTWARDS ARROW}  first named is better"
    )
    forest.draw(figure, table, columns, titles, margin, unit)
    forest.legend(figure, margin, " or ".join(others))
    data = table.drop(columns="parts")
    yield Drawing("verdicts", figure, data, captions.of_study(study, _sentence(table), _how(table)))


def _columns(table: pd.DataFrame, titles: Mapping[str, str]) -> dict[str, str]:
    """Return the environments with a column of their own: those with many contrasts or shared ones.

    What is of one environment alone stands under all together, where the verdicts are.
    """
    own = table[(table["environment"] != ALL) & (table["verdict"] != SAME)]
    used = own.groupby("environment")["contrast"].nunique()
    spread = own.groupby("contrast")["environment"].transform("nunique") > 1
    shared = set(own.loc[spread, "environment"])
    enough = min(_SHARED, used.max())
    return {n: title for n, title in titles.items() if n in shared or used.get(n, 0) >= enough}


def _sentence(table: pd.DataFrame) -> str:
    """Say how many of the confirmatory contrasts came out how."""
    counts = table.loc[table["in_family"], "verdict"].value_counts()
    told = ", ".join(f"{count} {style.plain(word)}" for word, count in counts.items())
    return (
        f"Of {counts.sum()} confirmatory tests over all environments, those of the return during "
        f"training among them, which the table has: {told}."
    )


def _how(table: pd.DataFrame) -> str:
    looks = sorted(set(table.loc[table["in_family"], "looks"]) - {""})
    at = f" at look {' or '.join(looks)}" if looks else ""
    return (
        "Pale dots: seeds, arrows those beyond the axis; n: pairs of runs, all environments "
        "together. Gain from noise: return with noise less that without. Lines: 95% intervals, "
        "widened by Bonferroni over the family where the row is confirmatory and of all "
        f"environments{at}. Matters: p of no difference at most 5% after Holm; negligible: p of a "
        "difference beyond the grey band at most 5% after Holm; open: neither, with the seeds per "
        "environment that would settle it if the estimate were true. A failed run counts as a "
        "random policy. Blank: not run; in italics: exploratory."
    )
