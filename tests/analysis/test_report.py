"""Pages, tables, sentences and the answer: from the data, escaped, one file, never invented."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import answer as program
import report
from analysis import simulated
from reading import sources
from reading.recorded import MANIFEST
from reading.study import study_of
from reading.sweep import sweep_of
from reports import answer, sentences, tables
from reports.tables import formatted
from stats.verdicts import judged


@pytest.fixture(scope="module")
def study():
    return simulated.study(1, seeds=8)


@pytest.fixture(scope="module")
def sweep():
    recorded = simulated.sweep(
        "pair", {"env": ["pendulum"], "squash": ["clip", "tanh"]}, simulated.worth,
        generator=np.random.default_rng(0), seeds=range(5),
        usual={"evaluation.solved": "150", "evaluation.random_return": "-200",
               "evaluation.reference_return": "300"},
        failing=lambda settings, seed: settings["squash"] == "tanh" and seed == 1,
    )  # fmt: skip
    recorded.runs.loc[0, "command"] = "python src/run.py '</script><b>'"
    return sweep_of(recorded)


class Checked(HTMLParser):
    """What is in a page; every tag has to be closed by its own."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags = [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(sweep, tmp_path_factory):
    path = report.make(sweep, tmp_path_factory.mktemp("page"), say=lambda _: None)
    return path.read_text()


def test_the_page_is_one_file_that_needs_no_other(page):
    assert len(page) < 3e6
    checked = Checked(page)
    for tag, attributes in checked.tags:
        for name in ("src", "href"):
            assert str(attributes.get(name) or "data:").startswith("data:"), tag
    assert "default-src 'none'" in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")


def test_every_run_can_be_pointed_at(page, sweep):
    found = re.search(r"^const data = (.*);$", page, re.M)
    data = json.loads(found[1])
    ids = {run["id"]: run for run in data["runs"]}
    assert set(ids) == set(sweep.runs["run_id"]) | set(sweep.failed["run_id"])
    failed = [run for run in data["runs"] if run["failed"]]
    assert [run["values"]["with noise"] for run in failed] == [0.0], "its declared score"
    assert data["axes"] == ["cell", "squash"] and data["environments"] == ["pendulum"]
    assert {run["command"] for run in data["runs"]} == {
        "python src/run.py +sweep=study/pair", "python src/run.py '</script><b>'"
    }  # fmt: skip
    assert "</script><b>" not in page, "what comes from data is no markup"


def test_the_same_data_give_the_same_page(sweep, page, tmp_path):
    order = np.random.default_rng(0).permutation(len(sweep.runs))
    shuffled = replace(sweep, runs=sweep.runs.iloc[order].reset_index(drop=True))
    again = report.make(shuffled, tmp_path, say=lambda _: None).read_text()
    assert re.sub(r"data:image[^\"]*", "", again) == re.sub(r"data:image[^\"]*", "", page)


def test_sentences_have_the_numbers_of_the_verdicts(study):
    table = judged(study)
    told = sentences.sections(study)
    assert len(told["Differences"]) == len(table)
    row = table[(table["contrast"] == "beyond") & (table["environment"] == "all")].iloc[0]
    said = sentences.verdict(row, 0.05)
    assert said.startswith("tanh - clip, with noise: matters. ")
    assert f"{row['estimate']:.3f}" in said and "32 paired seeds" in said
    assert "p < 0.001" in said and "by sign flips" in said
    half = table[(table["contrast"] == "same") & (table["environment"] == "all")].iloc[0]
    assert sentences.verdict(half, 0.05).endswith("the same runs, to the bit.")


def test_what_failed_and_what_it_cost_is_said(sweep):
    told = sentences.sections(sweep)
    assert told["Failed and missing"][0].startswith("1 run without a result (1 failed). ")
    assert "count as a random policy" in told["Failed and missing"][0]
    assert "tanh seed 1: a gradient is not finite" in told["Failed and missing"][1]
    assert told["Cost"] == [
        "9 runs took 0.15 hours of wall time and 0.14 core-hours of processor time (9 runs)."
    ]
    assert any("exploratory" in one for one in told["What these seeds can tell"])
    assert any("below 1 equal seeds pay" in one for one in told["What these seeds can tell"])


def test_the_cost_line_is_computed_from_recorded_runs(sweep):
    line = sentences.cost_line(sweep)
    assert line.startswith(
        "# Cost: 10 runs of 400,000 steps (4 million in all), 0.17 hours of wall"
    )
    runs = sweep.runs.assign(**{"metric.time/cpu_seconds": 1800.0})
    known = replace(sweep, runs=runs, failed=sweep.failed.iloc[:0])
    assert sentences.cost_line(known).endswith("4.5 core-hours, measured.")


def test_tables_have_both_endpoints_costs_and_what_is_missing(sweep, study, tmp_path):
    results, comparisons = tables.tables(sweep)
    row = results.data.set_index("cell").loc["tanh"]
    assert row["failed"] == "1" and row["seeds"] == 4 and row["wall_seconds"] == 60.0
    assert row["cpu_seconds"] == 55.0
    mine = sweep.runs[sweep.runs["cell"] == "tanh"]
    assert row["with_noise"] == pytest.approx(
        mine["metric.eval/final_stochastic_return_mean"].mean()
    )
    assert set(comparisons.data["verdict"]) <= {"matters", "negligible", "open", "the same runs"}
    assert list(comparisons.data["failed"].unique()) == ["0 + 1"]
    files = tables.save(comparisons, tmp_path)
    assert [path.suffix for path in files] == [".csv", ".md", ".tex"]
    assert [one.name for one in tables.tables(study)] == ["results", "comparisons"]


def test_intervals_are_written_with_the_digits_they_leave():
    text = formatted(
        pd.DataFrame({"a": [1.23456], "a_low": [1.1], "a_high": [1.37], "p": [0.0001]})
    )
    assert text.to_dict("list") == {"a": ["1.23 [1.10, 1.37]"], "p": ["<0.001"]}


def test_tables_need_no_jinja(tmp_path, monkeypatch):
    """It is there by chance, as a dependency of others, and pandas would ask for it."""
    monkeypatch.setitem(__import__("sys").modules, "jinja2", None)
    files = tables.save(tables.Table("t", pd.DataFrame({"a": [1.5]}), "x"), tmp_path)
    assert files[2].exists()


def test_without_data_there_is_no_answer(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "DATA", tmp_path)
    nothing = f"{answer.BEGIN}\n{answer.NOTHING}\n{answer.END}"
    assert program.present() == dict.fromkeys((program.README, program.RESULTS), nothing)
    assert answer.NOTHING.startswith("Not answered yet")
    assert not re.search(r"\d\.\d", answer.NOTHING), "and no number"


def test_the_answer_has_a_line_per_question_with_its_numbers(study):
    asked = simulated.PAIRS | {
        name: {**simulated.PAIRS[name], "question": f"Does {name} matter?"}
        for name in simulated.PAIRS
    }
    pending = {**simulated.PAIRS["none"], "sweeps": ["later"]}
    plan = simulated.plan({**asked, "H9": pending})
    text = answer.section(replace(study, plan=plan))
    rows = [line for line in text.splitlines() if line.startswith("| Does ")]
    assert len(rows) == 3, "the same runs are no test"
    assert any(row.startswith("| Does beyond matter? | tanh - clip, with noise | 0.15") and
               "| **matters**; without noise matters |" in row for row in rows)  # fmt: skip
    assert "\nNot run yet: H9." in text
    assert "analysis/results/study/verdicts.png" in text


def test_a_stale_answer_is_seen_and_written_anew(tmp_path, monkeypatch, capsys):
    readme, results = tmp_path / "README.md", tmp_path / "STUDY.md"
    monkeypatch.setattr(program, "README", readme)
    monkeypatch.setattr(program, "RESULTS", results)
    results.write_text(answer.results(None))
    monkeypatch.setattr(sources, "DATA", tmp_path)
    readme.write_text(f"# x\n{answer.BEGIN}\nold\n{answer.END}\nrest\n")
    monkeypatch.setattr("sys.argv", ["answer.py", "--check"])
    with pytest.raises(SystemExit, match="1"):
        program.main()
    assert "stale" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["answer.py", "--write"])
    program.main()
    assert readme.read_text() == f"# x\n{answer.section(None)}\nrest\n"
    monkeypatch.setattr("sys.argv", ["answer.py", "--check"])
    program.main()
    readme.write_text("# x\n")
    with pytest.raises(SystemExit, match="2"):
        program.main()
    assert "has no place for the answer" in capsys.readouterr().err


def test_the_answer_in_the_readme_is_the_present_one():
    for page, section in program.present().items():
        text = page.read_text()
        assert answer.replaced(text, section) == text


def test_a_page_of_a_study_has_its_question(study, tmp_path):
    part = study.runs[study.runs["environment"] == "pendulum"]
    small = study_of([], study.plan, "x") if part.empty else replace(study, runs=part)
    path = report.make(small, tmp_path, say=lambda _: None)
    assert "Does it matter?" in path.read_text()
    assert not (tmp_path / MANIFEST).exists()
