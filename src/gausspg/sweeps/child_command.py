"""A command as a child process: what it prints is printed here, and how it ended is returned.

Its progress stays on one line that is overwritten, as a notebook shows it.
"""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from gausspg.sweeps.command import FOLLOWS
from gausspg.sweeps.progress import PROGRESS_VARIABLE

_PROGRESS = re.compile(r"\[\d+:\d\d:\d\d\] ")
_ERROR = "error: "
_WIDTH = 110
_SWEEP = re.compile(r"sweep (.+) \(([\w-]+)\): (.+)")


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        status: as `gausspg.sweeps.command` numbers them.
        lines: of its results.
        error: what it said last of an error, without the word; "" if nothing.
        interrupted: this process was interrupted meanwhile.
    """

    status: int
    lines: Sequence[str]
    error: str
    interrupted: bool = False

    def printed(self, label: str) -> str | None:
        """Return what stands behind `label: ` in the results."""
        found = [line for line in self.lines if line.startswith(f"{label}: ")]
        return found[-1].removeprefix(f"{label}: ") if found else None

    def sweep(self) -> tuple[str, str, str] | None:
        """Return name, id and folder of the sweep that ended."""
        found = [match for line in self.lines if (match := _SWEEP.fullmatch(line))]
        return (found[-1][1], found[-1][2], found[-1][3]) if found else None


def run_command(arguments: Sequence[str]) -> Ended:
    """Run `gausspg ARGUMENT...` and wait for it; an interruption is passed on to it."""
    environment = {PROGRESS_VARIABLE: "1", **os.environ, "PYTHONUNBUFFERED": "1", FOLLOWS: "1"}
    results: list[str] = []
    complaints: list[str] = []
    interrupted = False
    with subprocess.Popen(
        [sys.executable, "-m", "gausspg.sweeps.cli", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
        text=True, encoding="utf-8", errors="replace", env=environment,
        start_new_session=True,  # a notebook's interruption reaches it once, by us
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        reader = threading.Thread(target=_relay, args=(process.stderr, complaints))
        reader.start()
        while process.returncode is None:
            try:
                _relay(process.stdout, results)
                reader.join()
                process.wait()
            except KeyboardInterrupt:
                interrupted = True
                process.send_signal(signal.SIGINT)
    errors = [line.removeprefix(_ERROR) for line in complaints if line.startswith(_ERROR)]
    return Ended(
        process.returncode, results, errors[-1] if errors else "".join(complaints[-1:]), interrupted
    )


def _relay(stream: IO[str], kept: list[str]) -> None:
    """Print what a stream brings, line by line; progress is overwritten by what follows.

    Errors are not printed: they become exceptions.
    """
    shown = False
    for line in stream:
        text = line.rstrip("\n")
        if _PROGRESS.match(text):
            print(f"\r{text:<{_WIDTH}.{_WIDTH}}", end="", flush=True)
            shown = True
            continue
        kept.append(text)
        if not text.startswith(_ERROR):
            print(f"\r{' ' * _WIDTH}\r{text}" if shown else text, flush=True)
            shown = False
