"""Tell whether a run's process is alive, by a lock and a heartbeat file in the run's folder.

The lock is released when its process ends for any reason, and is visible to all processes of one
machine. Another machine that shares the folder sees only the heartbeat.
"""

import platform
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from gausspg.tracking.folder import read_status

BEAT_SECONDS = 5.0
SILENT_SECONDS = 60.0
"""A run on another machine counts as dead after so long without a heartbeat."""

VANISHED = {"status": "KILLED", "error": "its process vanished"}
"""The final status of a run whose status is RUNNING but whose process is gone."""

_LOCK, _HEARTBEAT = ".lock", ".heartbeat"
# `is_running` holds the lock for a moment, a running process for as long as it lives.
_CLAIM_SECONDS, _ASK_SECONDS = 2.0, 0.2


class Claim:
    """Context manager: exclusive right of this process to write into a run's folder.

    Raises `BlockingIOError` on entry if another process holds it.
    """

    def __init__(self, folder: Path) -> None:
        self._lock = FileLock(folder / _LOCK, timeout=_CLAIM_SECONDS, poll_interval=0.01)
        self._beat = folder / _HEARTBEAT
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        try:
            self._lock.acquire()
        except Timeout as error:
            raise BlockingIOError(f"another process writes into {self._beat.parent}") from error
        self._beat.touch()
        threading.Thread(target=self._keep_beating, name="heartbeat", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._beat.unlink(missing_ok=True)
        self._lock.release()

    def _keep_beating(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            # The folder may be gone or the disk full: the heartbeat stops, the run goes on.
            try:
                self._beat.touch()
            except OSError:
                return


def host() -> str:
    """Return the name of this machine, as `status.json` holds it."""
    return platform.node()


def is_running(folder: Path) -> bool:
    """Tell whether the process of the run in `folder` is alive, on this machine or another.

    A run may end during the call: after False, read its status again.
    """
    status = read_status(folder)
    if status.get("status") != "RUNNING":
        return False
    if status.get("host") == host():
        lock = FileLock(folder / _LOCK, timeout=_ASK_SECONDS, poll_interval=0.01)
        try:
            with lock:
                return False
        except Timeout:
            return True
    try:
        return time.time() - (folder / _HEARTBEAT).stat().st_mtime < SILENT_SECONDS
    except OSError:
        return False
