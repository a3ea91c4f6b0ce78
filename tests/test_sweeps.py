"""Every file in `sweeps/` says what it asks and costs, composes, and could be trained."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli import ROOT, Composed, composed_here
from gausspg.worker import refuse_what_cannot_work

FILES = sorted((ROOT / "sweeps").glob("*.yaml"))

by_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAUSSPG_ROOT", str(tmp_path))


@cache
def jobs_of(path: Path) -> Composed:
    return composed_here(f"+sweep={path.stem}")


def cell(config: dict[str, Any]) -> str:
    """Return what identifies a configuration, its seed aside."""
    return repr({key: value for key, value in config.items() if key != "seed"})


def test_there_are_sweeps() -> None:
    assert FILES


@by_file
def test_it_begins_with_its_question_and_tells_its_cost(path: Path) -> None:
    first, *comments = path.read_text().partition("\ndefaults")[0].splitlines()
    assert first == "# @package _global_"
    text = " ".join(line.removeprefix("# ") for line in comments)
    question, mark, rest = text.partition("?")
    assert question.startswith("Question: ")
    assert mark
    assert "Cost: " in rest


@by_file
def test_all_its_jobs_are_different_and_could_be_trained(path: Path) -> None:
    jobs = jobs_of(path)
    params = yaml.safe_load(path.read_text())["hydra"]["sweeper"]["params"]
    assert len(jobs) > 1
    assert len({repr(config) for config, _ in jobs}) == len(jobs)
    assert {words["sweep"] for _, words in jobs} == {path.stem}
    assert len({config["seed"] for config, _ in jobs}) > 1 or "seed" not in params
    for config in {cell(config): config for config, _ in jobs}.values():
        refuse_what_cannot_work(config)


@by_file
def test_one_seed_on_the_command_line_leaves_one_job_per_cell(path: Path) -> None:
    cells = {cell(config) for config, _ in jobs_of(path)}
    narrowed = [config for config, _ in composed_here(f"+sweep={path.stem}", "seed=7")]
    assert [config["seed"] for config in narrowed] == [7] * len(cells)
    assert {cell(config) for config in narrowed} == cells
