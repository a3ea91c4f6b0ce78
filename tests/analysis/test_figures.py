"""The figures of a study and of its sweeps: what is drawn is what was computed and is said."""

import hashlib
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from numpy.testing import assert_allclose
from scipy import stats as scipy_stats

from analysis import simulated
from analysis.curve_studies import SCORE, run
from analysis.curve_studies import study as made
from figures import aggregate, paired_curves, signal_and_learning, time_to_threshold
from plotting import drawing, forest, panels, style
from reading.kinds import STUDIES
from reading.outcomes import WITH, WITHOUT
from reading.study import study_of
from reading.sweep import MissingDataError
from reports.gallery import drawings, figure_names
from stats.thresholds import METRIC, passed
from stats.verdicts import ALL, judged


@pytest.fixture(scope="module")
def study():
    """Every figure of studies can be drawn of it."""
    generator = np.random.default_rng(0)
    env = list(simulated.ENVIRONMENTS[:2])
    sweeps = [
        simulated.sweep("main", {"env": env, "variance": ["fixed", "learned"],
                                 "squash": ["clip", "none", "tanh"]},
                        simulated.worth, generator=generator, seeds=range(6)),
        simulated.sweep("levels", {"env": env, "variance.initial_action_std": [0.2, 0.5, 1.0]},
                        simulated.worth, generator=generator, seeds=range(4),
                        usual={"variance": "fixed"}),
        simulated.sweep("estimators", {"env": env, "squash": ["clip", "tanh"],
                                       "estimator": ["score_function", "reparameterised"]},
                        simulated.worth, generator=generator, seeds=range(5), signal=True,
                        failing=lambda settings, seed: settings["squash"] == "tanh" and seed == 0),
        simulated.sweep("tuning", {"env": env[:1], "variance": ["fixed", "learned"]},
                        lambda settings: 0.5 if settings["variance"] == "fixed" else 0.6,
                        generator=generator, seeds=range(1000, 1008)),
    ]  # fmt: skip
    tuning = sweeps[-1].runs
    tuning["param.learner.lr"] = [str(1e-4 * 2 ** (index % 8)) for index in range(len(tuning))]
    contrasts = {
        "H1": {**simulated.PAIRS["beyond"], "sweeps": ["main"]},
        "H2": {"title": "estimators", "block": "Estimator", "over": ["squash"],
               "sweeps": ["estimators"], "plus": [{"estimator": "reparameterised"}],
               "minus": [{"estimator": "score_function"}]},
        "X": {**simulated.PAIRS["same"], "sweeps": ["main"], "confirmatory": False},
    }  # fmt: skip
    plan = simulated.plan(
        contrasts, aggregate={"sweeps": ["main"], "by": ["variance", "squash"]},
        tuning_sweeps=("tuning",),
    )  # fmt: skip
    return study_of(sweeps, plan, "made")


@pytest.fixture(scope="module")
def drawn(study):
    return {one.name: one for one in drawings(study, say=lambda _: None)}


def test_every_figure_of_a_study_is_drawn_and_fits_on_a_page(drawn, tmp_path):
    for name in figure_names(STUDIES):
        assert any(stem.startswith(name) for stem in drawn), name
    for one in drawn.values():
        width, height = one.figure.get_size_inches()
        assert width <= 7.5 and height <= 9.5, one.name
        assert one.caption.endswith(".") and "runs" in one.caption
        assert "2 further runs failed" not in one.caption and "further runs failed" in one.caption
        assert len(one.data) > 1
        words = " ".join(ax.get_xlabel() + ax.get_ylabel() for ax in one.figure.axes)
        assert "_" not in words, f"code words on the axes of {one.name}: {words}"


def test_the_same_data_give_the_same_bytes_in_any_order(study, drawn, tmp_path):
    order = np.random.default_rng(1).permutation(len(study.runs))
    shuffled = replace(study, runs=study.runs.iloc[order].reset_index(drop=True))
    for again in drawings(shuffled, ["verdicts", "aggregate"], lambda _: None):
        for path, other in zip(
            drawing.save(drawn[again.name], tmp_path / "a"),
            drawing.save(again, tmp_path / "b"),
            strict=True,
        ):
            first, second = (hashlib.sha256(p.read_bytes()).hexdigest() for p in (path, other))
            assert first == second, path.name


def test_the_forest_shows_the_verdicts_that_were_computed(study, drawn):
    table = judged(study)
    one = drawn["verdicts"]
    texts = [text.get_text() for ax in one.figure.axes for text in ax.texts]
    for row in table[table["environment"] == ALL].to_dict("records"):
        assert forest.verdict_words(row) in texts
    assert "identical runs" in texts and any("4 of 40 failed" in text for text in texts)
    ax = one.figure.axes[0]
    dots = [line for line in ax.lines if line.get_marker() == "o" and line.get_markersize() == 4]
    filled = [float(line.get_xdata()[0]) for line in dots if line.get_markerfacecolor() == "black"]
    here = table["environment"] == simulated.ENVIRONMENTS[0]
    expected = table[here & (table["endpoint"] == WITH) & (table["verdict"] != "the same runs")]
    assert_allclose(sorted(filled), sorted(expected["estimate"]))
    assert len(ax.patches) >= 1, "the band of what does not matter"


def test_a_verdict_of_one_environment_says_which(study):
    table = judged(study)
    alone = table[(table["contrast"] == "H1") & (table["environment"] == "pendulum")]
    others = table[table["contrast"] != "H1"]
    figure = Figure()
    titles = study.titles()
    forest.draw(figure, pd.concat([alone, others]), titles | {ALL: "all"}, titles, 0.05, "unit")
    texts = [text.get_text() for text in figure.axes[-1].texts]
    told = [text for text in texts if f"({titles['pendulum']}, n " in text]
    assert len(told) == alone["endpoint"].isin([WITH, WITHOUT]).sum() > 0


def test_seeds_beyond_the_axis_are_arrows_at_its_ends():
    ax = Figure().subplots()
    forest._seeds(ax, np.array([-3.0, -0.1, 0.2, 5.0]), 0.0, (-1.0, 1.0))
    shown = {line.get_marker(): list(line.get_xdata()) for line in ax.lines}
    assert shown == {"o": [-0.1, 0.2], "<": [-1.0], ">": [1.0]}


def test_an_interval_that_leaves_the_axis_ends_in_an_arrow():
    ax = Figure().subplots()
    panels.interval_bar(ax, (-9.0, 0.5), 0.0, (-1.0, 1.0), "black")
    line, arrow = ax.lines
    assert list(line.get_xdata()) == [-1.0, 0.5]
    assert (arrow.get_marker(), list(arrow.get_xdata())) == ("<", [-1.0])
    panels.interval_bar(ax, (math.nan, math.nan), 0.0, (-1.0, 1.0), "black")
    assert len(ax.lines) == 2


def test_the_errorbar_of_seaborn_is_our_t_interval():
    values = np.random.default_rng(0).normal(size=7)
    expected = scipy_stats.ttest_1samp(values, 0.0).confidence_interval()
    assert_allclose(panels.t_limits(pd.Series(values)), expected)
    assert np.isnan(panels.t_limits(pd.Series([1.0]))).all()
    assert np.isnan(panels.band_limits(pd.Series([1.0, 2.0]))).all()


def test_words_of_an_axis_have_colours_of_their_own():
    words = (
        "fixed learned learned_global full full_global low_rank none clip clip_mass tanh "
        "score_function reparameterised"
    )
    every = [style.colour(word) for word in words.split()]
    assert len(set(every)) == len(every), "nor do words of different axes share one"
    assert len(set(style.colours([f"k={n}" for n in range(12)]).values())) == 12


def test_signal_is_the_ratio_on_the_same_batches_and_learning_the_paired_difference(study, drawn):
    data = drawn["signal_and_learning"].data
    assert_allclose(data["ratio"], 4.0, rtol=1e-9)
    row = data[(data["squash"] == "clip") & (data["environment"] == "pendulum")].iloc[0]
    runs = study.runs[(study.runs["sweep"] == "estimators") & (study.runs["squash"] == "clip")]
    runs = runs[runs["environment"] == "pendulum"]
    table = runs.pivot_table(index="seed", columns="estimator", values="during training")
    expected = (table["reparameterised"] - table["score_function"]).mean()
    assert row["difference"] == pytest.approx(expected)
    assert signal_and_learning.OF is STUDIES


def test_paired_curves_are_the_differences_of_normalised_returns(study):
    data = pd.concat([one.data for one in paired_curves.draw(study)])
    mine = data[(data["contrast"] == "H1") & (data["environment"] == "pendulum")]
    ends = mine[mine["share"] == mine["share"].max()]
    # With the noise of 5 in a return of 500, and the curve at 1 - exp(-5).
    assert ends["value"].mean() == pytest.approx(0.15, abs=0.04)
    assert set(mine["seed"]) == {f"main {seed}" for seed in range(6)}


def test_equal_cells_have_equal_colours_in_every_figure(drawn):
    """The cells of the aggregate, by the face of their dots, and those of the sensitivity."""
    names = ["fixed clip", "learned clip", "learned global clip"]
    assert list(style.shades(names)) == names and len(set(style.shades(names).values())) == 3
    ticks = [label.get_text() for label in drawn["aggregate"].figure.axes[0].get_yticklabels()]
    assert ticks == sorted(ticks)


def test_the_aggregate_is_of_the_cells_that_every_environment_has(study, drawn):
    data = drawn["aggregate"].data
    assert sorted(data["cell"].unique()) == ["fixed clip", "fixed tanh", "learned clip",
                                             "learned tanh"]  # fmt: skip
    mine = study.runs[(study.runs["sweep"] == "main") & (study.runs["squash"] == "tanh")]
    mine = mine[mine["variance"] == "fixed"]
    row = data[(data["cell"] == "fixed tanh") & (data["measure"] == "mean")].set_index("endpoint")
    assert row.loc[WITHOUT, "value"] == pytest.approx(mine[WITHOUT].mean())
    assert (data["low"] <= data["value"]).all() and (data["value"] <= data["high"]).all()
    assert set(aggregate.cells(study, WITH)) == set(data["cell"])


def test_tuning_runs_are_in_the_sensitivity_alone(study, drawn):
    assert "sensitivity_pendulum" in drawn
    best = drawn["sensitivity_pendulum"].data.dropna(subset="best")
    assert best.groupby("cell")["best"].apply(lambda b: all(x < y for x, y in pairwise(b))).all()
    assert not set(drawn["noise_level"].data["seed"]) & set(range(1000, 1999))


def _run(seed, curve, **more):
    return run(SCORE, seed=seed, curves={METRIC: curve}, **more)


def test_one_lucky_evaluation_is_no_passing():
    sweep = made([
        _run(0, {20: 1.0, 40: 6.0, 60: 4.0, 80: 6.0, 100: 7.0}),
        _run(1, {20: 6.0, 40: 6.0, 60: 1.0, 80: 1.0, 100: 1.0}),
        _run(2, {20: 1.0, 40: 1.0, 60: 1.0, 80: 1.0, 100: 9.0}),
    ])  # fmt: skip
    got = passed(sweep, 5.0).set_index("seed")["steps"]
    assert got[0] == 80, "the first passing at 40 was not kept"
    assert got[1] == 20 and np.isnan(got[2])
    one = next(time_to_threshold.draw(sweep))
    assert "2 of 3 runs do" in one.caption
    with pytest.raises(MissingDataError, match="in common, the return from which"):
        next(time_to_threshold.draw(made([_run(0, {1: 1.0}, solved="None")])))
    with pytest.raises(MissingDataError, match="has two evaluations"):
        passed(made([_run(0, {100: 9.0})]), 5.0)


def test_seconds_are_summed_over_iterations_of_different_length_and_rate():
    rates = {100: 10.0, 300: 50.0, 340: 40.0}
    curves = {METRIC: {300: 9.0, 340: 9.0}, "time/steps_per_second": rates}
    sweep = made([run(SCORE, steps=340, curves=curves)])
    # 100 steps at 10 a second, 200 at 50.
    assert passed(sweep, 5.0)["seconds"].iloc[0] == pytest.approx(14.0)
