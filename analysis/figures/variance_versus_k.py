"""Which estimator varies least on simple costs, and where do they change places?

The shapes of figures 2 and 3 of Mohamed et al. 2020 (arXiv:1906.10652): the variance of one
estimate against the cost's parameter k, the derivative in the mean above, that in the scale below,
a panel per cost. No estimator is best everywhere: the gradient through the sample loses where the
cost varies faster than the measure, the score function where the cost has a large constant part.
"""

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plotting import captions, scan_panels, style
from plotting.drawing import Drawing
from plotting.scan_panels import OF_MEAN, OF_SCALE
from reading import measurements
from reading.kinds import MEASUREMENTS
from reading.sweep import Sweep
from stats import closed_forms
from stats.estimates import Array

OF = MEASUREMENTS
SETTING = "problem.k"
_COSTS = {
    "quadratic": "(a \N{MINUS SIGN} k)\N{SUPERSCRIPT TWO}",
    "exponential": "exp(\N{MINUS SIGN}k a\N{SUPERSCRIPT TWO})",
    "cosine": "cos(k a)",
}
_SCORE, _PATHWISE = "score_function", "reparameterised"
_WIDE = 5.0  # numbers above 0 whose largest is so many times the least have a logarithmic axis


def draw(sweep: Sweep) -> Iterator[Drawing]:
    """Yield the figure; see the module.

    Raises:
        MissingDataError: k was not scanned.
    """
    table = measurements.scanned(sweep, SETTING)
    problems = sorted(table["problem"].unique(), key=_order)
    colours = style.colours(sorted(table["line"].unique()))
    figure = Figure(figsize=(style.PAGE, 4.0))
    axes = figure.subplots(2, len(problems), squeeze=False, sharex="col")
    found = []
    for column, problem in enumerate(problems):
        mine = table[table["problem"] == problem]
        for row, quantity in enumerate((OF_MEAN, OF_SCALE)):
            ax = axes[row, column]
            data = scan_panels.points(mine, SETTING, quantity, f"{problem}, {quantity.title}")
            smooth = _smooth(str(problem), quantity.measured.rpartition("_")[2], mine)
            scan_panels.draw(ax, data, colours, smooth)
            _mark(ax, smooth)
            numbers = mine[SETTING]
            wide = numbers.min() > 0.0 and numbers.max() > _WIDE * numbers.min()
            scan_panels.logarithmic(ax, numbers.unique().tolist() if wide else ())
            found.append(data)
        axes[0, column].set_title(f"{problem}: {_COSTS.get(str(problem), 'f')}")
        axes[1, column].set_xlabel("k")
    for row, quantity in enumerate((OF_MEAN, OF_SCALE)):
        axes[row, 0].set_ylabel(f"variance of the\n{quantity.title}")
    data = pd.concat(found, ignore_index=True)
    scan_panels.legend(figure, colours, data)
    yield Drawing("variance_versus_k", figure, data, _caption(sweep, table, data))


def _smooth(problem: str, part: str, table: pd.DataFrame) -> scan_panels.Curves:
    """Return the closed forms between the places, of what they agree with at the places."""
    places = table[["problem.mean", "std"]].astype(float).drop_duplicates()
    column = f"gradient/exact_variance_of_{part}"
    known_at_all = problem in closed_forms.OF and column in table and len(places) == 1
    if not known_at_all or not (table[SETTING] > 0.0).all():
        return {}

    def at(k: Array, name: str) -> Array:
        forms = [closed_forms.OF[problem](float(one), *places.iloc[0]) for one in k]
        return np.array([getattr(form, f"{name}_{part}") for form in forms])

    k, found = np.geomspace(table[SETTING].min(), table[SETTING].max(), 200), {}
    for line, name in ((_SCORE, "score"), (_PATHWISE, "pathwise")):
        known = table[table["line"] == line].dropna(subset=column)
        recorded = known[column].to_numpy()
        if len(known) and np.allclose(at(known[SETTING].to_numpy(), name), recorded, rtol=1e-3):
            found[line] = (k, at(k, name))
    return found


def _mark(ax: Axes, smooth: scan_panels.Curves) -> None:
    """Mark at which k the two exact variances cross."""
    if len(smooth) < 2:
        return
    (k, score), (_, pathwise) = smooth[_SCORE], smooth[_PATHWISE]
    for at in closed_forms.crossings(k, score, pathwise):
        ax.axvline(at, color=style.GREY, lw=0.6, ls=":", zorder=0)
        ax.annotate(f"{at:.2f}", (at, 0.98), (2, 0), xycoords=("data", "axes fraction"),
                    textcoords="offset points", fontsize=6, color="0.4", va="top")  # fmt: skip


def _order(problem: str) -> float:
    return list(_COSTS).index(problem) if problem in _COSTS else math.inf


def _caption(sweep: Sweep, table: pd.DataFrame, data: pd.DataFrame) -> str:
    places = table[["problem.mean", "std"]].drop_duplicates()
    at = ", ".join(f"mean {row[0]:g} and std {row[1]:g}" for row in places.to_numpy())
    return captions.compose(
        sweep,
        "Variance of one estimate of the gradient in the mean (above) and in the parameter of the "
        f"scale (below) against the cost's k, of a Gaussian with {at}. Dotted: where the exact "
        "variances cross.",
        scan_panels.distance(data),
    )
