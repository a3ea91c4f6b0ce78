"""Handle Ctrl-C and SIGTERM: as exceptions, deferred during short blocks, or collected.

The standard library alone, so that job control, tracking and entry points can share it. Python runs
signal handlers in the main thread only; in any other thread these context managers do nothing.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Terminated(BaseException):
    """SIGTERM arrived. No `Exception`, like `KeyboardInterrupt`: no broad handler catches it."""


@contextmanager
def terminate_as_exception() -> Iterator[None]:
    """Turn SIGTERM into `Terminated` in the main thread; restore the handlers on exit.

    Only the first signal raises. Ctrl-C in a terminal reaches the whole process group, and a parent
    then sends SIGTERM as well, which must not interrupt the clean-up: a SIGTERM after any other
    signal is ignored. A second Ctrl-C raises again, so a user can skip the clean-up.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    stopping = False

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True
        raise KeyboardInterrupt

    def on_terminate(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        if not stopping:
            stopping = True
            raise Terminated("SIGTERM")

    old_terminate = signal.signal(signal.SIGTERM, on_terminate)
    old_interrupt = signal.getsignal(signal.SIGINT)
    # A process started in the background ignores Ctrl-C on purpose; that is left so.
    if old_interrupt is signal.default_int_handler:
        signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, old_terminate)
        signal.signal(signal.SIGINT, old_interrupt)


@contextmanager
def signals_deferred() -> Iterator[None]:
    """Defer SIGINT and SIGTERM while the block runs; deliver the first one after it.

    Handlers are replaced, not masked: a mask applies to one thread, and the kernel would deliver
    the signal to another. If the block raises, the signal is dropped, as the exception already
    ends the work.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    former = {
        number: signal.signal(number, lambda received, _: arrived.append(received))
        for number in STOP_SIGNALS
    }
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
    if arrived:
        os.kill(os.getpid(), arrived[0])


@contextmanager
def signals_collected() -> Iterator[list[signal.Signals]]:
    """Collect SIGINT and SIGTERM in the returned list, instead of raising, while the block runs.

    A signal the process already ignores stays ignored.
    """
    noted: list[signal.Signals] = []
    former: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in STOP_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                former[number] = signal.signal(
                    number, lambda received, _: noted.append(signal.Signals(received))
                )
    try:
        yield noted
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
