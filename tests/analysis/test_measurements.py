"""What the record of a sweep of the laboratory becomes: cells, lines, numbers, what is missing."""

from typing import Any

import pytest

from analysis.measured_studies import measurement, recorded, study
from reading import measurements
from reading.kinds import MEASUREMENTS, TRAININGS
from reading.recorded import DataError
from reading.sweep import MissingDataError, sweep_of

K = "problem.k"


def both(settings: dict[str, Any] | None = None, **more: Any) -> list[dict[str, Any]]:
    return [
        measurement("cosine", word, settings=settings, **more)
        for word in ("score_function", "reparameterised")
    ]


def test_runs_with_a_problem_are_measurements() -> None:
    found = study(both({K: 1.0}) + both({K: 2.0}))
    assert found.kind is MEASUREMENTS
    assert found.varied == ("estimator",)
    assert found.others == (K,)
    assert set(found.cells) == {
        f"{word} problem.k={k}"
        for word in ("score_function", "reparameterised")
        for k in (1.0, 2.0)
    }


def test_trainings_and_measurements_under_one_name_are_refused() -> None:
    training = measurement("cosine", "score_function")
    training["param.problem"] = None
    training["run_id"] = "training"
    with pytest.raises(DataError, match="1 of 2 runs are measurements and the others trainings"):
        study([measurement("cosine", "score_function"), training])
    assert TRAININGS.axes[0] == "env"


def test_what_is_set_below_a_varied_word_still_tells_cells_apart() -> None:
    rows = [
        measurement(problem, "score_function", settings={K: k, "problem._target_": problem})
        for problem in ("cosine", "exponential")
        for k in (1.0, 2.0)
    ]
    found = study(rows)
    assert found.varied == ("problem",)
    assert found.others == (K,)
    assert len(found.runs) == 4


def test_a_line_is_named_as_on_the_command_line() -> None:
    rows = both({K: 1.0}) + both({K: 2.0})
    rows += [
        measurement("cosine", "score_function", settings={K: k, "baseline": "mean"})
        for k in (1.0, 2.0)
    ]
    table = measurements.frame(study(rows))
    assert list(table["line"]) == [
        *["reparameterised"] * 2, *["score_function"] * 2, *["score_function baseline=mean"] * 2
    ]  # fmt: skip
    assert list(table[K]) == [1.0, 2.0] * 3
    assert table["gradient/variance"].eq(1.0).all()
    assert {"run_id", "seed", "problem", "std", "rows"} <= set(table)


def test_the_order_of_the_runs_does_not_matter() -> None:
    rows = both({K: 2.0}) + both({K: 1.0})
    one, other = (measurements.frame(study(those)) for those in (rows, rows[::-1]))
    assert one.equals(other[list(one)])


def test_what_is_missing_is_named_and_the_last_of_equal_runs_counts() -> None:
    again = measurement("cosine", "score_function", metrics={"gradient/variance": 2.0})
    again["run_id"] = "again"
    rows = [*both(), again, measurement("cosine", "mixture", status="FAILED")]
    plan = [{"estimator": word, "seed": "0"} for word in ("mixture", "measure_valued")]
    found = sweep_of(recorded(rows, plan))
    assert set(found.gaps.itertuples(index=False, name=None)) == {
        ("mixture", 0, "failed: the wheels came off"),
        ("measure_valued", 0, "never started"),
    }
    assert found.notes == ("1 further run was of a cell and seed that ran again",)
    table = measurements.frame(found).set_index("estimator")
    assert table.loc["score_function", "gradient/variance"] == 2.0


def test_a_number_that_was_not_scanned_is_missing() -> None:
    found = study(both({K: 1.0}))
    with pytest.raises(MissingDataError, match=r"no measurements differ in problem\.k"):
        measurements.scanned(found, K)
    scanned = study(both({K: 1.0}) + both({K: 2.0}))
    assert len(measurements.scanned(scanned, K)) == 4
    apart = [measurement(word, "mixture", settings={K: k}) for word, k in (("a", 1.0), ("b", 2.0))]
    with pytest.raises(MissingDataError, match="no measurements differ"):
        measurements.scanned(study([*apart, measurement("c", "mixture")]), K)
    with pytest.raises(MissingDataError, match=r"no measurements of lqr differ in problem\.k"):
        measurements.scanned(scanned, K, ["lqr"])
