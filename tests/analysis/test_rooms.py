"""The rooms of the analysis: which may import which, that arrows close no circle, who draws."""

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ANALYSIS = Path(__file__).parents[2] / "analysis"
# From the ground up: a room imports rooms that stand before it, and itself.
ORDER = ("reading", "stats", "plotting", "figures", "reports")
READING_HALF = {
    "RUN_COLUMNS", "StoreError", "add_artifacts", "artifact_file", "default_uri", "find_runs",
    "location", "metric_history",
}  # fmt: skip
MODULES = sorted(path for room in ORDER for path in (ANALYSIS / room).glob("*.py"))
PROGRAMS = ("make_figures", "report", "export", "answer")


def imported(source: str) -> Iterator[str]:
    """Yield the full names of what a module's source imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def forbidden(source: str, room: str) -> list[str]:
    """Return what a module of a room imports and may not."""
    later = {*ORDER[ORDER.index(room) + 1 :], "benchmarks", *PROGRAMS}
    found = []
    for name in imported(source):
        top, _, rest = name.partition(".")
        reads = room == "reading" and rest.startswith("tracking.")
        allowed = reads and rest.removeprefix("tracking.") in READING_HALF
        if top in later or (top == "gausspg" and not allowed):
            found.append(name)
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_no_module_imports_what_its_room_may_not(path: Path) -> None:
    assert forbidden(path.read_text(), path.parent.name) == []


@pytest.mark.parametrize(
    ("source", "room"),
    [
        ("from stats import paired", "reading"),
        ("from reports.tables import tables", "figures"),
        ("import torch\nfrom gausspg.policies import gaussian", "stats"),
        ("from gausspg.tracking import Recorder", "reading"),
        ("from make_figures import make", "reports"),
    ],
)
def test_an_arrow_the_wrong_way_is_seen(source: str, room: str) -> None:
    assert len(forbidden(source, room)) == 1


def test_modules_import_one_another_in_no_circle() -> None:
    graph = {}
    for path in MODULES:
        names = set(imported(path.read_text()))
        own = {f"{other.parent.name}.{other.stem}" for other in MODULES}
        parts = names | {name.rpartition(".")[0] for name in names}
        graph[f"{path.parent.name}.{path.stem}"] = parts & own
    assert sum(map(len, graph.values())) > len(graph), "the arrows are seen"
    list(TopologicalSorter(graph).static_order())
    with pytest.raises(CycleError):
        list(TopologicalSorter(graph | {"reading.kinds": {"reading.study"}}).static_order())


def test_every_room_says_in_one_sentence_what_lives_there() -> None:
    for room in (*ORDER, "benchmarks"):
        text = ast.get_docstring(ast.parse((ANALYSIS / room / "__init__.py").read_text()))
        assert text and re.fullmatch(r"[^\n.]+\.", text), room
        assert "import" in text, room
