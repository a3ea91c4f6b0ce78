"""All figures of a sweep or of a study: every file in `figures/` is a part of it."""

import importlib
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import cast

from plotting import style
from plotting.drawing import Drawing, FigureModule
from reading.kinds import Kind
from reading.study import Study
from reading.sweep import MissingDataError, Sweep

Say = Callable[[str], None]


def figure_names(kind: Kind | None = None) -> list[str]:
    """Return the names of the figures there are (of a kind of runs)."""
    folder = Path(__file__).parents[1] / "figures"
    names = sorted(path.stem for path in folder.glob("[!_]*.py"))
    return [name for name in names if kind is None or kind == _module(name).OF]


def _module(name: str) -> FigureModule:
    return cast(FigureModule, importlib.import_module(f"figures.{name}"))


def drawings(
    subject: Sweep | Study, only: Collection[str] | None = None, say: Say = print
) -> Iterator[Drawing]:
    """Draw what there are data for, and say what is drawn and what is not.

    Args:
        subject: of which to draw.
        only: names of figures; None: all of its kind.
        say: receives one line per figure.
    """
    for name in figure_names():
        if only is not None and name not in only:
            continue
        module = _module(name)
        if subject.kind != module.OF:
            if only is not None:
                say(f"  {name}: not drawn, it is of {module.OF.name}")
            continue
        begin, count = time.perf_counter(), 0
        try:
            with style.applied():
                for drawing in module.draw(subject):
                    count += 1
                    yield drawing
        except MissingDataError as reason:
            say(f"  {name}: not drawn, {reason}")
        else:
            files = "1 figure" if count == 1 else f"{count} figures"
            say(f"  {name}: {files}, {time.perf_counter() - begin:.1f} s")
