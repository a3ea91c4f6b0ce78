"""Tables: their numbers by hand and by scipy, their files read back."""

import math
import re
import subprocess
import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal
from scipy import stats as scipy_stats

from analysis.studies import made, numbered, shuffled
from reports import tables
from stats import estimates as stats
from stats import paired

ANALYSIS = Path(tables.__file__).parent
WORDS = {"variance": ("fixed", "learned"), "squash": ("clip_mass", "none", "tanh")}


def _by_name(study):
    return {table.name: table.data for table in tables.tables(study)}


def _noise(seeds=6, shift=0.0):
    """Return a full factorial whose seeds differ far more than its cells, and its scores."""
    shape = (seeds, *map(len, WORDS.values()))
    generator = np.random.default_rng(0)
    scores = generator.normal(size=shape) + 20.0 * generator.normal(size=(seeds, 1, 1))
    scores[:, :, 2] += shift
    cells = {
        (variance, squash): numbered(*scores[:, i, j])
        for i, variance in enumerate(WORDS["variance"])
        for j, squash in enumerate(WORDS["squash"])
    }
    return made(tuple(WORDS), cells, threshold=0.0), scores


def _pair(data, word, versus):
    return data.set_index(["word", "versus"]).loc[(word, versus)]


# Results


def test_results_by_hand():
    # Mean 4, standard deviation 3; t with 3 degrees of freedom is 3.182446. A quarter of the runs
    # is cut at each end: 2.5 and 4.5 are left.
    study = made(["squash"], {("tanh",): numbered(1.0, 2.5, 4.5, 8.0)}, threshold=4.5)
    (row,) = _by_name(study)["results"].to_dict("records")
    half = 3.182446 * np.std([1.0, 2.5, 4.5, 8.0], ddof=1) / 2.0
    assert row["cell"] == "tanh"
    assert (row["seeds"], row["min"], row["max"]) == (4, 1.0, 8.0)
    assert_allclose([row["mean"], row["iqm"]], [4.0, 3.5])
    assert_allclose([row["mean_low"], row["mean_high"]], [4.0 - half, 4.0 + half], rtol=1e-6)
    assert 1.0 <= row["iqm_low"] < 3.5 < row["iqm_high"] <= 8.0
    # A seed that ends exactly at the threshold has solved it. Exact limits of 2 of 4.
    limits = scipy_stats.beta.ppf([0.025, 0.975], [2, 3], [3, 2])
    assert_allclose([row["solved"], row["solved_low"], row["solved_high"]], [0.5, *limits])
    assert (row["failed"], row["missing"]) == ("", "")


def test_results_have_no_share_of_solved_without_a_threshold():
    data = _by_name(made([], {(): numbered(1.0)}))
    assert list(data) == ["results"]
    (row,) = data["results"].to_dict("records")
    assert "solved" not in row
    assert row["cell"] == "score_function"
    assert row["mean"] == row["iqm"] == 1.0
    assert math.isnan(row["mean_low"])
    assert math.isnan(row["iqm_low"])


def test_results_name_failed_and_missing_seeds_also_of_cells_without_a_run():
    gaps = [
        ("fixed tanh", 12, "failed: NaN"),
        ("fixed tanh", 3, "killed"),
        ("fixed tanh", 4, "never started"),
        ("learned tanh", 0, "its return is NaN or missing"),
        ("learned tanh", 1, "unfinished"),
    ]
    cells = {("fixed", "tanh"): numbered(1.0, 2.0), ("learned", "none"): numbered(1.0, 2.0)}
    results = _by_name(made(tuple(WORDS), cells, gaps=gaps))["results"]
    found = results.set_index(["variance", "squash"])[["seeds", "failed", "missing"]]
    assert found.loc[("fixed", "tanh")].tolist() == [2, "3, 12", "4"]
    assert found.loc[("learned", "none")].tolist() == [2, "", ""]
    assert found.loc[("learned", "tanh")].tolist() == [0, "0", "1"]
    assert results.iloc[2][["mean", "min", "iqm_low"]].isna().all()


# Comparisons


def test_comparisons_are_paired_by_seed_within_the_other_axes():
    study, scores = _noise(shift=1.0)
    data = _by_name(study)["comparisons"]
    assert list(zip(data["axis"], data["word"], data["versus"], strict=True)) == [
        (axis, *pair) for axis, words in WORDS.items() for pair in combinations(words, 2)
    ]
    row = _pair(data, "none", "tanh")
    x, y = scores[:, :, 1], scores[:, :, 2]
    test = scipy_stats.ttest_rel(x.mean(axis=1), y.mean(axis=1))
    assert (row["cells"], row["seeds"]) == (2, 6)
    assert_allclose(row["difference"], (x - y).mean())
    assert_allclose(row["p"], test.pvalue)
    limits = test.confidence_interval(0.95)
    assert_allclose([row["difference_low"], row["difference_high"]], [limits.low, limits.high])
    assert_allclose(row["improvement"], stats.probability_of_improvement(x, y, paired=True))
    # What a seed does to all cells would hide it.
    assert row["p"] < 0.1 < scipy_stats.ttest_ind(x.mean(axis=1), y.mean(axis=1)).pvalue


def test_returns_with_noise_stand_beside_and_decide_nothing():
    study, scores = _noise(shift=1.0)
    noisy = 3.0 * study.runs["score"]
    runs = study.runs.assign(**{"metric.eval/final_stochastic_return_mean": noisy})
    plain, both = _by_name(study), _by_name(replace(study, runs=runs))
    row = _pair(both["comparisons"], "none", "tanh")
    x, y = 3.0 * scores[:, :, 1], 3.0 * scores[:, :, 2]
    limits = scipy_stats.ttest_rel(x.mean(axis=1), y.mean(axis=1)).confidence_interval(0.95)
    assert_allclose(row["with_noise"], (x - y).mean())
    assert_allclose([row["with_noise_low"], row["with_noise_high"]], [limits.low, limits.high])
    assert_allclose(both["results"]["with_noise"], 3.0 * both["results"]["mean"])
    for name, table in plain.items():
        assert_frame_equal(both[name][list(table)], table)


def test_p_values_are_corrected_over_the_whole_table():
    study, _ = _noise()
    data = _by_name(study)["comparisons"]
    smallest = data["p"].idxmin()
    assert_allclose(data.loc[smallest, "p_holm"], min(1.0, 4 * data["p"].min()))
    assert (data["p_holm"] >= data["p"]).all()
    assert_allclose(data["p_holm"].max(), max(data["p"].max(), data["p_holm"].min()))


@pytest.mark.parametrize(("shift", "verdict"), [(8.0, "lower"), (-8.0, "higher")])
def test_a_verdict_is_settled_where_the_corrected_p_is(shift, verdict):
    data = _by_name(_noise(shift=shift)[0])["comparisons"]
    assert _pair(data, "none", "tanh")["verdict"] == verdict
    assert (data["verdict"] == "not settled").tolist() == (data["p_holm"] > 0.05).tolist()
    assert _pair(data, "fixed", "learned")["verdict"] == "not settled"


def test_what_only_an_uncorrected_p_would_settle_is_not_and_needs_seeds():
    study, scores = _noise(shift=0.7)
    data = _by_name(study)["comparisons"]
    between = data[(data["p"] < 0.05) & (data["p_holm"] > 0.05)]
    assert len(between)
    assert (between["verdict"] == "not settled").all()
    assert (between["further_seeds"] > 0).all()
    row = between.iloc[0]
    words = [WORDS["squash"].index(row[name]) for name in ("word", "versus")]
    x, y = (scores[:, :, at].mean(axis=1) for at in words)
    level = paired.bonferroni_level(0.95, 4)
    assert row["further_seeds"] == paired.further_seeds(x, y, level=level)


def test_words_without_any_difference_are_identical():
    cells = {("clip",): numbered(1.0, 2.0, 3.0), ("none",): numbered(1.0, 2.0, 3.0)}
    (row,) = _by_name(made(["squash"], cells))["comparisons"].to_dict("records")
    assert row["verdict"] == "identical"
    assert row["improvement"] == 0.5
    assert row["further_seeds"] == math.inf


@pytest.mark.parametrize("none", [{1: 2.0}, {0: 2.0}])
def test_words_with_fewer_than_two_common_seeds_are_not_settled(none):
    cells = {("clip",): {0: 1.0}, ("none",): none, ("tanh",): {0: 0.0}}
    data = _by_name(made(["squash"], cells))["comparisons"]
    row = _pair(data, "clip", "none")
    assert row["seeds"] == len(none.keys() & {0})
    assert math.isnan(row["p_holm"])
    assert row["verdict"] == "not settled"


def test_environments_are_not_mixed_and_share_one_correction():
    generator = np.random.default_rng(0)
    cells = {
        (env, squash): numbered(*(scale * generator.normal(size=4)))
        for env, scale in (("pendulum", 1.0), ("walker2d", 1000.0))
        for squash in ("none", "tanh")
    }
    gaps = [("pendulum tanh", 4, "failed: NaN"), ("walker2d none", 5, "never started")]
    found = _by_name(made(["env", "squash"], cells, gaps=gaps))
    assert found["results"]["env"].tolist() == ["pendulum"] * 2 + ["walker2d"] * 2
    assert found["results"]["failed"].tolist() == ["", "4", "", ""]
    assert found["results"]["missing"].tolist() == ["", "", "5", ""]
    comparisons = found["comparisons"]
    assert comparisons["axis"].tolist() == ["squash", "squash"]
    assert abs(comparisons["difference"]).iloc[1] > 50.0 * abs(comparisons["difference"]).iloc[0]
    assert_allclose(comparisons["p_holm"].min(), min(1.0, 2.0 * comparisons["p"].min()))


def test_the_order_of_runs_changes_nothing():
    study, _ = _noise()
    for first, second in zip(tables.tables(study), tables.tables(shuffled(study)), strict=True):
        assert_frame_equal(first.data, second.data)
        assert first.caption == second.caption


# Files


@pytest.fixture
def saved(tmp_path):
    study, _ = _noise(shift=8.0)
    for table in tables.tables(study):
        paths = tables.save(table, tmp_path)
        assert [path.suffix for path in paths] == [".csv", ".md", ".tex"]
    return table, tmp_path


def test_a_csv_has_the_numbers(saved):
    table, folder = saved
    read = pd.read_csv(folder / "comparisons.csv")
    assert_frame_equal(read, table.data, check_dtype=False, rtol=1e-5)


def test_markdown_has_a_row_each_and_the_caption(saved):
    table, folder = saved
    lines = (folder / "comparisons.md").read_text().splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == len(table.data) + 2
    assert len({line.count("|") for line in rows}) == 1
    assert lines[-1] == table.caption
    assert re.search(r"\| none \| tanh \| 2 \| 6 \| -\d\.\d\d \[-\d.*, -\d.*\] \| <0.001", lines[5])


def test_latex_escapes_everything(saved):
    table, folder = saved
    text = (folder / "comparisons.tex").read_text()
    assert r"clip\_mass" in text
    assert r"p\_holm" in text
    assert r"95\%" in text
    assert r"\textless{}0.001" in text
    assert "$-$" in text
    assert not re.search(r"(?<!\\)[_%#]", text)
    assert not re.search(r"[ \[]-\d", text), "a hyphen for a minus"
    body = text.partition(r"\midrule")[2].partition(r"\bottomrule")[0].strip().splitlines()
    assert len(body) == len(table.data)
    columns = text.partition(r"\begin{tabular}{")[2].partition("}")[0]
    assert {line.replace(r"\&", "").count("&") for line in body} == {len(columns) - 1}
    assert text.count(r"\begin{") == text.count(r"\end{") == 2


def test_latex_of_every_special_character(tmp_path):
    data = pd.DataFrame({"a_b": ["\\{}~^&%$#_<>"], "lr": ["1e-05"], "difference": [-0.5]})
    tables.save(tables.Table("odd", data, "100% of a_b"), tmp_path)
    text = (tmp_path / "odd.tex").read_text()
    assert (
        r"\textbackslash{}\{\}\textasciitilde{}\textasciicircum{}\&\%\$\#\_\textless{}\textgreater{}"
        r" & 1e-05 & $-$0.500 \\"
    ) in text


def test_numbers_are_rounded_to_what_their_table_can_bear():
    data = pd.DataFrame(
        {
            "mean": [1234.56, -0.04], "mean_low": [1200.0, np.nan], "mean_high": [1300.4, np.nan],
            "p": [0.0004, 0.04321], "solved": [0.123, 1.0], "further_seeds": [12.0, math.inf],
            "seeds": [5, 1], "word": ["a", "b"],
        }
    )  # fmt: skip
    assert tables.formatted(data).to_dict("list") == {
        "mean": ["1235 [1200, 1300]", "0"],
        "p": ["<0.001", "0.043"],
        "solved": ["0.12", "1.00"],
        "further_seeds": ["12", "inf"],
        "seeds": ["5", "1"],
        "word": ["a", "b"],
    }
    assert tables.formatted(data[["mean"]] / 1000.0)["mean"].tolist() == ["1.23", "0.00"]


def test_equal_data_give_equal_bytes(tmp_path):
    study, _ = _noise()
    for folder, one in (("a", study), ("b", shuffled(study))):
        for table in tables.tables(one):
            tables.save(table, tmp_path / folder)
    files = sorted((tmp_path / "a").iterdir())
    assert len(files) == 6
    for file in files:
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_tables_need_no_jinja(tmp_path):
    """It is there by chance, as a dependency of others, and pandas would ask for it."""
    script = (
        "import sys; sys.modules['jinja2'] = None\n"
        "from pathlib import Path; import pandas; from reports import tables\n"
        "data = pandas.DataFrame({'a': [1.5]})\n"
        f"tables.save(tables.Table('t', data, 'x'), Path({str(tmp_path)!r}))"
    )
    source = ANALYSIS.parent / "src"
    subprocess.run(
        [sys.executable, "-c", script], check=True, env={"PYTHONPATH": f"{ANALYSIS}:{source}"}
    )
    assert (tmp_path / "t.tex").exists()
