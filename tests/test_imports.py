"""Which room may know which: the arrows of the design, read from the import statements."""

import ast
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
PACKAGE = SOURCE / "gausspg"
MODULES = sorted(PACKAGE.rglob("*.py"))

MATHEMATICS = ("policies", "estimators")
"""Rooms that import torch alone."""

# Outside package -> the only rooms that may import it.
DOORS = {
    "hydra": ("sweeps",),
    "omegaconf": ("sweeps",),
    "mlflow": ("tracking",),
    "gymnasium": ("envs",),
    "pydantic": ("training",),
    "annotated_types": ("ranges",),
}
# From the ground up: a room imports rooms that stand before it, and itself.
ORDER = (
    "ranges", "streams", "policies", "envs", "estimators", "diagnostics", "learners", "training",
    "tracking", "agent", "records", "sweeps", "laboratory",
)  # fmt: skip
# Beyond the order: what records runs knows nothing of what is trained.
WALLS = {"tracking": ("ranges", "streams", *MATHEMATICS, "envs", "learners", "training")}


def imported(source: str, package: str) -> Iterator[str]:
    """Yield the full name of everything a module's source imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join(
                [*(above if node.level else []), *([node.module] if node.module else [])]
            )
            # `from gausspg import agent` imports the module gausspg.agent.
            yield from (f"{base}.{alias.name}" for alias in node.names)


def forbidden(source: str, module: str) -> list[str]:
    """Return what `module`, a dotted name like `gausspg.envs.batch`, imports and may not."""
    room = [*module.split("."), ""][1]
    found = []
    for name in imported(source, module.rpartition(".")[0]):
        top, _, rest = name.partition(".")
        if top in sys.stdlib_module_names:
            continue
        if top == "gausspg":
            other = rest.partition(".")[0]
            higher = other in ORDER and room in ORDER and ORDER.index(other) > ORDER.index(room)
            if higher or other in WALLS.get(room, ()):
                found.append(name)
        elif room in MATHEMATICS:
            if top != "torch":
                found.append(name)
        elif room not in DOORS.get(top, (room,)):
            found.append(name)
    return found


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_imports_what_its_room_may_not(path: Path) -> None:
    assert forbidden(path.read_text(), name_of(path)) == []


def arrows() -> dict[str, set[str]]:
    """Return module -> the modules of the package that it imports."""
    names = {name_of(path) for path in MODULES}
    found: dict[str, set[str]] = {}
    for path in MODULES:
        module = name_of(path)
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        full = set(imported(path.read_text(), package))
        found[module] = {
            name if name in names else name.rpartition(".")[0]
            for name in full
            if name in names or name.rpartition(".")[0] in names
        } - {module}
    return found


def test_no_imports_close_a_circle() -> None:
    try:
        TopologicalSorter(arrows()).prepare()
    except CycleError as error:
        pytest.fail(f"modules import each other: {' -> '.join(error.args[1])}")


def test_the_house_is_small() -> None:
    loose = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert loose | rooms == set(ORDER)
    assert len(loose) <= 3
    assert len(rooms) <= 10
    assert floors() <= 10


def floors() -> int:
    """Return how many rooms stand on each other in the longest chain of imports."""
    below: dict[str, set[str]] = {room: set() for room in ORDER}
    for module, others in arrows().items():
        room = [*module.split("."), ""][1]
        if room in below:
            below[room] |= {other.split(".")[1] for other in others if "." in other} - {room}
    height: dict[str, int] = {}
    for room in TopologicalSorter(below).static_order():
        height[room] = 1 + max((height[other] for other in below[room]), default=0)
    return max(height.values())


@pytest.mark.parametrize("room", [path.parent for path in PACKAGE.rglob("__init__.py")], ids=str)
def test_every_room_says_what_lives_there(room: Path) -> None:
    if room != PACKAGE:
        assert ast.get_docstring(ast.parse((room / "__init__.py").read_text()))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("training.trainer", "import hydra"),
        ("tracking.store", "from omegaconf import OmegaConf"),
        ("training.factory", "from hydra.utils import instantiate"),
        ("training.trainer", "import mlflow"),
        ("training.trainer", "def f():\n    from mlflow import log_metric"),
        ("learners.on_policy", "import gymnasium as gym"),
        ("learners.on_policy", "from pydantic import BaseModel"),
        ("policies.variance.base", "import numpy as np"),
        ("policies.gaussian", "import scipy.special"),
        ("estimators.returns", "from annotated_types import Ge"),
        ("policies.base", "from gausspg.estimators import base"),
        ("estimators.base", "from gausspg import learners"),
        ("estimators.base", "from ..learners.base import Learner"),
        ("learners.base", "from .. import tracking"),
        ("diagnostics.gradients", "from gausspg.learners.base import Learner"),
        ("learners.base", "import gausspg.training.factory"),
        ("training.trainer", "from gausspg.tracking.recorder import Recorder"),
        ("training.trainer", "from .. import sweeps"),
        ("tracking.reading", "import gausspg.policies.base"),
    ],
)
def test_the_check_catches(module: str, source: str) -> None:
    assert len(forbidden(source, f"gausspg.{module}")) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("tracking.store", "import mlflow, sqlite3"),
        ("envs.batch", "import gymnasium as gym\nimport numpy as np"),
        ("ranges", "from annotated_types import Ge"),
        ("policies.gaussian", "import math\nimport torch\nfrom gausspg.policies import nets"),
        ("training.trainer", "from gausspg.learners.base import Learner"),
        ("training.trainer", "from gausspg.training import checkpoints"),
    ],
)
def test_the_check_lets_pass(module: str, source: str) -> None:
    assert forbidden(source, f"gausspg.{module}") == []
