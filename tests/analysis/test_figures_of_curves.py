"""The figures over training steps: the numbers drawn, what captions say, what is refused."""

import hashlib
import warnings
from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from analysis.curve_studies import REPARAMETERISED, SCORE, run, study
from figures import both_estimators as fig_both_estimators
from figures import gradient as fig_gradient
from figures import learning_curves as fig_learning_curves
from figures import policy as fig_policy
from figures import solved_time as fig_solved_time
from plotting import drawing, style
from reading.study import MissingDataError

MODULES = (fig_learning_curves, fig_policy, fig_gradient, fig_solved_time)
METRICS = (
    fig_learning_curves.TRAINING, *fig_policy.METRICS, fig_gradient.VARIANCE, fig_gradient.RATIO,
    fig_solved_time.METRIC,
)  # fmt: skip


def _draw(module, made):
    with style.applied():
        return {one.name: one for one in module.draw(made)}


def _curves(generator, steps=100):
    """Every metric at four even steps, above 0."""
    return {
        metric: dict(
            zip((np.arange(1, 5) * steps) // 4, generator.uniform(1.0, 9.0, 4), strict=True)
        )
        for metric in METRICS
    }


def _cell(variance, squash, estimator="score_function"):
    learner = "on_policy" if estimator == "score_function" else "replay"
    return "gaussian", variance, squash, estimator, learner


@cache
def _crossed():
    """2 x 2 x 2 cells with 3 seeds; replay has a tenth of the budget."""
    generator = np.random.default_rng(0)
    runs = []
    words = product(("full", "learned"), ("clip", "tanh"), ("reparameterised", "score_function"))
    for variance, squash, estimator in words:
        steps = 1000 if estimator == "score_function" else 100
        for seed in range(3):
            cell = _cell(variance, squash, estimator)
            curves = _curves(generator, steps)
            score = float(generator.uniform(0.0, 9.0))
            runs.append(run(cell, seed, steps=steps, score=score, curves=curves))
    return study(runs, varied=("variance", "squash", "estimator"))


@cache
def _drawn(module):
    return _draw(module, _crossed())


@pytest.mark.parametrize("module", MODULES)
def test_names_and_captions(module):
    stem = module.__name__.rpartition(".")[2]
    drawn = _drawn(module)
    axes = [""] if stem == "solved_time" else ["_by_variance", "_by_squash", "_by_estimator"]
    assert list(drawn) == [f"{stem}{axis}" for axis in axes]
    for one in drawn.values():
        assert "3 seeds per cell" in one.caption
        assert "100 environment steps (reparameterised) and 1,000 env" in one.caption
        assert "95%" in one.caption
        assert "INCOMPLETE" not in one.caption
        assert len(one.data) > 0


@pytest.mark.parametrize("module", MODULES)
def test_what_is_missing_is_said(module):
    gaps = pd.DataFrame(
        [("full clip score_function", 3, "failed: it fell")], columns=["cell", "seed", "problem"]
    )
    with style.applied():
        one = next(module.draw(replace(_crossed(), gaps=gaps)))
    assert "INCOMPLETE, 1 of 25 runs: 1 failed" in one.caption


@pytest.mark.parametrize("module", MODULES)
def test_the_order_of_the_rows_does_not_matter(module):
    order = np.random.default_rng(1).permutation
    crossed = _crossed()
    shuffled = replace(
        crossed,
        runs=crossed.runs.iloc[order(len(crossed.runs))],
        points=crossed.points.iloc[order(len(crossed.points))].reset_index(drop=True),
    )
    with style.applied():
        other = next(module.draw(shuffled))
    one = _drawn(module)[other.name]
    keys = sorted(one.data.columns.drop(["value"]))
    frames = [
        each.data[[*keys, "value"]].sort_values([*keys, "value"], ignore_index=True)
        for each in (one, other)
    ]
    pd.testing.assert_frame_equal(*frames)
    assert one.caption == other.caption


@pytest.mark.parametrize("module", (fig_learning_curves, fig_solved_time))
def test_the_same_data_give_the_same_bytes(module, tmp_path):
    hashes = []
    made = study([run(seed=seed, curves=_curves(np.random.default_rng(seed))) for seed in range(3)])
    for folder in ("one", "two"):
        (last,) = _draw(module, made).values()
        files = drawing.save(last, tmp_path / folder)
        hashes.append([hashlib.sha256(file.read_bytes()).hexdigest() for file in files])
    assert hashes[0] == hashes[1]


@pytest.mark.parametrize("module", MODULES)
def test_without_its_metric_there_is_no_figure(module):
    made = study([run(curves={"time/steps_per_second": {1: 1.0}})])
    with pytest.raises(MissingDataError) as refused:
        _draw(module, made)
    assert "made" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("module", MODULES)
def test_of_one_seed_no_band_is_drawn_and_the_caption_says_why(module):
    generator = np.random.default_rng(2)
    made = study([run(_cell(word, "clip"), 0, curves=_curves(generator)) for word in ("full", "x")])
    for one in _draw(module, made).values():
        assert one.data[["low", "high"]].isna().all(axis=None)
        assert "one seed says nothing of the spread" in one.caption
        assert "Band" not in one.caption


@pytest.mark.parametrize("module", MODULES)
def test_a_study_of_one_cell_has_one_figure(module):
    made = study([run(seed=seed, curves=_curves(np.random.default_rng(seed))) for seed in range(3)])
    stem = module.__name__.rpartition(".")[2]
    assert list(_draw(module, made)) == [stem]


@pytest.mark.parametrize("module", MODULES)
def test_settings_that_are_no_axis_are_lines_of_one_figure(module):
    runs = [
        run(seed=seed, curves=_curves(np.random.default_rng(seed)), **{"param.gamma": gamma})
        for gamma in ("0.9", "0.99") for seed in range(2)
    ]  # fmt: skip
    for number, (row, points) in enumerate(runs):
        row["run_id"] = f"run{number}"
        for point in points:
            point["run_id"] = f"run{number}"
    (one,) = _draw(module, study(runs, others=("gamma",))).values()
    words = one.data["word" if module is fig_solved_time else "cell"]
    assert set(words) == {"gamma=0.9", "gamma=0.99"}


@pytest.mark.parametrize("module", MODULES)
def test_environments_have_figures_of_their_own(module):
    generator = np.random.default_rng(3)
    runs = [
        run(_cell("full", squash), seed, env, curves=_curves(generator))
        for env in ("one", "two") for squash in ("clip", "tanh") for seed in range(2)
    ]  # fmt: skip
    names = list(_draw(module, study(runs)))
    assert [name.partition("_in_")[2] for name in names] == ["one", "two"]


def test_learning_curves_by_hand():
    one = _drawn(fig_learning_curves)["learning_curves_by_squash"]
    runs, points = _crossed().runs, _crossed().points
    mine = runs[(runs["cell"] == "full tanh reparameterised")]
    values = np.array(
        [
            points.loc[
                (points["run_id"] == name) & (points["metric"] == fig_learning_curves.TRAINING),
                "value",
            ]
            for name in mine["run_id"]
        ]
    )
    data = one.data[(one.data["panel"] == "full, reparameterised") & (one.data["squash"] == "tanh")]
    mean = data[data["line"] == "mean"]
    assert_allclose(mean["value"], values.mean(axis=0))
    half = 4.302652729911275 * values.std(axis=0, ddof=1) / np.sqrt(3)
    assert_allclose(mean["high"] - mean["value"], half)
    assert_allclose(mean["step"], [12.5, 37.5, 62.5, 87.5])
    assert_allclose(data.loc[data["line"] == "seed 1", "value"], values[1])
    final = data[data["line"].str.startswith("final")]
    assert_allclose(final["value"], mine["score"])
    assert set(final["step"]) == {100.0}


def test_panels_of_different_budgets_have_axes_of_their_own_unless_they_mix_them():
    drawn = _drawn(fig_learning_curves)
    ends = {ax.get_xlim()[1] for ax in drawn["learning_curves_by_squash"].figure.axes}
    assert len(ends) == 2 and min(ends) > 0.1
    for ax in drawn["learning_curves_by_estimator"].figure.axes:
        assert ax.get_xlim()[1] == pytest.approx(1.1, abs=0.02)
    labels = {ax.get_xlabel() for ax in drawn["learning_curves_by_estimator"].figure.axes}
    assert labels == {"", "share of the step budget"}


def test_a_panel_that_lacks_an_estimator_has_the_axis_of_the_others():
    crossed = _crossed()
    absent = crossed.runs["cell"] == "full clip score_function"
    made = replace(crossed, runs=crossed.runs[~absent])
    one = _draw(fig_learning_curves, made)["learning_curves_by_estimator"]
    for ax in one.figure.axes:
        assert ax.get_xlim()[1] == pytest.approx(1.1, abs=0.02)


def test_many_panels_are_laid_out_on_pages():
    generator = np.random.default_rng(4)
    runs = [
        run(_cell(variance, "clip", estimator), curves=_curves(generator))
        for variance, estimator in product("abcdefghijklm", ("score_function", "reparameterised"))
    ]
    drawn = _draw(fig_learning_curves, study(runs, varied=("variance", "estimator")))
    first, second = (drawn[f"learning_curves_by_estimator_page_{number}"] for number in (1, 2))
    assert sorted(set(first.data["panel"])) == list("abcdefghijkl")
    assert set(second.data["panel"]) == {"m"}
    visible = [ax.axison for ax in second.figure.axes]
    assert visible == [True, False, False, False]
    assert "learning_curves_by_variance" in drawn


def test_rare_extremes_do_not_squeeze_the_rest_and_are_told():
    generator = np.random.default_rng(5)
    curves = [dict(enumerate(generator.uniform(0.0, 9.0, 100), 1)) for _ in range(3)]
    runs = [
        run(seed=seed, score=score, curves={fig_learning_curves.TRAINING: curves[seed]})
        for seed, score in enumerate([-1e6, 5.0, 5.0])
    ]
    (one,) = _draw(fig_learning_curves, study(runs)).values()
    assert one.figure.axes[0].get_ylim()[0] > -100.0
    assert "Cut off at the edge: values down to -1e+06." in one.caption
    assert one.data["value"].min() == -1e6


def test_lines_that_coincide_are_both_seen():
    curves = _curves(np.random.default_rng(6))
    made = study([run(_cell("full", squash), curves=curves) for squash in ("clip", "none")])
    one = _draw(fig_learning_curves, made)["learning_curves_by_squash"]
    assert "Dashed: a line that lies exactly on another." in one.caption


def test_entropies_of_different_things_are_never_averaged():
    drawn = _drawn(fig_policy)
    for axis in ("variance", "estimator"):
        data = drawn[f"policy_by_{axis}"].data
        entropies = data[data["metric"] == fig_policy.ENTROPY]
        assert set(entropies["panel"]) == {
            "entropy of u (nats)", "entropy of action, tanh (nats)",
        }  # fmt: skip
        assert "different things" in drawn[f"policy_by_{axis}"].caption
        of_u = entropies[(entropies["panel"] == "entropy of u (nats)")]
        assert not of_u["line"].str.contains("tanh").any()


def test_policy_means_by_hand():
    data = _drawn(fig_policy)["policy_by_variance"].data
    every = _crossed().curves("policy/saturation")
    every = every[every["variance"] == "full"]
    every["share"] = every.groupby("run_id").cumcount() * 0.25 + 0.125
    mean = data[
        (data["metric"] == "policy/saturation") & (data["variance"] == "full")
        & (data["line"] == "mean")
    ]  # fmt: skip
    by_seed = every.groupby(["share", "seed"])["value"].mean().unstack()
    assert_allclose(mean["value"], by_seed.mean(axis=1))
    half = 4.302652729911275 * by_seed.std(axis=1, ddof=1) / np.sqrt(3)
    assert_allclose(mean["value"] - mean["low"], half)
    thin = data[(data["line"] == "clip, score_function") & (data["variance"] == "full")]
    cell = every[(every["squash"] == "clip") & (every["estimator"] == "score_function")]
    assert_allclose(
        thin.loc[thin["metric"] == "policy/saturation", "value"],
        cell.groupby("share")["value"].mean(),
    )


def test_what_spans_decades_has_geometric_means():
    data = _drawn(fig_gradient)["gradient_by_squash"].data
    every = _crossed().curves(fig_gradient.VARIANCE)
    first = every[(every["squash"] == "tanh")].groupby("run_id").head(1)
    mean = data[(data["squash"] == "tanh") & (data["metric"] == fig_gradient.VARIANCE)]
    got = mean.loc[mean["line"] == "mean", ["value", "low", "high"]].to_numpy()[0]
    by_seed = np.log(first["value"]).groupby(first["seed"]).mean()
    half = 4.302652729911275 * by_seed.std(ddof=1) / np.sqrt(3)
    centre = by_seed.mean()
    assert_allclose(got, np.exp([centre, centre - half, centre + half]))


def test_negative_signal_to_noise_is_drawn_around_a_zero_line():
    curve = {25: 0.5, 50: 0.001, 75: -0.002, 100: -0.02}
    both = {fig_gradient.RATIO: curve, fig_gradient.VARIANCE: dict.fromkeys(curve, 2.0)}
    (one,) = _draw(fig_gradient, study([run(curves=both)])).values()
    ratio = one.data[(one.data["metric"] == fig_gradient.RATIO) & (one.data["line"] == "mean")]
    assert list(ratio["value"]) == list(curve.values())
    assert one.figure.axes[1].get_yscale() == "symlog"
    assert one.figure.axes[0].get_yscale() == "log"
    assert "linear within 0.01 of the zero line" in one.caption
    assert "only the ratios compare" in one.caption


def test_cells_without_a_counterpart_are_left_out_of_means():
    generator = np.random.default_rng(7)
    cells = [_cell("full", "clip"), _cell("learned", "clip"), _cell("learned", "clip_mass")]
    runs = [run(cell, seed, curves=_curves(generator)) for cell in cells for seed in range(2)]
    made = study(runs)
    one = _draw(fig_policy, made)["policy_by_variance"]
    assert "Left out: 1 of 3 cells, without a counterpart for every variance." in one.caption
    learned = one.data[(one.data["variance"] == "learned") & (one.data["line"] == "mean")]
    values = made.curves("policy/saturation").query("variance == 'learned' and squash == 'clip'")
    assert_allclose(
        learned.loc[learned["metric"] == "policy/saturation", "value"],
        values.groupby("step")["value"].mean(),
    )


def _evaluated(seed, passes, cell=SCORE, steps=100, **more):
    """A run that is evaluated four times and first solves at `passes`, a share, or never."""
    values = {int(steps * share): 9.0 if share == passes else 0.0 for share in (0.25, 0.5, 0.75, 1)}
    return run(cell, seed, steps=steps, curves={fig_solved_time.METRIC: values}, **more)


def test_solved_time_by_hand():
    made = study([_evaluated(seed, at) for seed, at in enumerate([0.25, 0.5, 0.5, None])])
    (one,) = _draw(fig_solved_time, made).values()
    assert list(one.data["share"]) == [0.0, 0.25, 0.5, 1.0]
    assert list(one.data["step"]) == [0.0, 25.0, 50.0, 100.0]
    assert_allclose(one.data["value"], [0.0, 0.25, 0.75, 0.75])
    # Greenwood, on the scale log(-log(survival)).
    survival, variance = 0.25, 1 / (4 * 3) + 2 / (3 * 1)
    width = 1.959963984540054 * np.sqrt(variance) / np.log(survival)
    limits = 1.0 - survival ** np.exp(np.array([width, -width]))
    assert_allclose(one.data.loc[2, ["low", "high"]].astype(float), np.sort(limits))
    assert one.data.loc[0, ["low", "high"]].isna().all()
    assert set(one.data["runs"]) == {4} and set(one.data["passed"]) == {3}
    assert "3 of 4 runs pass" in one.caption


def test_a_failed_run_has_not_passed_and_one_that_never_ran_is_not_counted():
    made = study(
        [_evaluated(0, 0.5), _evaluated(1, 0.5)],
        gaps=[("score_function", 2, "failed: it fell"), ("score_function", 3, "never started")],
    )
    (one,) = _draw(fig_solved_time, made).values()
    assert_allclose(one.data["value"], [0.0, 2 / 3, 2 / 3])
    assert "Runs that failed (1) count as not passing." in one.caption
    assert "INCOMPLETE, 2 of 4 runs" in one.caption


def test_a_cell_of_failed_runs_only_belongs_to_its_words():
    cells = [_cell("full", "clip"), _cell("learned", "clip")]
    made = study([_evaluated(0, 0.5, cells[0]), _evaluated(0, 1, cells[1])])
    made = replace(made, gaps=pd.DataFrame({
        "cell": ["full", "fixed"], "seed": [1, 0], "problem": ["failed: x", "its score is NaN"],
    }))  # fmt: skip
    (one,) = _draw(fig_solved_time, made).values()
    ends = one.data.groupby("word")["value"].last()
    assert ends.to_dict() == {"fixed": 0.0, "full": 0.5, "learned": 1.0}


def test_when_no_run_passes_the_lines_are_zero_and_the_caption_says_so():
    made = study([_evaluated(seed, None) for seed in range(3)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (one,) = _draw(fig_solved_time, made).values()
    assert list(one.data["value"]) == [0.0, 0.0]
    assert "No run has passed it, so all lines are zero." in one.caption


def test_different_budgets_are_passed_in_shares():
    made = study([
        _evaluated(0, 0.5, SCORE, 1000), _evaluated(1, None, SCORE, 1000),
        _evaluated(0, 0.75, REPARAMETERISED), _evaluated(1, 0.75, REPARAMETERISED),
    ], varied=("estimator",))  # fmt: skip
    (one,) = _draw(fig_solved_time, made).values()
    assert "step" not in one.data
    curves = {word: list(zip(mine["share"], mine["value"], strict=True))
              for word, mine in one.data.groupby("word")}  # fmt: skip
    assert curves == {
        "score_function": [(0.0, 0.0), (0.5, 0.5), (1.0, 0.5)],
        "reparameterised": [(0.0, 0.0), (0.75, 1.0), (1.0, 1.0)],
    }


def test_without_a_threshold_there_is_no_time_to_solve():
    for solved in ("None", None):
        with pytest.raises(MissingDataError, match=r"evaluation\.solved"):
            _draw(fig_solved_time, study([_evaluated(0, 0.5, solved=solved)]))


def _diagnosed(cells=(SCORE, REPARAMETERISED), seeds=2):
    """The score function has a ratio of 0.1 and falls to 0.01, the other one stays at 1."""
    curves = {
        "gradient/score_function_signal_to_noise": {50: 0.1, 100: 0.01},
        "gradient/reparameterised_signal_to_noise": {50: 1.0, 100: 1.0},
    }
    return [run(cell, seed, curves=curves) for cell in cells for seed in range(seeds)]


def test_both_estimators_are_lines_in_the_panel_of_every_cell():
    drawn = _draw(fig_both_estimators, study(_diagnosed()))["both_estimators"]
    panels = drawn.figure.axes
    titles = [ax.get_title() for ax in panels]
    assert titles == ["score_function on_policy", "reparameterised replay"]
    for ax in panels:
        means = {line.get_label(): line.get_ydata() for line in ax.get_lines() if line.get_lw() > 1}
        assert_allclose(means["score_function"], [0.1, 0.01])
        assert_allclose(means["reparameterised"], [1.0, 1.0])
    assert "No band: with fewer than 3 seeds it would fill the panel." in drawn.caption
    assert "whichever of them trains" in drawn.caption


def test_cells_without_both_estimators_have_no_panel():
    runs = [*_diagnosed((SCORE,)), run(REPARAMETERISED, 0), run(REPARAMETERISED, 1)]
    drawn = _draw(fig_both_estimators, study(runs))["both_estimators"]
    assert len(drawn.figure.axes) == 1
    with pytest.raises(MissingDataError, match="no run of made has recorded gradient/score"):
        _draw(fig_both_estimators, study([run(curves={"policy/entropy": {100: 1.0}})]))
