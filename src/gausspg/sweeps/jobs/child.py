"""The child's half of `gausspg.sweeps.jobs`: what happens inside the process of one job.

Apart from the parent's half, `pool`: the two talk only through the messages defined here.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Literal

from gausspg.tracking.termination import Terminated, signals_deferred, terminate_as_exception

Report = Callable[[Any], None]
"""What a job calls with a picklable object to tell the parent of its progress."""

_ORPHAN_GRACE_SECONDS = 20.0


@dataclass(frozen=True)
class Job:
    """One piece of work: its place in the list, a name for people, and a picklable payload."""

    index: int
    name: str
    payload: Any


@dataclass(frozen=True)
class Started:
    """Reported by a job that has opened its run, so that the parent knows it whatever happens."""

    run_id: str


@dataclass(frozen=True)
class Answer:
    """The last message of a child: how its target ended."""

    status: Literal["FINISHED", "FAILED", "KILLED"]
    value: Any = None
    error: str | None = None
    traceback: str | None = None


def one_line(error: BaseException) -> str:
    """`Type: first line of the message`, or the type alone where there is no message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def main(
    target: Callable[[Job, Report], Any],
    job: Job,
    pipe: Connection,
    environment: dict[str, str],
) -> None:
    """Run `target` and send its `Answer`; exit with status 0 only if it finished.

    `environment` is the parent's at this moment: a fork server's children would otherwise see the
    one of the day it was started.
    """
    os.environ.clear()
    os.environ.update(environment)
    threading.Thread(target=_follow_parent, name="parent-watch", daemon=True).start()
    answer = _answer(target, job, lambda obj: _send(pipe, obj))
    try:
        _send(pipe, answer)
    except Exception as error:
        answer = Answer("FAILED", error=f"its result cannot be sent: {one_line(error)}")
        _send(pipe, answer)
    sys.exit(0 if answer.status == "FINISHED" else 1)


def _answer(target: Callable[[Job, Report], Any], job: Job, report: Report) -> Answer:
    try:
        with terminate_as_exception():
            # Blocked until now, see `pool.context`: from here on Ctrl-C is answered for.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
            return Answer("FINISHED", target(job, report))
    except (KeyboardInterrupt, Terminated) as stop:
        name = "SIGTERM" if isinstance(stop, Terminated) else "SIGINT (Ctrl-C)"
        return Answer("KILLED", error=f"stopped by {name}")
    except SystemExit as stop:
        if not stop.code:
            return Answer("FINISHED")
        return Answer("FAILED", error=_exit_line(stop.code))
    except BaseException as error:
        return Answer("FAILED", error=one_line(error), traceback=traceback.format_exc())


def _exit_line(code: object) -> str:
    if isinstance(code, int):
        return f"exited with status {code}"
    return f"exited: {' '.join(str(code).split())}"


def _send(pipe: Connection, message: object) -> None:
    # A signal in the middle of a message would leave half of it in the pipe. A parent that is gone
    # is no error here: `_follow_parent` ends this process.
    with signals_deferred(), suppress(BrokenPipeError, ConnectionResetError):
        pipe.send(message)


def _follow_parent() -> None:
    """End this process when its parent dies, by SIGTERM first so that the run records itself.

    The parent-death signal of Linux is of no use here: the parent of these processes, in the
    kernel's eyes, is the fork server.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_ORPHAN_GRACE_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
