"""How long a run took to pass a return."""

import pandas as pd
import pytest

import table_time_to


def test_seconds_are_summed_over_iterations_of_different_length_and_rate() -> None:
    rates = pd.DataFrame([(300, 50.0), (100, 10.0), (340, 40.0)], columns=["step", "value"])
    # 100 steps at 10 a second, 200 at 50, 40 at 40.
    assert table_time_to.seconds(rates, 300) == pytest.approx(14.0)
    assert table_time_to.seconds(rates, 340) == pytest.approx(15.0)
