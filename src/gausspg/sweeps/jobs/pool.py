"""The parent's half of `gausspg.sweeps.jobs`: the running child processes and their messages."""

import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any, Literal

from gausspg.sweeps.jobs import child
from gausspg.sweeps.jobs.child import Job, Report, Started, one_line

Status = Literal["FINISHED", "FAILED", "KILLED", "NOT_STARTED"]

_POLL_SECONDS = 0.2
_LOST_SERVER_EXIT = 255
_STOPPED_BY = {signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGHUP}


@dataclass
class Result:
    """How a job ended.

    `value` is what the target returned; `error` is one line and `traceback` the full text, both
    None unless it failed. `seconds` is wall time from the start of the process to its end.
    `run_id` is what the job reported in `Started`, known also when the job was killed later.
    """

    job: Job
    status: Status = "NOT_STARTED"
    value: Any | None = None
    error: str | None = None
    seconds: float = 0.0
    run_id: str | None = None
    traceback: str | None = None


@dataclass(frozen=True)
class Event:
    """A job has `started`, sent a `report` (value: the object) or `ended` (value: its Result)."""

    job: Job
    kind: Literal["started", "report", "ended"]
    value: Any = None


@dataclass
class _Active:
    """A running child: its process, the pipe to it and what is known of its end so far."""

    result: Result
    process: BaseProcess
    pipe: Connection
    began: float
    silent: bool = False
    answered: bool = False


@dataclass
class Pool:
    """The children of one `run_jobs` call."""

    context: BaseContext
    target: Callable[[Job, Report], Any]
    on_event: Callable[[Event], None]
    results: list[Result]
    payload: Callable[[Job], Any]
    active: list[_Active] = field(default_factory=list)
    waiting: deque[Result] = field(init=False)
    _in_listener: bool = False

    def __post_init__(self) -> None:
        self.waiting = deque(self.results)

    def fill(self, workers: int) -> None:
        """Start waiting jobs until `workers` are running."""
        while self.waiting and len(self.active) < workers:
            self._start(self.waiting.popleft())

    def turn(self) -> None:
        """Wait a moment for news of the children, pass it on, and finish those that have ended."""
        handles: list[Any] = [one.pipe for one in self.active if not one.silent]
        # A fork server that died reports 255 for children that may well be alive; their pipe tells.
        handles += [one.process.sentinel for one in self.active if one.process.exitcode is None]
        if handles:
            wait(handles, _POLL_SECONDS)
        for one in list(self.active):
            self._listen(one)
            code = one.process.exitcode
            if one.silent or (code is not None and code != _LOST_SERVER_EXIT):
                self._finish(one)

    def stop(self, grace_seconds: float) -> None:
        """Ask the children still running to end, and kill those that do not in time."""
        for one in self.active:
            _send(one.process, signal.SIGTERM)
        deadline = time.monotonic() + grace_seconds
        try:
            while self.active and time.monotonic() < deadline:
                self.turn()
        finally:
            for one in list(self.active):
                _send(one.process, signal.SIGKILL)
                self._listen(one)
                self._finish(one)

    def _start(self, result: Result) -> None:
        ours, theirs = self.context.Pipe(duplex=True)
        began = time.monotonic()
        try:
            result.job = replace(result.job, payload=self.payload(result.job))
            arguments = (self.target, result.job, theirs, dict(os.environ))
            process = self.context.Process(  # type: ignore[attr-defined]
                target=child.main, args=arguments, name=result.job.name
            )
            process.start()
        except Exception as error:
            ours.close()
            result.status = "FAILED"
            result.error = f"could not be started: {one_line(error)}"
            self._tell(Event(result.job, "ended", result))
            return
        finally:
            theirs.close()
        self.active.append(_Active(result, process, ours, began))
        self._tell(Event(result.job, "started"))

    def _listen(self, one: _Active) -> None:
        while not one.silent:
            try:
                if not one.pipe.poll():
                    return
                message = one.pipe.recv()
            except (EOFError, OSError):
                one.silent = True
            except Exception as error:
                message = child.Answer("FAILED", error=f"sent what cannot be read: {error}")
                self._take(one, message)
            else:
                self._take(one, message)

    def _take(self, one: _Active, message: object) -> None:
        if isinstance(message, child.Answer):
            one.answered = True
            one.result.status = message.status
            one.result.value = message.value
            one.result.error = message.error
            one.result.traceback = message.traceback
        elif isinstance(message, Started):
            one.result.run_id = message.run_id
        else:
            self._tell(Event(one.result.job, "report", message))

    def _tell(self, event: Event) -> None:
        """Pass an event on; after the listener has raised once, it gets no more."""
        if not self._in_listener:
            self._in_listener = True
            self.on_event(event)
            self._in_listener = False

    def _finish(self, one: _Active) -> None:
        one.process.join()
        if not one.answered:
            one.result.status, one.result.error = _describe(one.process.exitcode)
        one.result.seconds = time.monotonic() - one.began
        self.active.remove(one)
        one.pipe.close()
        one.process.close()
        self._tell(Event(one.result.job, "ended", one.result))


def _describe(exitcode: int | None) -> tuple[Status, str]:
    """Status and error of a child that ended without an answer."""
    if exitcode is None or exitcode >= 0:
        return "FAILED", f"exited with status {exitcode} before it returned a result"
    number = -exitcode
    try:
        name = signal.Signals(number).name
    except ValueError:
        return "FAILED", f"killed by signal {number}"
    guess = "; out of memory?" if name == "SIGKILL" else ""
    status: Status = "KILLED" if number in _STOPPED_BY else "FAILED"
    return status, f"killed by signal {number} ({name}{guess})"


def _send(process: BaseProcess, number: signal.Signals) -> None:
    """Signal a child. `Process.kill` is silent once it believes the child dead; so is this."""
    if process.pid is not None and process.exitcode in (None, _LOST_SERVER_EXIT):
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)


def context(preload: Sequence[str]) -> BaseContext:
    """The fork server's context with `preload` imported, or `spawn` where there is none."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver, resource_tracker

    # A worker of joblib has a start method of its own, which its children would try to use as well.
    if multiprocessing.get_start_method() not in multiprocessing.get_all_start_methods():
        multiprocessing.set_start_method("forkserver", force=True)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([f"{__package__}.server", child.__name__, *preload])
    # The server ignores the parent's sys.path and skips, without a word, what it cannot import.
    former = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    # It unblocks signals after its own start, which the fork server's would otherwise include.
    resource_tracker.ensure_running()
    # Ctrl-C in the midst of the server's imports would print a traceback and leave no server. It
    # stays blocked in there; a child lifts that when it is ready to take it.
    # So does SIGUSR2, by which Slurm tells all processes of a job that its worker must save it.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGUSR2})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if former is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = former
    return context
