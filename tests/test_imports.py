"""Which room may know which: the arrows of the design, read from the import statements."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
MODULES = sorted((SOURCE / "gausspg").rglob("*.py"))

MATHEMATICS = ("variance", "squash", "policies", "estimators", "returns", "nets", "normaliser")
RECORDING = ("tracking", "jobs", "progress")

# Outside package -> the only rooms that may import it.
DOORS = {
    "hydra": (),
    "omegaconf": (),
    "mlflow": ("tracking",),
    "gymnasium": ("envs", "rollout", "evaluation"),
    "pydantic": ("build", "settings"),
    "annotated_types": ("ranges",),
}
# Room -> rooms it may not import.
WALLS = {
    **dict.fromkeys(
        ("variance", "squash", "nets", "normaliser", "returns", "ranges"),
        ("policies", "estimators", "learners", "envs", "trainer", "tracking"),
    ),
    "policies": ("estimators", "learners", "envs", "rollout", "evaluation", "trainer", "tracking"),
    "estimators": ("learners", "envs", "rollout", "evaluation", "trainer", "tracking"),
    "diagnostics": ("learners", "envs", "rollout", "evaluation", "trainer", "tracking", "factory"),
    "learners": ("trainer", "tracking", "factory"),
    "trainer": (*RECORDING, "factory", "worker", "laboratory"),
    **dict.fromkeys(RECORDING, (*MATHEMATICS, "learners", "envs", "rollout", "trainer")),
}


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
            # `from gausspg import trainer` imports the module gausspg.trainer.
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
            if rest.partition(".")[0] in WALLS.get(room, ()):
                found.append(name)
        elif room in MATHEMATICS:
            if top != "torch":
                found.append(name)
        elif room not in DOORS.get(top, (room,)):
            found.append(name)
    return found


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_imports_what_its_room_may_not(path: Path) -> None:
    assert forbidden(path.read_text(), name_of(path)) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("trainer", "import hydra"),
        ("tracking.store", "from omegaconf import OmegaConf"),
        ("factory", "from hydra.utils import instantiate"),
        ("trainer", "import mlflow"),
        ("trainer", "def f():\n    from mlflow import log_metric"),
        ("learners.on_policy", "import gymnasium as gym"),
        ("learners.on_policy", "from pydantic import BaseModel"),
        ("variance.base", "import numpy as np"),
        ("policies.gaussian", "import scipy.special"),
        ("returns", "from annotated_types import Ge"),
        ("squash.tanh", "from gausspg.policies.base import Policy"),
        ("policies.base", "from gausspg.estimators import base"),
        ("estimators.base", "from gausspg import rollout"),
        ("estimators.base", "from ..learners.base import Learner"),
        ("learners.base", "from .. import tracking"),
        ("diagnostics.gradients", "from gausspg.learners.base import Learner"),
        ("learners.base", "import gausspg.factory"),
        ("trainer", "from gausspg.tracking.recorder import Recorder"),
        ("trainer", "from . import jobs"),
        ("jobs", "if True:\n    from gausspg.nets import mlp"),
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
        ("policies.gaussian", "import math\nimport torch\nfrom gausspg.squash.base import Squash"),
        ("trainer", "from gausspg.learners.base import Learner"),
        ("trainer", "from gausspg import checkpoints"),
    ],
)
def test_the_check_lets_pass(module: str, source: str) -> None:
    assert forbidden(source, f"gausspg.{module}") == []


def test_every_wall_stands_between_rooms() -> None:
    rooms = {path.relative_to(SOURCE / "gausspg").parts[0].removesuffix(".py") for path in MODULES}
    assert set(MATHEMATICS) <= rooms
    assert {"tracking", "trainer", "learners", "envs", "rollout", "factory", "diagnostics"} <= rooms
