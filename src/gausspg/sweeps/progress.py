"""What a person sees while runs go on, and the table they end with.

On a terminal: one line for a single run, or a total and one line per active run for several, that
update in place. Anywhere else (a file, CI): whole plain lines, seldom, that read as a log.
"""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import Protocol, Self, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gausspg.sweeps.jobs.child import Job
from gausspg.sweeps.jobs.pool import Result
from gausspg.sweeps.progress_state import Progress, ProgressState, clock, parts, printable

__all__ = ["Display", "Progress", "clock", "display", "summary_table"]

PLAIN_SECONDS = 10.0
"""How often a run says where it is, where lines cannot be updated."""

PROGRESS_VARIABLE = "GAUSSPG_PROGRESS_SECONDS"
"""Environment variable: the same, for who overwrites these lines and wants more of them."""

_REDRAW_SECONDS = 0.2
_TABLE_WIDTH = 100
_NARROWEST = 12


class Display(Protocol):
    """What runs report to; indices are those of the jobs."""

    def update(self, index: int, progress: Progress) -> None:
        """Take note of where a run is; cheap, at any rate of calls."""

    def finished(self, index: int, result: Result) -> None:
        """Take note that a run ended, in whatever way."""


def display(
    jobs: Sequence[Job], stream: TextIO | None = None, every: float | None = None
) -> "AbstractContextManager[Display]":
    """The display for `jobs` on `stream` (default stderr, so that stdout stays for results).

    `every` is the number of seconds between two plain lines of one run; None: as the environment
    says, else `PLAIN_SECONDS`. A terminal that calls itself dumb gets plain lines.
    """
    stream = sys.stderr if stream is None else stream
    if stream.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown"):
        return _LiveDisplay(jobs, stream)
    if every is None:
        every = float(os.environ.get(PROGRESS_VARIABLE, PLAIN_SECONDS))
    return _PlainDisplay(jobs, stream, every)


def summary_table(
    rows: Sequence[Mapping[str, object]], columns: Sequence[str], stream: TextIO | None = None
) -> None:
    """Write one line per row with the given columns, at most 100 wide, to `stream` (stdout).

    A missing or None cell is `-`; floats have one decimal, small ones three significant digits;
    text is cut, the last columns first to give way, so an error belongs last. No colour and no
    control characters, wherever it goes.
    """
    stream = sys.stdout if stream is None else stream
    lines = [list(columns), *([_cell(row.get(name)) for name in columns] for row in rows)]
    numeric = [all(_is_number(row.get(name)) for row in rows) for name in columns]
    widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
    for place in reversed(range(len(columns))):
        excess = sum(widths) + 2 * (len(widths) - 1) - _TABLE_WIDTH
        if excess > 0 and not numeric[place]:
            widths[place] = max(widths[place] - excess, min(widths[place], _NARROWEST))
    for line in lines:
        cells = map(_fit, line, widths, numeric)
        stream.write("  ".join(cells)[:_TABLE_WIDTH].rstrip() + "\n")
    stream.flush()


def _fit(text: str, width: int, to_the_right: bool) -> str:
    if len(text) > width:
        return text[: width - 3] + "..."
    return text.rjust(width) if to_the_right else text.ljust(width)


class _PlainDisplay:
    def __init__(self, jobs: Sequence[Job], stream: TextIO, every: float) -> None:
        self._state = ProgressState(jobs)
        self._stream = stream
        self._every = every
        self._next: dict[int, float] = {}
        self._next_total = self._state.began + every

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def update(self, index: int, progress: Progress) -> None:
        self._state.active[index] = progress
        now = time.monotonic()
        if now < self._next.get(index, self._state.began + self._every):
            return
        self._next[index] = now + self._every
        self._say(f"{self._state.names[index]}  {_plain(progress)}")
        if len(self._state.names) > 1 and now >= self._next_total:
            self._next_total = now + self._every
            self._say(self._state.total_line())

    def finished(self, index: int, result: Result) -> None:
        last = self._state.active.pop(index, None)
        self._state.ended[index] = result
        where = f"  {_plain(last)}" if last else ""
        self._say(self._state.end_line(index, result) + where)
        if len(self._state.names) > 1:
            self._say(self._state.total_line())

    def _say(self, line: str) -> None:
        # Who reads these lines may go away, `| head` does: that is no reason for a run to fail.
        with suppress(BrokenPipeError):
            passed = clock(time.monotonic() - self._state.began)
            self._stream.write(f"[{passed}] {printable(line)}\n")
            self._stream.flush()


class _LiveDisplay:
    def __init__(self, jobs: Sequence[Job], stream: TextIO) -> None:
        self._state = ProgressState(jobs)
        self._single = len(jobs) == 1
        console = Console(file=stream, force_terminal=True)
        self._live = Live(console=console, auto_refresh=False, transient=not self._single)
        self._drawn = 0.0

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._draw()
        self._live.stop()

    def update(self, index: int, progress: Progress) -> None:
        self._state.active[index] = progress
        if time.monotonic() - self._drawn >= _REDRAW_SECONDS:
            self._draw()

    def finished(self, index: int, result: Result) -> None:
        self._state.ended[index] = result
        if self._single:
            return  # the line stays as it was last, and the caller's table follows
        self._state.active.pop(index, None)
        line = Text(printable(self._state.end_line(index, result)), "red" if result.error else "")
        self._live.console.print(line, soft_wrap=True, highlight=False)
        self._draw()

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        for _ in range(5):
            table.add_column(no_wrap=True, justify="right")
        for index, progress in sorted(self._state.active.items()):
            table.add_row(*_live_cells(self._state.names[index], progress))
        total = Text(self._state.total_line(), no_wrap=True, overflow="ellipsis")
        # The total stands first, as a low terminal cuts the end off.
        self._live.update(table if self._single else Group(total, table), refresh=True)


def _live_cells(name: str, progress: Progress) -> list[RenderableType]:
    bar = ProgressBar(total=max(progress.total, 1), completed=progress.step, width=16)
    return [Text(printable(name)), bar, *(Text(part) for part in parts(progress))]


def _plain(progress: Progress) -> str:
    return "  ".join(parts(progress))


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.1f}" if abs(value) >= 10 or value == 0 else f"{value:.3g}"
    return " ".join(printable(str(value)).split())
