"""The crossing of two variances, measured and exact, against crossings and integrals by hand."""

import numpy as np
import pytest
from scipy import integrate, stats

import table_crossover
from analysis.measured_studies import scan, study
from reading.sweep import MissingDataError
from stats import closed_forms


def test_straight_lines_in_log_log_cross_where_their_powers_say() -> None:
    """k^-1 and 8 k^2 cross at k = 1/2."""
    k = np.array([0.1, 0.4, 0.9])
    assert closed_forms.crossings(k, 1.0 / k, 8.0 * k**2) == pytest.approx([0.5])
    assert closed_forms.crossings(k, 1.0 / k, 0.5 / k) == []


COSTS = {
    "cosine": (lambda x, k: np.cos(k * x), lambda x, k: -k * np.sin(k * x)),
    "exponential": (lambda x, k: np.exp(-k * x**2), lambda x, k: -2 * k * x * np.exp(-k * x**2)),
}


@pytest.mark.parametrize("problem", COSTS)
@pytest.mark.parametrize(("k", "m", "s"), [(0.7, 1.0, 1.0), (1.9, -0.4, 0.6)])
def test_the_closed_forms_are_the_integrals(problem: str, k: float, m: float, s: float) -> None:
    f, slope = COSTS[problem]

    def variance(sample):
        def moment(power):
            def weighed(e):
                return sample(e) ** power * stats.norm.pdf(e)

            return integrate.quad(weighed, -12.0, 12.0, epsabs=1e-12, limit=400)[0]

        return moment(2) - moment(1) ** 2

    samples = (
        lambda e: f(m + s * e, k) * e / s,
        lambda e: slope(m + s * e, k),
        lambda e: f(m + s * e, k) * (e**2 - 1.0),
        lambda e: slope(m + s * e, k) * s * e,
    )
    assert closed_forms.OF[problem](k, m, s) == pytest.approx(list(map(variance, samples)))


def measured(shift: float = 1.0, seeds: int = 2):
    """Exact variances of the cosine at nearby k, as if k had been `shift` times as large."""
    rows = []
    for seed in range(seeds):
        places = np.geomspace(1.0, 1.15, 15)
        exact = [closed_forms.cosine(k * shift, 1.0, 1.0) for k in places]
        variances = {
            "score_function": [(one.score_mean, None) for one in exact],
            "reparameterised": [(one.pathwise_mean, None) for one in exact],
        }
        by_place = {
            word: dict(zip(map(float, places), those, strict=True))
            for word, those in variances.items()
        }
        rows += scan("cosine", "problem.k", by_place, seed)
    return study(rows)


def test_the_table_finds_the_crossing_and_its_distance() -> None:
    """1.0637821962728276 by bisection of the closed forms, apart from this code."""
    table = table_crossover.rows(measured())
    (row,) = table[table["of"] == "mean"].to_dict("records")
    assert row["exact"] == pytest.approx(1.0637821962728276, rel=1e-9)
    assert row["measured"] == pytest.approx(row["exact"], rel=1e-4)
    assert row["seeds"] == 2
    assert row["low"] == pytest.approx(row["high"]), "the seeds agree"
    shifted = table_crossover.rows(measured(shift=1.02))
    assert shifted["distance_percent"].iloc[0] == pytest.approx(100.0 * (1 / 1.02 - 1), abs=0.02)


def test_one_seed_has_no_interval() -> None:
    row = table_crossover.rows(measured(seeds=1)).iloc[0]
    assert np.isnan(row["low"])
    assert np.isnan(row["high"])


def test_without_a_crossing_there_is_no_table() -> None:
    places = {2.0: (1.0, None), 3.0: (1.0, None)}
    rows = scan("cosine", "problem.k", {"score_function": places, "reparameterised": places})
    with pytest.raises(MissingDataError, match="do not cross"):
        table_crossover.rows(study(rows))
