"""At which k the score function overtakes the gradient through the sample, measured and exact.

    python analysis/table_crossover.py crossover [--store]

prints, for the gradient in the mean and in the scale of every problem scanned, the k at which the
measured variances of both estimators cross (interpolated in log-log, per seed; 95% Student-t
interval of the mean over seeds) beside that at which the closed forms do, and the distance in
percent. The closed forms are written out by hand and share no code with what measured.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from reading import measurements, sources
from reading.kinds import MEASUREMENTS
from reading.recorded import DataError
from reading.sweep import MissingDataError, Sweep
from stats import closed_forms
from stats.closed_forms import Variances, crossings
from stats.estimates import mean_interval

SETTING = "problem.k"
SCORE, PATHWISE = "score_function", "reparameterised"
PARTS = ("mean", "scale")


def rows(sweep: Sweep) -> pd.DataFrame:
    """Return one row per problem, part and crossing.

    Raises:
        MissingDataError: nothing crosses in what was measured.
    """
    table = measurements.scanned(sweep, SETTING, list(closed_forms.OF))
    found = []
    for problem, mine in table.groupby("problem", sort=True):
        mean, std = _only(mine, "problem.mean"), _only(mine, "std")
        forms = closed_forms.OF[str(problem)]
        for part in PARTS:
            crossings = _measured(mine, f"gradient/variance_of_{part}")
            for exact in _exact(forms, part, mean, std, mine[SETTING].min(), mine[SETTING].max()):
                found.append({"problem": problem, "of": part, **_compared(crossings, exact)})
    if not found:
        raise MissingDataError("the variances do not cross where they were measured")
    return pd.DataFrame(found)


def _measured(table: pd.DataFrame, metric: str) -> list[list[float]]:
    """Return the crossings of every seed."""
    found = []
    for _, mine in table.groupby("seed"):
        variances = mine.pivot_table(index=SETTING, columns="line", values=metric).sort_index()
        if {SCORE, PATHWISE} <= set(variances):
            both = variances[[SCORE, PATHWISE]].dropna()
            k = both.index.to_numpy(dtype=float)
            found.append(crossings(k, both[SCORE].to_numpy(), both[PATHWISE].to_numpy()))
    return found


def _exact(
    forms: Callable[[float, float, float], Variances], part: str, mean: float, std: float,
    low: float, high: float,
) -> list[float]:  # fmt: skip
    def ratio(k: float) -> float:
        one = forms(k, mean, std)
        score, pathwise = getattr(one, f"score_{part}"), getattr(one, f"pathwise_{part}")
        return float(np.log(score) - np.log(pathwise))

    edges = np.geomspace(low, high, 200)
    signs = np.sign([ratio(edge) for edge in edges])
    return [
        float(brentq(ratio, edges[left], edges[left + 1]))
        for left in np.flatnonzero(signs[:-1] * signs[1:] < 0)
    ]


def _compared(per_seed: list[list[float]], exact: float) -> dict[str, float]:
    nearest = [min(those, key=lambda k: abs(k - exact)) for those in per_seed if those]
    mean = low = high = float("nan")
    if len(nearest) > 1:
        mean, low, high = map(float, mean_interval(np.array(nearest)))
    elif nearest:
        mean = nearest[0]
    return {
        "seeds": len(nearest), "measured": mean, "low": low, "high": high,
        "exact": exact, "distance_percent": 100.0 * (mean / exact - 1.0),
    }  # fmt: skip


def _only(table: pd.DataFrame, name: str) -> float:
    values = set(table[name].astype(float))
    if len(values) > 1:
        raise MissingDataError(f"the measurements differ in {name}, too: scan k alone")
    return values.pop()


def main() -> None:
    """Read the arguments and print the tables."""
    parser = sources.parser(__doc__)
    arguments = parser.parse_args()
    try:
        for sweep in sources.sweeps(arguments, MEASUREMENTS):
            print(rows(sweep).round(4).to_string(index=False))
            if len(sweep.gaps):
                print("without a finished run:", sweep.gaps.to_string(index=False), sep="\n")
    except (DataError, MissingDataError) as error:
        sources.fail(error)


if __name__ == "__main__":
    main()
