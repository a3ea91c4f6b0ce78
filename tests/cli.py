"""The command line as tests use it, in this process or in one of its own.

Imported by children under test as `env.id=cli:Trouble-v0`: an environment that fails to order.
"""

import os
import runpy
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import warm
from composing import Clockwork

ROOT = Path(__file__).parents[1]
RUN, MEASURE = ROOT / "src" / "run.py", ROOT / "src" / "measure_gradients.py"
AXES = ("env", "policy", "variance", "squash", "estimator", "learner", "diagnostics")
WARNINGS = [
    pytest.mark.filterwarnings(f"ignore::DeprecationWarning:{module}")
    for module in ("mlflow", "sqlalchemy", "alembic", "filelock")
]

SECONDS = 240.0  # no command of a test takes so long, even on a busy machine

Composed = list[tuple[dict[str, Any], dict[str, str]]]
Process = subprocess.Popen[bytes] | warm.Process


class Trouble(Clockwork):
    """Clockwork that fails, waits or vanishes from the 41st step of its process on.

    The two steps of the trial, before any training, are not counted.
    """

    life = 0

    def __init__(self, how: str = "none", render_mode: str | None = None) -> None:
        super().__init__(render_mode=render_mode)
        self._how = how

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        Trouble.life += 1
        observation, *rest = super().step(action)
        if self._how == "wait":
            time.sleep(0.01)
        if Trouble.life > 42:
            if self._how == "raise":
                raise RuntimeError("the wheels came off")
            if self._how == "exit":
                os._exit(3)
            if self._how == "poison":
                observation[1] = np.nan
        return observation, *rest


class Refused(Clockwork):
    """Clockwork with an action space that no policy serves."""

    def __init__(self, space: str, render_mode: str | None = None) -> None:
        super().__init__(render_mode=render_mode)
        spaces = {
            "Dict": gym.spaces.Dict({"move": self.action_space}),
            "MultiBinary": gym.spaces.MultiBinary(3),
        }
        self.action_space = spaces[space]


for _class in (Trouble, Refused):
    gym.register(f"{_class.__name__}-v0", _class)


def words(axis: str) -> list[str]:
    """Return the words of an axis, which are the names of its files."""
    return sorted(path.stem for path in (ROOT / "conf" / axis).glob("*.yaml"))


def run_here(*arguments: str, program: Path = RUN) -> int:
    """Run `src/run.py` (or another program) in this process and return its exit status."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [f"src/{program.name}", *arguments])
        patch.setenv("HYDRA_FULL_ERROR", "1")
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(program), run_name="__main__")
    assert isinstance(end.value.code, int)
    return end.value.code


def composed_here(*arguments: str) -> Composed:
    """Return what `src/run.py` would train, and train nothing."""
    return _composed(RUN, "gausspg.sweeps.single.run_single", arguments)


def measurements_here(*arguments: str) -> Composed:
    """Return what `src/measure_gradients.py` would measure, and measure nothing."""
    return _composed(MEASURE, "gausspg.laboratory.program.run_single", arguments)


def _composed(program: Path, single: str, arguments: Sequence[str]) -> Composed:
    found: Composed = []

    class Sweep:
        def __init__(self, _: object, composed: Composed, command: list[str]) -> None:
            found.extend(composed)

        def run(self, launch: object) -> int:
            return 0

    def run_single(composed: Any, command: list[str]) -> int:
        found.append(composed)
        return 0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gausspg.sweeps.sweep.Sweep", Sweep)
        # No job runs, so no process need be prepared for them.
        patch.setattr("gausspg.sweeps.jobs.prepare", lambda _: None)
        patch.setattr(single, run_single)
        assert run_here(*arguments, program=program) == 0
    return found


class Command:
    """`src/run.py` in a process of its own, its output in files of `folder`.

    One that starts `anew` is the command of the README to the letter; the others begin with
    everything imported, see `warm`.
    """

    def __init__(self, folder: Path, root: Path, *arguments: str, anew: bool = False) -> None:
        folder.mkdir(parents=True)
        self._folder, self._root, self._arguments = folder, root, arguments
        self._anew = anew
        self.process: Process | None = None

    def start(self) -> Process:
        """Start it and go on."""
        command = [str(RUN), *self._arguments]
        environment = environment_for(self._root)
        with (self._folder / "out").open("wb") as out, (self._folder / "err").open("wb") as err:
            if self._anew:
                self.process = subprocess.Popen(
                    [sys.executable, *command],
                    cwd=self._folder, env=environment, stdout=out, stderr=err,
                )  # fmt: skip
            else:
                self.process = warm.start(command, environment, self._folder, out, err)
        return self.process

    def run(self) -> int:
        """Start it and return its exit status."""
        return self.start().wait(SECONDS)

    @property
    def out(self) -> str:
        """What it has written to stdout."""
        return (self._folder / "out").read_text()

    @property
    def err(self) -> str:
        """What it has written to stderr."""
        return (self._folder / "err").read_text()

    @property
    def strays(self) -> set[str]:
        """What it has left in the folder it was started from."""
        return {path.name for path in self._folder.iterdir()} - {"out", "err"}


def environment_for(root: Path, **more: str) -> Mapping[str, str]:
    """Return the environment of a process that keeps its runs below `root`."""
    paths = [str(Path(__file__).parent), str(ROOT / "src")]
    return os.environ | more | {
        "GAUSSPG_ROOT": str(root),
        "MLFLOW_TRACKING_URI": "",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(paths),
    }  # fmt: skip


def eventually(condition: Callable[[], object], seconds: float = SECONDS) -> bool:
    """Wait until `condition` is true; tell whether it became so."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
