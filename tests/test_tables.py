"""The numbers behind the tables of `analysis/`."""

import pandas as pd
import pytest

import table_time_to


def test_seconds_are_summed_over_iterations_of_different_length_and_rate() -> None:
    rate = table_time_to.RATE
    points = pd.DataFrame(
        [(300, rate, 50.0), (100, rate, 10.0), (340, rate, 40.0), (100, "other", 3.0)],
        columns=["step", "metric", "value"],
    )
    # 100 steps at 10 a second, 200 at 50, 40 at 40.
    assert table_time_to._seconds(points, 300) == pytest.approx(14.0)
    assert table_time_to._seconds(points, 340) == pytest.approx(15.0)
