"""Random configurations that all cells share, and settings of one cell."""

import numpy as np
import pytest
from scipy import stats

from cli import composed_here, run_here
from composing import SMALL
from gausspg.sweeps.configurations import ConfigurationError, drawn, of_cell

LIMITS = {"learner.lr": [1e-4, 2e-3], "gamma": [0.9, 0.99]}
WORDS = ("-m", *SMALL, "env=pendulum", "steps=64")
RANDOM = "+hydra.sweeper.random={learner.lr:[1e-4,2e-3]}"


def values(configurations: int, first_seed: int = 1000) -> np.ndarray:
    found = drawn(LIMITS, configurations, first_seed)
    return np.array([[float(one.partition("=")[2]) for one in point] for point in found])


def test_points_lie_between_the_limits_and_fill_them_evenly() -> None:
    found = values(256)
    assert np.array_equal(found[:, 0], np.arange(1000, 1256))
    for column, (low, high) in zip(found[:, 1:].T, LIMITS.values(), strict=True):
        assert low <= column.min() and column.max() <= high
        share = np.log(column / low) / np.log(high / low)
        assert stats.kstest(share, "uniform").statistic < 0.02  # 0.085 of independent points
    independent = np.random.default_rng(0).random((256, 2))
    assert stats.qmc.discrepancy(found[:, 1:] / found[:, 1:].max(0)) > 0
    logarithms = np.log(found[:, 1:])
    shares = (logarithms - logarithms.min(0)) / np.ptp(logarithms, axis=0)
    assert stats.qmc.discrepancy(shares) < 0.2 * stats.qmc.discrepancy(independent)


def test_equal_arguments_give_equal_points_and_more_add_to_them() -> None:
    assert np.array_equal(values(8), values(8))
    assert np.array_equal(values(8), values(32)[:8])
    assert not np.array_equal(values(8)[:, 1:], values(8, 2000)[:, 1:])


@pytest.mark.parametrize("limits", [[1e-3], [0.0, 1.0], [2.0, 1.0], [-1.0, 1.0]])
def test_limits_between_which_nothing_lies_are_refused(limits: list[float]) -> None:
    with pytest.raises(ConfigurationError, match="give the lowest and the highest value"):
        drawn({"gamma": limits}, 4, 0)


def test_every_cell_gets_every_point() -> None:
    jobs = composed_here(*WORDS, "variance=fixed,learned", "squash=clip,tanh", RANDOM,
                         "hydra.sweeper.configurations=4")  # fmt: skip
    points: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for config, words in jobs:
        point = (config["seed"], config["learner"]["lr"])
        points.setdefault((words["variance"], words["squash"]), []).append(point)
    assert len(points) == 4
    first, *others = points.values()
    assert [seed for seed, _ in first] == [1000, 1001, 1002, 1003]
    assert len({rate for _, rate in first}) == 4
    assert all(other == first for other in others)


def test_a_command_line_wins() -> None:
    jobs = composed_here(*WORDS, "variance=fixed,learned", "learner.lr=0.5", RANDOM)
    assert {config["learner"]["lr"] for config, _ in jobs} == {0.5}


def test_a_cell_has_its_settings() -> None:
    cells = {"variance=fixed": "gamma=0.5 learner.lr=0.1", "variance=learned": "gamma=0.6"}
    assert of_cell(["variance=fixed", "seed=3"], cells) == ["gamma=0.5", "learner.lr=0.1"]
    assert of_cell(["seed=3"], {}) == []
    for wrong in (["variance=full"], ["variance=fixed", "variance=learned"]):
        with pytest.raises(ConfigurationError, match=r"belongs to [02] of hydra\.sweeper\.cells"):
            of_cell(wrong, cells)


def test_a_cell_that_was_forgotten_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    words = (*WORDS, "variance=fixed,learned", "+hydra.sweeper.cells={variance=fixed: gamma=0.5}")
    assert run_here(*words) == 2
    _, err = capsys.readouterr()
    assert err.startswith("error: ")
    assert err.count("\n") == 1
