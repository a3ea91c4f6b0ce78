"""The common grid and the means over it, against numbers worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from analysis.curve_studies import REPARAMETERISED, SCORE, run, study
from plotting.panels import scale
from reading.sweep import MissingDataError
from stats import curves, designs

METRIC = "train/return_mean"


def _binned(*runs, **options):
    return curves.binned(study(list(runs)), METRIC, **options)


def test_a_point_counts_for_the_bin_that_ends_at_its_step():
    got = _binned(run(curves={METRIC: {25: 1.0, 50: 2.0, 75: 3.0, 100: 4.0}}))
    assert list(got.values.columns) == [0.125, 0.375, 0.625, 0.875]
    assert_allclose(got.values.iloc[0], [1.0, 2.0, 3.0, 4.0])
    assert got.unusable == 0


def test_points_of_a_bin_are_averaged():
    steps = np.arange(1, 1001)
    curve = np.random.default_rng(0).normal(size=1000)
    got = _binned(run(steps=1000, curves={METRIC: dict(zip(steps, curve, strict=True))}))
    assert_allclose(got.values.iloc[0], curve.reshape(100, 10).mean(axis=1))


def test_returns_of_an_iteration_count_as_often_as_episodes_ended_in_it():
    steps = np.arange(1, 101)
    returns, episodes = np.where(steps % 2, -10.0, 20.0), np.where(steps % 2, 1.0, 9.0)
    curve = dict(zip(steps, returns, strict=True))
    other = run(seed=1, steps=1000, curves={METRIC: {1: 0.0, 1000: 0.0}})
    counted = {METRIC: curve, "train/episodes": dict(zip(steps, episodes, strict=True))}
    got = _binned(run(curves=counted), other).values.iloc[0]
    assert_allclose(got, 0.1 * -10.0 + 0.9 * 20.0)
    assert_allclose(_binned(run(curves={METRIC: curve}), other).values.iloc[0], 5.0)


def test_between_two_points_a_run_is_interpolated_and_beyond_them_there_is_nothing():
    sparse = {20: 2.0, 50: 5.0, 80: 2.0}
    dense = dict.fromkeys(range(10, 101, 10), 0.0)
    runs = [run(seed=seed, curves={METRIC: dense}) for seed in range(20)]
    got = _binned(run(seed=20, curves={METRIC: sparse}), *runs).values
    assert got.shape == (21, 10)
    nan = np.nan
    assert_allclose(got.iloc[0], [nan, 2.0, 3.0, 4.0, 5.0, 4.0, 3.0, 2.0, nan, nan])


def test_runs_of_different_budgets_share_a_grid_of_shares():
    got = _binned(
        run(SCORE, steps=400, curves={METRIC: {100: 1.0, 200: 2.0, 300: 3.0, 400: 4.0}}),
        run(REPARAMETERISED, steps=40, curves={METRIC: {10: 1.0, 20: 2.0, 30: 3.0, 44: 4.0}}),
    )
    assert_allclose(got.values, [[1.0, 2.0, 3.0, 4.0]] * 2)


def test_logarithms_give_geometric_means_and_what_has_none_is_counted():
    curve = {1: 10.0, 2: 1000.0, 50: 100.0, 60: 0.0, 70: -1.0, 80: np.nan, 100: np.inf}
    got = _binned(run(curves={METRIC: curve}), logarithm=True)
    assert_allclose(got.values.iloc[0], [2.0, 2.0, np.nan], equal_nan=True)
    assert got.unusable == 4
    plain = _binned(run(curves={METRIC: curve}))
    assert plain.unusable == 2


def test_a_metric_that_no_run_has_is_missing():
    with pytest.raises(MissingDataError, match="no run of made has recorded train/return_mean"):
        _binned(run(curves={"other": {1: 1.0}}))
    with pytest.raises(MissingDataError):
        _binned(run(curves={METRIC: {1: np.nan}}))


def test_environments_are_kept_apart():
    made = study(
        [run(env=env, cell=(*SCORE[:2], word, *SCORE[3:])) for env in ("one", "two")
         for word in ("clip", "tanh")],
        gaps=[("one clip", 1, "failed"), ("two tanh", 1, "failed")],
    )  # fmt: skip
    parts = dict(designs.parts(made))
    assert list(parts) == ["_in_one", "_in_two"]
    assert parts["_in_two"].cells == ["clip", "tanh"]
    assert parts["_in_two"].varied == ("squash",)
    assert list(parts["_in_two"].gaps["cell"]) == ["tanh"]


def test_steps_are_counted_in_the_unit_that_fits_and_every_run_has_its_own():
    assert scale([400, 400], 400) == (1, "environment steps", 400.0)
    assert scale([60_000], 300_000) == (1000, "environment steps (thousand)", 60.0)
    assert scale([4_000_000], 4_000_000) == (10**6, "environment steps (million)", 4.0)
    assert scale([60_000, 300_000], 300_000)[2] == 300.0, "a short run ends early"


def _pooled(values, word, cell, seed):
    frame = pd.DataFrame(values, columns=[0.25, 0.75][: len(values[0])])
    return curves.pooled(frame, *(pd.Series(each) for each in (word, cell, seed)))


def test_cells_are_averaged_within_a_seed_first():
    got = _pooled([[0.0], [10.0], [4.0], [20.0]], ["a"] * 4, ["c", "d", "c", "d"], [0, 0, 1, 1])
    assert got[["seed", "value"]].to_numpy().tolist() == [[0, 5.0], [1, 12.0]]


def test_a_seed_that_lacks_a_cell_is_not_averaged():
    got = _pooled([[0.0], [10.0], [4.0]], ["a"] * 3, ["c", "d", "c"], [0, 0, 1])
    assert got[["seed", "value"]].to_numpy().tolist() == [[0, 5.0]]


def test_only_cells_that_every_word_has_are_pooled():
    values, words = [[0.0], [90.0], [4.0], [70.0]], ["a", "a", "b", "b"]
    got = _pooled(values, words, ["c", "d", "c", "e"], [0, 0, 0, 0])
    assert got[["word", "value"]].to_numpy().tolist() == [["a", 0.0], ["b", 4.0]]
    apart = _pooled(values, words, ["c", "d", "e", "f"], [0, 0, 0, 0])
    assert list(apart["value"]) == [45.0, 37.0], "without a common cell all of them"


def test_a_line_is_drawn_only_where_every_seed_has_a_value():
    values = pd.DataFrame([[1.0, 2.0], [np.nan, 4.0]], columns=[0.25, 0.75])
    named = {"word": pd.Series(["a", "a"]), "seed": pd.Series([0, 1])}
    got = curves.lines_of(values, **named)
    assert got[["share", "value"]].to_numpy().tolist() == [[0.75, 2.0], [0.75, 4.0]]
