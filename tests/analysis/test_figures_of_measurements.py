"""The figures of the gradient laboratory: the points and lines drawn, the words, what is said."""

from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from scipy.optimize import brentq

from analysis.measured_studies import measurement, scan, study
from figures import bias as fig_bias
from figures import chaos as fig_chaos
from figures import dimension as fig_dimension
from figures import lqr as fig_lqr
from figures import mistakes as fig_mistakes
from figures import variance_versus_k as fig_variance_versus_k
from plotting import style
from plotting.drawing import Drawing
from reading.sweep import MissingDataError
from stats import closed_forms

SCORE, PATHWISE = "score_function", "reparameterised"


def drawn(module: Any, rows: list[dict[str, Any]]) -> Drawing:
    with style.applied():
        (one,) = module.draw(study(rows))
    assert one.caption.endswith(".")
    assert one.figure.get_size_inches()[0] <= 7
    return one


def coloured(ax: Axes, word: str, marker: str = "None") -> list[np.ndarray]:
    """Return the points of the lines (or marks) of a word's colour, `[points, 2]` each."""
    return [
        np.column_stack([np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)])
        for line in ax.get_lines()
        if line.get_color() == style.colour(word) and line.get_marker() == marker
        and len(np.asarray(line.get_xdata()))
    ]  # fmt: skip


def legend(one: Drawing) -> list[str]:
    return [text.get_text() for text in one.figure.legends[0].get_texts()]


def test_variances_against_k_are_points_on_exact_lines() -> None:
    rows = scan("cosine", "problem.k", {SCORE: {0.5: (2.0, 2.1), 5.0: (3.0, 3.1)}})
    rows += scan(
        "cosine", "problem.k", {SCORE: {0.5: (1.0, 1.0), 5.0: (1.0, 1.0)}}, baseline="mean"
    )
    rows += scan("quadratic", "problem.k", {PATHWISE: {-3.0: (4.0, 4.0), 3.0: (4.0, 4.0)}})
    one = drawn(fig_variance_versus_k, rows)
    quadratic, cosine, _, of_scale = one.figure.axes
    assert "quadratic" in quadratic.get_title()
    assert quadratic.get_xscale() == "linear"
    assert cosine.get_xscale() == "log"
    assert cosine.get_yscale() == "log"
    assert [line.tolist() for line in coloured(cosine, SCORE)] == [[[0.5, 2.1], [5.0, 3.1]]]
    assert [line.tolist() for line in coloured(cosine, SCORE, "o")] == [[[0.5, 2.0], [5.0, 3.0]]]
    assert coloured(of_scale, SCORE, "o")[0][:, 1].tolist() == [4.0, 6.0]
    words = legend(one)
    assert words == [
        PATHWISE,
        "score function",
        "score function baseline mean",
        "measured",
        "exact",
    ]
    assert "mean 1 and std 1" in one.caption
    assert "4.8% (score function, cosine, gradient in the mean, at 0.5)" in one.caption, (
        "2.0 of 2.1"
    )
    assert "cosine, quadratic (variance learned_global, squash none), 6 meas" in one.caption
    assert "1,000 estimates each, 1 seed per cell" in one.caption


def test_what_is_not_known_exactly_is_joined_by_a_dashed_line() -> None:
    rows = scan("quadratic_nd", "problem.action_dim", {
        SCORE: {1: (1.0, 1.0), 2: (8.0, 8.0), 4: (64.0, None)},
        PATHWISE: {1: (1.0, 1.0), 2: (2.0, 2.0), 4: (4.0, 4.0)},
    })  # fmt: skip
    one = drawn(fig_dimension, rows)
    ax = one.figure.axes[0]
    exact, dashed = coloured(ax, SCORE)
    assert exact.tolist() == [[1.0, 1.0], [2.0, 8.0]]
    assert dashed.tolist() == [[1.0, 1.0], [2.0, 8.0], [4.0, 64.0]]
    assert len(coloured(ax, PATHWISE)) == 1
    assert "dashed lines join dots without one" in one.caption


def test_the_laws_of_growth_go_through_the_last_points() -> None:
    rows = scan("quadratic_nd", "problem.action_dim", {
        SCORE: {1: (9.0, 9.0), 4: (64.0, 64.0)}, PATHWISE: {1: (9.0, 9.0), 4: (8.0, 8.0)}
    })  # fmt: skip
    ax = drawn(fig_dimension, rows).figure.axes[0]
    laws = [line for line in ax.get_lines() if line.get_linestyle() == ":"]
    assert [list(line.get_ydata()) for line in laws] == [[1.0, 64.0], [2.0, 8.0]]
    assert [text.get_text() for text in ax.texts] == ["n\N{SUPERSCRIPT THREE}", "n"]


def test_the_least_variance_of_the_regulator_is_named() -> None:
    def at(std: float, variance: float, word: str) -> dict[str, Any]:
        metrics = {
            "gradient/variance_of_mean": variance,
            "gradient/signal_to_noise_of_mean": 1.0 / variance,
        }
        return measurement("lqr", word, settings={"std": std}, metrics=metrics)

    rows = [at(std, v, SCORE) for std, v in ((0.1, 9.0), (0.5, 2.0), (2.0, 8.0))]
    rows += [at(std, v, PATHWISE) for std, v in ((0.1, 1.0), (0.5, 2.0), (2.0, 8.0))]
    one = drawn(fig_lqr, rows)
    assert one.name == "lqr_std"
    assert "score function varies least at 0.5." in one.caption
    assert "reparameterised varies" not in one.caption, "its least is at the end of the scan"
    variance, ratio = one.figure.axes
    assert coloured(variance, SCORE, "o")[0][:, 1].tolist() == [9.0, 2.0, 8.0]
    assert coloured(ratio, SCORE, "o")[0][:, 1].tolist() == [1 / 9.0, 0.5, 0.125]


def test_the_step_at_which_chaos_wins_is_named() -> None:
    rows = scan("logistic_map", "problem.steps", {
        SCORE: {1: (5.0, 5.0), 2: (2.0, 2.0), 3: (5.0, 5.0), 4: (5.0, 5.0)},
        PATHWISE: {1: (1.0, 1.0), 2: (3.0, 3.0), 3: (4.0, 4.0), 4: (256.0, 256.0)},
    }, std=0.5)  # fmt: skip
    one = drawn(fig_chaos, rows)
    assert "From T = 4 on the score function varies less." in one.caption, "at 2 it was for once"
    ax = one.figure.axes[0]
    limit, growth = (line for line in ax.get_lines() if line.get_linestyle() == ":")
    assert list(limit.get_ydata()) == [1.5, 1.5], "3 / (8 * 0.25)"
    assert list(growth.get_ydata()) == [4.0, 256.0]


def bias_rows() -> list[dict[str, Any]]:
    def at(problem: str, word: str, mean: float, estimate: float) -> dict[str, Any]:
        start = "parameter/mean.bias.0"
        metrics = {f"{start}/true": 0.4, f"{start}/estimate": estimate}
        metrics[f"{start}/standard_error"] = 0.01
        metrics[f"{start}/bias_in_standard_errors"] = (estimate - 0.4) / 0.01
        return measurement(problem, word, settings={"problem.mean": mean}, metrics=metrics)

    places = (-1.0, 1.0)
    return [
        *(at("heaviside", PATHWISE, mean, 0.0) for mean in places),
        *(at("heaviside", SCORE, mean, 0.41) for mean in places),
        *(at("bounded_quadratic", PATHWISE, mean, 0.39) for mean in places),
    ]


def test_exact_curves_are_smooth_where_the_closed_form_is_what_was_recorded() -> None:
    exact = {k: closed_forms.cosine(k, 1.0, 1.0).score_mean for k in (0.5, 1.0, 5.0)}
    rows = scan("cosine", "problem.k", {SCORE: {k: (v, v) for k, v in exact.items()}})
    one = drawn(fig_variance_versus_k, rows)
    of_mean, of_scale = one.figure.axes
    (curve,) = coloured(of_mean, SCORE)
    at_two = float(np.interp(2.0, curve[:, 0], curve[:, 1]))
    assert at_two == pytest.approx(closed_forms.cosine(2.0, 1.0, 1.0).score_mean, rel=1e-3)
    # The made-up exact values of the scale are none of the closed form: they stay as recorded.
    assert len(coloured(of_scale, SCORE)[0]) == 3


def test_crossings_of_exact_variances_are_marked_where_a_root_finder_puts_them() -> None:
    def at(k: float) -> closed_forms.Variances:
        return closed_forms.cosine(k, 1.0, 1.0)

    places = (0.5, 1.0, 5.0)
    rows = scan("cosine", "problem.k", {
        SCORE: {k: (at(k).score_mean,) * 2 for k in places},
        PATHWISE: {k: (at(k).pathwise_mean,) * 2 for k in places},
    })  # fmt: skip
    of_mean = drawn(fig_variance_versus_k, rows).figure.axes[0]
    root = brentq(lambda k: at(k).score_mean - at(k).pathwise_mean, 0.5, 2.0)
    assert f"{root:.2f}" in [text.get_text() for text in of_mean.texts]


def test_a_bias_is_the_distance_from_the_truth_with_its_interval() -> None:
    one = drawn(fig_bias, bias_rows())
    table = one.data.set_index(["panel", "line", "x"]).sort_index()
    row = table.loc[("heaviside", SCORE, 1.0)]
    assert row["bias"] == pytest.approx(0.01)
    assert (row["low"], row["high"]) == pytest.approx((0.01 - 0.0196, 0.01 + 0.0196), abs=1e-5)
    assert "reparameterised at 2 of 2 places of heaviside." in one.caption
    assert "bounded quadratic" in one.figure.axes[0].get_title()
    below = one.figure.axes[3]
    assert coloured(below, PATHWISE, "o")[0][:, 1] == pytest.approx([-0.4, -0.4])
    assert legend(one) == [PATHWISE, "score function", "true"]


def test_without_a_bias_that_is_said() -> None:
    rows = [row for row in bias_rows() if row["param.problem"] == "bounded_quadratic"]
    assert "No estimate is more than 5 standard errors off." in drawn(fig_bias, rows).caption


def test_mistakes_stand_below_what_is_right_with_the_same_squash() -> None:
    def at(word: str, squash: str, bias: float, errors: float, seed: int = 0) -> dict[str, Any]:
        metrics = {
            "gradient/bias_norm": bias, "gradient/true_norm": 2.0,
            "gradient/bias_in_standard_errors": errors,
        }  # fmt: skip
        return measurement("bounded_quadratic", word, seed, {"squash": squash}, metrics)

    rows = [
        at("wrong_entropy_without_squash", "tanh", 1.0, 540.0),
        at("wrong_entropy_without_squash", "tanh", 1.0, 560.0, seed=1),
        at(SCORE, "tanh", 0.002, 1.0),
        at(SCORE, "tanh", 0.004, 2.0, seed=1),
        at("wrong_gradient_through_sample", "tanh", 4.0, 1e6),
        at(SCORE, "clip", 0.002, 1.0),
    ]
    one = drawn(fig_mistakes, rows)
    (ax,) = one.figure.axes
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        "score function", "wrong entropy without squash", "wrong gradient through sample"
    ]  # fmt: skip
    assert [text.get_text() for text in ax.texts] == ["1.0 to 2.0 SE", "540 to 560 SE", "no noise"]
    assert set(one.data["panel"]) == {"bounded_quadratic, tanh"}, "nothing is wrong with clip"
    assert coloured(ax, SCORE, "o")[0][:, 0].tolist() == [0.001, 0.002]
    assert one.data["relative_bias"].max() == 2.0


@pytest.mark.parametrize(
    "module",
    [fig_bias, fig_chaos, fig_dimension, fig_lqr, fig_mistakes, fig_variance_versus_k],
)
def test_data_of_something_else_are_refused_in_one_line(module: Any) -> None:
    with pytest.raises(MissingDataError) as refusal:
        list(module.draw(study([measurement("cosine", SCORE), measurement("cosine", PATHWISE)])))
    assert "\n" not in str(refusal.value)
