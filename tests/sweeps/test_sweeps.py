"""Every file in `sweeps/` says what it asks and costs, composes, and could be trained or measured.

Those in `sweeps/gradients/` are for the gradient laboratory, the others for trainings.
"""

import re
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli import ROOT, Composed, composed_here, measurements_here
from gausspg.laboratory.settings import assemble, check
from gausspg.sweeps.worker import refuse_what_cannot_work

STUDY = [path for path in (ROOT / "sweeps" / "study").glob("*.yaml") if path.stem != "study"]
FILES = sorted([*(ROOT / "sweeps").glob("*.yaml"), *STUDY])
OF_GRADIENTS = sorted((ROOT / "sweeps" / "gradients").glob("*.yaml"))
MUJOCO = {
    path.stem
    for path in (ROOT / "conf" / "env").glob("*.yaml")
    if "mujoco extra" in path.read_text()
}
WORDS = {"problem", "policy", "variance", "squash", "estimator"}

by_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
by_file_of_gradients = pytest.mark.parametrize("path", OF_GRADIENTS, ids=lambda path: path.stem)


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAUSSPG_ROOT", str(tmp_path))


def word(path: Path) -> str:
    """Return what `+sweep=` is followed by."""
    return path.relative_to(ROOT / "sweeps").with_suffix("").as_posix()


@cache
def jobs_of(path: Path) -> Composed:
    return composed_here(f"+sweep={word(path)}")


def cell(config: dict[str, Any]) -> str:
    """Return what identifies a configuration, its seed aside."""
    return repr({key: value for key, value in config.items() if key != "seed"})


def params_of(path: Path) -> dict[str, str]:
    """Return what a sweep file of the laboratory varies, also through the file it is made from."""
    config = yaml.safe_load(path.read_text())
    found: dict[str, str] = {}
    for default in config.get("defaults", ()):
        if isinstance(default, str):
            found |= params_of(ROOT / "sweeps" / f"{default}.yaml")
    return found | config.get("hydra", {}).get("sweeper", {}).get("params", {})


def listed(values: str) -> list[str]:
    """Return what a parameter of a sweep takes, one after the other."""
    if values.startswith("range("):
        return list(map(str, range(*map(int, values[len("range(") : -1].split(",")))))
    return values.split(",")


def test_there_are_sweeps() -> None:
    assert FILES
    assert OF_GRADIENTS


@pytest.mark.parametrize("path", [*FILES, *OF_GRADIENTS], ids=lambda path: path.stem)
def test_it_begins_with_its_question_and_tells_its_cost(path: Path) -> None:
    first, *comments = path.read_text().partition("\ndefaults")[0].splitlines()
    assert first == "# @package _global_"
    text = " ".join(line.removeprefix("# ") for line in comments)
    question, mark, rest = text.partition("?")
    assert question.startswith("Question: ")
    assert mark
    assert re.search(r"Cost: .* core-hours?\.", rest)


@by_file
def test_all_its_jobs_are_different_and_could_be_trained(path: Path) -> None:
    jobs = jobs_of(path)
    sweeper = yaml.safe_load(path.read_text())["hydra"]["sweeper"]
    params = sweeper["params"]
    assert len(jobs) > 1
    assert len({repr(config) for config, _ in jobs}) == len(jobs)
    assert {words["sweep"] for _, words in jobs} == {word(path)}
    assert len({config["seed"] for config, _ in jobs}) > 1 or "seed" not in params
    cost = path.read_text().partition("# Cost: ")[2]
    told = re.findall(r"(\d+) (?:runs )?of ([\d,]+)( thousand| million)? ", cost)
    units = {"": 1, " thousand": 1_000, " million": 1_000_000}
    steps = [int(runs) * int(each.replace(",", "")) * units[unit] for runs, each, unit in told]
    assert sum(int(runs) for runs, _, _ in told) == len(jobs)
    assert sum(steps) == sum(config["steps"] for config, _ in jobs)
    if any(words["env"] in MUJOCO for _, words in jobs):
        pytest.importorskip("mujoco")
    if any(config["env"].get("backend") == "envpool" for config, _ in jobs):
        pytest.importorskip("envpool")
    for config in {cell(config): config for config, _ in jobs}.values():
        refuse_what_cannot_work(config)


@by_file
def test_one_seed_on_the_command_line_leaves_one_job_per_cell(path: Path) -> None:
    cells = {cell(config) for config, _ in jobs_of(path)}
    narrowed = [config for config, _ in composed_here(f"+sweep={word(path)}", "seed=7")]
    assert [config["seed"] for config in narrowed] == [7] * len(cells)
    assert {cell(config) for config in narrowed} == cells


@by_file_of_gradients
def test_all_its_measurements_are_different_and_could_be_made(path: Path) -> None:
    """All its words, and of numbers, which are many, the first and the last."""
    params = params_of(path)
    numbers = {name: listed(str(values)) for name, values in params.items() if name not in WORDS}
    narrowed = [f"{name}={every[0]},{every[-1]}" for name, every in numbers.items()]
    jobs = measurements_here(f"+sweep=gradients/{path.stem}", *narrowed)
    words = [listed(values) for name, values in params.items() if name in WORDS]
    assert len(jobs) == prod(map(len, words)) * 2 ** len(numbers)
    assert len({repr(config) for config, _ in jobs}) == len(jobs)
    for config, _ in jobs:
        assemble(check(config))


@by_file_of_gradients
def test_its_cost_counts_its_measurements(path: Path) -> None:
    counts = [len(listed(str(values))) for values in params_of(path).values()]
    assert f"# Cost: {prod(counts)} measurements of " in path.read_text()
