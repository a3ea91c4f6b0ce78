"""Figures of final returns: their numbers by hand and by other roads, and what they do not draw."""

import math

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from scipy import stats as scipy_stats

import warm
from analysis.studies import made, numbered, shuffled
from benchmarks import synthetic_store
from cli import WARNINGS
from figures import effects as fig_effects
from figures import final_performance as fig_final_performance
from figures import improvement as fig_improvement
from figures import profiles as fig_profiles
from plotting import style
from reading import study as load
from reading.study import MissingDataError
from stats import designs, improvements
from stats import estimates as stats

pytestmark = WARNINGS

FIGURES = (fig_effects, fig_final_performance, fig_improvement, fig_profiles)
FACTORS = ("variance", "squash")


def _generator(seed=0):
    return np.random.default_rng(seed)


def _only(module, study):
    drawings = list(module.draw(study))
    assert len(drawings) == 1
    return drawings[0]


def _by_name(module, study):
    return {one.name: one for one in module.draw(study)}


def _noise(seeds=6, shape=(2, 3)):
    """Return a full factorial of random scores, and them as `[seeds, *shape]`."""
    words = [("fixed", "learned"), ("clip", "none", "tanh")]
    scores = _generator().normal(size=(seeds, *shape)) + _generator(1).normal(size=(seeds, 1, 1))
    cells = {(words[0][i], words[1][j]): numbered(*scores[:, i, j]) for i, j in np.ndindex(*shape)}
    return made(FACTORS, cells, threshold=0.5), scores


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    warm.put_empty_store(folder)
    uri = synthetic_store.fill(folder, runs=18 * 10, points=2, settings=2)
    return load.load(uri, "pilot", metrics=[load.FINAL])


# Final performance


def test_final_performance_by_hand():
    # Mean 4, deviations -3, 0, 3: standard deviation 3; t with 2 degrees of freedom is 4.302653.
    study = made(["squash"], {("tanh",): numbered(1.0, 4.0, 7.0), ("clip",): {5: 2.0}}, 5.0)
    one = _only(fig_final_performance, study)
    runs = one.data[one.data["quantity"] == "run"]
    assert runs[["squash", "seed", "score"]].to_numpy().tolist() == [
        ["clip", 5, 2.0], ["tanh", 0, 1.0], ["tanh", 1, 4.0], ["tanh", 2, 7.0],
    ]  # fmt: skip
    means = one.data[one.data["quantity"] == "mean"]
    half = 4.302653 * 3.0 / math.sqrt(3.0)
    assert means["squash"].tolist() == ["tanh"], "one seed has no interval"
    assert_allclose(
        means[["score", "low", "high"]].to_numpy(float), [[4, 4 - half, 4 + half]], rtol=1e-6
    )
    assert one.data.loc[one.data["quantity"] == "solved", "score"].tolist() == [5.0]
    assert "one seed" in one.caption


def test_final_performance_of_a_single_run_says_why_it_has_no_interval():
    one = _only(fig_final_performance, made([], {(): numbered(3.0)}))
    assert one.data["quantity"].tolist() == ["run"]
    assert "No interval" in one.caption


def test_final_performance_names_every_cell_once():
    study, scores = _noise()
    one = _only(fig_final_performance, study)
    (ax,) = one.figure.axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["fixed", "learned"]
    assert len(one.data) == scores.size + 6 + 1
    (legend,) = one.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["clip", "none", "tanh"]


def test_values_of_a_setting_are_in_the_order_of_numbers_and_have_colours_of_their_own():
    rates = ("0.0003", "0.001", "1e-05", "0.03", "0.1", "0.2", "0.3", "0.4", "0.5")
    study = made(["estimator.lr"], {(rate,): numbered(1.0, 2.0) for rate in rates})
    grid = designs.grid_of(study)
    assert grid.names == ["estimator.lr"]
    assert grid.levels == [sorted(rates, key=float)]
    assert len(set(style.colours(rates).values())) == len(rates)


def test_every_environment_has_a_figure_and_a_scale_of_its_own():
    cells = {
        ("pendulum", "none"): numbered(-200.0, -150.0),
        ("pendulum", "tanh"): numbered(-210.0, -160.0),
        ("walker2d", "none"): numbered(3000.0, 4000.0),
        ("walker2d", "tanh"): numbered(3300.0, 3400.0),
    }
    study = made(["env", "squash"], cells, gaps=[("pendulum none", 2, "no run")])
    for module in FIGURES:
        drawings = list(module.draw(study))
        assert len(drawings) == 2
        for one, environment in zip(drawings, ("pendulum", "walker2d"), strict=True):
            assert one.name.endswith(environment)
            assert one.caption.count(environment) >= 1
    first, second = fig_final_performance.draw(study)
    assert first.data["score"].max() < 0.0 < second.data["score"].min()


# Effects


def test_effects_by_hand():
    # Two seeds 10 apart. learned earns 2 more than fixed, tanh 4 more than none; with both 8 more.
    base = {("fixed", "none"): 0.0, ("fixed", "tanh"): 4.0, ("learned", "none"): 2.0}
    cells = {words: numbered(score, score + 10.0) for words, score in base.items()}
    cells["learned", "tanh"] = numbered(14.0, 24.0)
    data = _only(fig_effects, made(FACTORS, cells)).data
    found = data[data["quantity"] == "deviation"].set_index(["axis", "word"])
    # Cells 0, 4, 2, 14: mean 5, of the rows 2 and 8, of the columns 1 and 9, interaction 2.
    assert_allclose(found["estimate"], [-3.0, 3.0, -4.0, 4.0], atol=1e-12)
    assert_allclose(found["low"], found["estimate"], atol=1e-9)
    squares = np.array([9.0, 16.0, 4.0])
    shares = squares / squares.sum()
    assert_allclose(found["share"], shares[[0, 0, 1, 1]])
    means = data[data["quantity"] == "mean return"].set_index(["word", "other_word"])
    assert means.loc[("learned", "tanh"), "estimate"] == 19.0
    assert_allclose(means["share"], shares[2])
    # Two seeds: 12.706 times the standard error, which is half their difference.
    assert_allclose(means["high"] - means["estimate"], 12.7062 * 5.0, rtol=1e-5)


def test_effects_are_those_of_a_paired_t_interval():
    study, scores = _noise()
    data = _only(fig_effects, study).data
    tanh = data[(data["axis"] == "squash") & (data["word"] == "tanh")].iloc[0]
    deviation = scores[:, :, 2].mean(axis=1) - scores.mean(axis=(1, 2))
    expected = scipy_stats.ttest_1samp(deviation, 0.0)
    assert_allclose(tanh["estimate"], expected.statistic * deviation.std(ddof=1) / math.sqrt(6))
    assert_allclose(tanh[["low", "high"]].to_numpy(float), expected.confidence_interval(0.95))
    # Taken between seeds, what a seed does to all cells would be in it.
    unpaired = scipy_stats.ttest_1samp(scores[:, :, 2].mean(axis=1), 0.0).confidence_interval(0.95)
    assert unpaired.high - unpaired.low > 1.5 * (tanh["high"] - tanh["low"])


def test_effects_use_the_seeds_that_all_cells_have_and_say_so():
    study, _ = _noise()
    all_seeds = _only(fig_effects, study)
    assert "Only" not in all_seeds.caption
    rows = (study.runs["cell"] == "fixed tanh") & (study.runs["seed"] == 3)
    fewer = load.Study(**{**vars(study), "runs": study.runs[~rows]})
    never = load.Study(**{**vars(study), "runs": study.runs[study.runs["seed"] != 3]})
    one = _only(fig_effects, fewer)
    assert_frame_equal(one.data, _only(fig_effects, never).data)
    assert not np.allclose(one.data["estimate"], all_seeds.data["estimate"])
    assert "seeds 0, 1, 2, 4, 5," in one.caption


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({("fixed", "none"): numbered(1.0, 2.0)}, "one cell"),
        (
            {
                ("fixed", "none"): numbered(1.0, 2.0),
                ("learned", "none"): numbered(1.0, 2.0),
                ("fixed", "tanh"): numbered(1.0, 2.0),
            },
            "no run of learned tanh",
        ),
        (
            {("fixed", "none"): numbered(1.0, 2.0), ("learned", "none"): {2: 1.0}},
            "two seeds that all cells have; the fewest has learned",
        ),
    ],
)
def test_effects_name_what_is_missing(cells, message):
    with pytest.raises(MissingDataError, match=message):
        list(fig_effects.draw(made(FACTORS, cells)))


def test_known_effects_are_found(synthetic):
    one = _only(fig_effects, synthetic)
    main = one.data[one.data["quantity"] == "deviation"].set_index(["axis", "word"])
    # tanh earns 40 more than the other two squashes, fixed 20 less than the other two variances.
    truth = {
        ("squash", "tanh"): 40 * 2 / 3, ("squash", "none"): -40 / 3, ("squash", "clip"): -40 / 3,
        ("variance", "fixed"): -20 * 2 / 3, ("variance", "full"): 20 / 3,
        ("estimator", "score_function"): 0.0,
    }  # fmt: skip
    for name, value in truth.items():
        found = main.loc[name]
        assert found["low"] < value < found["high"], name
        assert found["high"] - found["low"] < 15.0
    shares = main["share"].groupby("axis").first()
    assert shares["squash"] > shares["variance"] > shares["estimator"]
    assert shares["squash"] > 0.6
    improvement = _by_name(fig_improvement, synthetic)["improvement"].data
    tanh = improvement[(improvement["row"] == "tanh") & (improvement["column"] == "none")].iloc[0]
    # 40 apart, and between runs of different seeds a standard deviation of 30.
    assert tanh["low"] < scipy_stats.norm.cdf(40 / 30) < tanh["high"]


# Improvement


def test_improvement_by_hand():
    # Pairs of different seeds: 3 > 2, 3 = 3, 4 > 1, 4 > 3, 2 > 1, 2 = 2: 4 wins and 2 ties of 6.
    study = made(["squash"], {("tanh",): numbered(3.0, 4.0, 2.0), ("none",): numbered(1, 2, 3)})
    data = _only(fig_improvement, study).data.set_index(["row", "column"])
    assert_allclose(data.loc[("tanh", "none"), "probability"], 5.0 / 6.0)
    assert_allclose(data.loc[("none", "tanh"), "probability"], 1.0 / 6.0)
    assert_array_equal(data[["cells", "seeds"]], [[1, 3], [1, 3]])
    for limit, opposite in (("low", "high"), ("high", "low")):
        assert_allclose(
            data.loc[("tanh", "none"), limit], 1.0 - data.loc[("none", "tanh"), opposite]
        )


def test_improvement_of_one_cell_is_that_of_stats():
    x, y = _generator().normal(size=(2, 7, 1))
    got = improvements.improvement(x, y + 0.5, _generator(3))
    expected = stats.probability_of_improvement_interval(
        x, y + 0.5, _generator(3), paired=True, resamples=improvements.RESAMPLES
    )
    assert_allclose(got, expected, atol=1e-12)


def test_a_cell_that_repeats_another_narrows_no_interval():
    x, y = _generator().normal(size=(2, 8, 1))
    once = improvements.improvement(x, y, _generator(3))
    twice = improvements.improvement(np.tile(x, 4), np.tile(y, 4), _generator(3))
    assert_allclose(twice, once, atol=1e-12)
    # Resampled as environments are, the copies would count as further evidence.
    apart = stats.probability_of_improvement_interval(
        np.tile(x, 4), np.tile(y, 4), _generator(3), paired=True, resamples=5000
    )
    assert apart.high - apart.low < 0.7 * (once.high - once.low)


def test_improvement_pairs_the_other_axes_and_keeps_what_both_words_have():
    study, scores = _noise()
    drawings = _by_name(fig_improvement, study)
    assert sorted(drawings) == ["improvement", "improvement_of_cells"]
    data = drawings["improvement"].data.set_index(["axis", "row", "column"])
    expected = stats.probability_of_improvement(scores[:, 0], scores[:, 1], paired=True)
    assert_allclose(data.loc[("variance", "fixed", "learned"), "probability"], expected)
    rows = (study.runs["cell"] == "fixed tanh") | (study.runs["seed"] == 5)
    fewer = load.Study(**{**vars(study), "runs": study.runs[~rows]})
    data = _by_name(fig_improvement, fewer)["improvement"].data.set_index(["row", "column"])
    field = data.loc[("fixed", "learned")]
    expected = stats.probability_of_improvement(scores[:5, 0, :2], scores[:5, 1, :2], paired=True)
    assert_allclose(field["probability"], expected)
    assert (field["cells"], field["seeds"]) == (2, 5)


def test_cells_are_compared_with_each_other_the_best_first():
    study, scores = _noise()
    one = _by_name(fig_improvement, study)["improvement_of_cells"]
    means = scores.mean(axis=0)
    best = np.unravel_index(means.argmax(), means.shape)
    label = " ".join((("fixed", "learned")[best[0]], ("clip", "none", "tanh")[best[1]]))
    assert one.data["row"].iloc[0] == label
    assert len(one.data) == 6 * 5
    field = one.data.set_index(["row", "column"]).loc[("fixed clip", "learned tanh")]
    expected = stats.probability_of_improvement(scores[:, 0, 0], scores[:, 1, 2], paired=True)
    assert_allclose(field["probability"], expected)


def test_only_seeds_that_all_compared_cells_have_are_matched():
    x = np.array([[1.0, 2.0, 3.0], [4.0, np.nan, 6.0], [7.0, 8.0, 9.0]])
    y = np.array([[1.0, 2.0, np.nan], [4.0, 5.0, np.nan], [7.0, 8.0, np.nan]])
    first, second = designs.matched(x, y)
    assert_array_equal(first, [[1.0, 2.0], [7.0, 8.0]])
    assert_array_equal(second, [[1.0, 2.0], [7.0, 8.0]])
    assert designs.matched(x[:, 1:2], y[:, 2:])[0].shape == (0, 0)


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_improvement_needs_two_common_seeds(seeds):
    cells = {("tanh",): {0: 1.0}, ("none",): dict.fromkeys(seeds, 2.0)}
    with pytest.raises(MissingDataError, match="two seeds in common"):
        list(fig_improvement.draw(made(["squash"], cells)))


# Profiles


def test_profile_by_hand():
    study = made(["squash"], {("tanh",): numbered(1.0, 2.0, 3.0, 3.0), ("none",): {0: 2.5}}, 3.0)
    data = _only(fig_profiles, study).data
    tanh = data[data["word"] == "tanh"].set_index("return")["share"]
    assert_allclose(tanh[[1.0, 2.0, 2.5, 3.0]], [1.0, 0.75, 0.5, 0.5])
    assert tanh.iloc[0] == 1.0
    assert tanh.iloc[-1] == 0.0
    none = data[data["word"] == "none"]
    assert_allclose(none.set_index("return").loc[[2.5, 3.0], "share"], [1.0, 0.0])
    assert none[["low", "high"]].isna().all(axis=None)


def test_profile_of_one_cell_is_that_of_stats():
    scores = _generator().normal(size=12)
    taus = np.sort(scores)
    got = fig_profiles.profile(scores[:, None], taus, _generator(3))
    expected = stats.performance_profile_interval(
        scores, taus, _generator(3), resamples=improvements.RESAMPLES
    )
    for mine, theirs in zip(got, expected, strict=True):
        assert_allclose(mine, theirs, atol=1e-12)
    # Copies are no further evidence.
    for mine, theirs in zip(
        fig_profiles.profile(np.tile(scores[:, None], 5), taus, _generator(3)), got, strict=True
    ):
        assert_allclose(mine, theirs, atol=1e-12)


def test_profile_counts_every_run_that_there_is():
    scores = np.array([[1.0, np.nan], [2.0, 3.0], [np.nan, np.nan]])
    got = fig_profiles.profile(scores, np.array([1.5, 2.5]), _generator())
    # The seed of one run is drawn alone, the other alone, or both.
    assert_allclose(got, [[2.0 / 3.0, 1.0 / 3.0], [0.0, 0.0], [1.0, 0.5]])


def test_profile_of_a_single_cell_is_one_line():
    one = _only(fig_profiles, made([], {(): numbered(1.0, 2.0)}, 1.5))
    assert one.data["word"].unique().tolist() == ["all runs"]
    assert one.figure.axes[0].get_legend() is None


def test_equal_scores_can_be_drawn():
    study = made(["squash"], {("tanh",): numbered(5.0, 5.0), ("none",): numbered(5.0, 5.0)})
    assert _only(fig_effects, study).data["share"].isna().all()
    assert (_only(fig_improvement, study).data["probability"] == 0.5).all()
    assert _only(fig_profiles, study).data["share"].isin([0.0, 1.0]).all()


# All


def _pixels(one):
    with style.applied():
        canvas = FigureCanvasAgg(one.figure)
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def test_the_order_of_runs_changes_no_number_and_no_pixel():
    words = [("fixed", "none"), ("fixed", "tanh"), ("learned", "none"), ("learned", "tanh")]
    cells = {cell: numbered(i, 3.0 * i, 2.0) for i, cell in enumerate(words)}
    study = made(FACTORS, cells, 2.0)
    for module in FIGURES:
        pairs = zip(module.draw(study), module.draw(shuffled(study)), strict=True)
        for first, second in pairs:
            assert (first.name, first.caption) == (second.name, second.caption)
            assert_frame_equal(first.data, second.data)
            assert len(np.unique(_pixels(first))) > 10, "something is drawn"
            assert_array_equal(_pixels(first), _pixels(second), err_msg=first.name)


def test_every_caption_tells_seeds_budget_and_what_is_missing():
    study, _ = _noise(seeds=3)
    study = load.Study(
        **{
            **vars(study),
            "gaps": made(FACTORS, {}, gaps=[("fixed tanh", 3, "failed: NaN")]).gaps,
        }
    )
    for module in FIGURES:
        for one in module.draw(study):
            assert "3 seeds per cell" in one.caption
            assert "1,000 environment steps" in one.caption
            assert "INCOMPLETE, 1 of 19 runs" in one.caption
            assert "95%" in one.caption or one.name == "improvement_of_cells"


def test_a_word_goes_rather_than_most_of_the_seeds():
    """A word of which runs failed in most seeds costs its cells, and not the seeds of all."""
    full = {
        (variance, squash): numbered(*range(5))
        for variance in ("fixed", "learned")
        for squash in ("clip", "none", "tanh")
    }
    full["fixed", "none"] = {0: 1.0, 3: 2.0}
    grid = designs.grid_of(made(FACTORS, full))
    part = designs.balanced(grid)
    assert part.levels == [["fixed", "learned"], ["clip", "tanh"]]
    assert part.seeds == grid.seeds == [0, 1, 2, 3, 4]
    assert np.isfinite(part.scores).all()
    assert designs.left_out(grid, part) == ["Without squash=none, of which runs are missing."]
    first, second = designs.matched(grid.word(0, 0), grid.word(0, 1))
    assert first.shape == second.shape == (5, 2)
    # One missing run costs its seed, as the word would cost more.
    full["fixed", "none"] = numbered(*range(4))
    assert designs.balanced(designs.grid_of(made(FACTORS, full))).seeds == [0, 1, 2, 3]
