"""Sentences about cells, seeds and what is missing, of studies whose true answer is known."""

import numpy as np
import pytest

from analysis.known_studies import about, additive, make
from reading.study import Study
from reports import sentences
from reports.wording import rounded
from stats.contrasts import detectable
from stats.convergence import by_chance, metric_of, trends
from stats.paired import paired_difference, seeds_needed

CURVE = "eval/deterministic_return_mean"


def test_cells_that_solve_the_task() -> None:
    levels = {"fixed clip": 50.0, "fixed tanh": 150.0, "learned clip": 100.0}

    def score(variance: str, squash: str, seed: int) -> float:
        return levels.get(f"{variance} {squash}", 150.0 if seed < 3 else 50.0)

    told = sentences.solved(make(score))
    assert about(told, "mean return of at least 100")
    assert about(told, "every seed: 2 of 4 cells: fixed tanh; learned clip."), "100 is enough"
    assert about(told, "some seeds: 1 of 4 cells: learned tanh (3 of 5).")
    assert about(told, "no seed: 1 of 4 cells: fixed clip.")
    assert about(told, "5 of 5 is compatible with a true share of 48% to 100%")
    (none,) = sentences.solved(make(score, solved=None))
    assert "none is called so" in none


RISING, WAVERING, FLAT, FALLING = "learned tanh", "learned clip", "fixed clip", "fixed tanh"


def ending(cell: str, seed: int, share: float) -> float:
    """Curves whose last two fifths differ by 4, 0.5, -4 or 0, with errors known by hand."""
    change = {RISING: 4.0, WAVERING: 0.5, FALLING: -4.0}.get(cell, 0.0) + (seed - 2)
    return 7.0 * seed + (change if share > 0.8 else 0.0) - (100.0 if share <= 0.6 else 0.0)


def test_convergence_by_hand() -> None:
    study = make(additive(0.0), curve=ending)
    assert metric_of(study) == CURVE
    found = {one.cell: one for one in trends(study, CURVE)}
    error = np.std([-2, -1, 0, 1, 2], ddof=1) / 5**0.5
    for cell, change in ((RISING, 4.0), (WAVERING, 0.5), (FALLING, -4.0), (FLAT, 0.0)):
        assert found[cell].change == pytest.approx(change)
        assert found[cell].error == pytest.approx(error)
    told = sentences.converged(study)
    assert about(told, "last fifth", "more than one standard error", CURVE, "19%")
    assert about(told, f"not converged: 1 of 4 cells: {RISING} (+4.0).")
    assert about(told, f"Falling by the same measure: 1 of 4 cells: {FALLING} (-4.0).")
    assert about(told, "2 of 4 cells are neither")


def test_chance_of_a_flat_curve_to_be_called_rising() -> None:
    scores = np.random.default_rng(1).normal(size=(5, 20_000))
    error = scores.std(axis=0, ddof=1) / 5**0.5
    assert np.mean(scores.mean(axis=0) > error) == pytest.approx(by_chance(5), abs=0.01)


def test_too_few_points_are_not_judged() -> None:
    study = make(additive(0.0), curve=ending)
    few = study.points[study.points["step"] % 250 == 0]
    thin = Study("thin", study.runs, few, study.gaps, (), study.varied, ())
    (said,) = sentences.converged(thin)
    assert "too few points" in said


def test_what_is_missing_is_said_with_its_reason() -> None:
    gaps = (
        ("fixed clip", 5, "never started"),
        ("fixed tanh", 5, "failed: the wheels came off"),
    )
    told = sentences.failures(make(additive(0.0), gaps=gaps))
    assert about(told, "2 of 22 runs have no result (1 failed, 1 never started)")
    assert about(told, "Failed: fixed tanh seed 5: the wheels came off.")
    assert about(told, "broke down, in 1 cell at most")
    assert sentences.failures(make(additive(0.0))) == []


def test_few_seeds_make_no_claim() -> None:
    told = sentences.power(make(additive(20.0)))
    assert about(told, "unit of replication; a cell has 5 seeds.")
    assert about(told, "Fewer than 10 seeds", "no claim is made")
    assert about(
        told, "5 paired seeds find, with power 0.8", "1.7 standard deviations", "return of"
    )
    assert not about(sentences.power(make(additive(20.0), seeds=10)), "no claim")


@pytest.mark.parametrize(("seeds", "comparisons"), [(2, 1), (5, 1), (5, 7), (10, 1), (30, 3)])
def test_the_least_difference_is_that_which_so_many_seeds_find(
    seeds: int, comparisons: int
) -> None:
    least = detectable(seeds, comparisons)
    level = 1.0 - 0.05 / comparisons
    assert seeds_needed(least, 1.0, 0.8, level) == seeds
    assert seeds_needed(0.999 * least, 1.0, 0.8, level) > seeds


def test_five_seeds_find_the_least_difference_four_times_in_five() -> None:
    """By simulation: the power of the test is what the sentence says."""
    x = np.random.default_rng(2).normal(detectable(5), 1.0, size=(5, 20_000))
    p = paired_difference(x, np.zeros_like(x)).p_value
    assert np.mean(p < 0.05) == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize("seeds", [1, 2, 5])
def test_the_order_of_rows_means_nothing(seeds: int) -> None:
    study = make(additive(20.0), seeds=seeds, curve=ending)
    mixed = Study(
        study.name,
        study.runs.sample(frac=1.0, random_state=1).reset_index(drop=True),
        study.points.sample(frac=1.0, random_state=2).reset_index(drop=True),
        study.gaps, (), study.varied, (),
    )  # fmt: skip
    assert sentences.sentences(mixed) == sentences.sentences(study)


@pytest.mark.parametrize(
    ("value", "scale", "text"),
    [
        (41.234, 19.0, "41"), (4.1234, 1.9, "4.1"), (0.12345, 0.02, "0.123"), (-0.2, 30.0, "0"),
        (12345.6, 100.0, "12,346"), (3.456, float("nan"), "3.5"), (-157.3, 4.0, "-157.3"),
    ],
)  # fmt: skip
def test_numbers_have_the_digits_that_mean_something(value: float, scale: float, text: str) -> None:
    assert rounded(value, scale) == text
