"""Whether a run's process is still there: a lock on the run's folder, and a heartbeat in it.

The lock ends with its process, however that ends, and is seen by all processes of one machine. From
another machine that shares the folder only the heartbeat can be seen.
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
"""A run on another machine counts as gone when its heart has not beaten for so long."""

VANISHED = {"status": "KILLED", "error": "its process vanished"}
"""How a run ended that its status calls RUNNING and that nobody is at work on."""

_LOCK, _HEARTBEAT = ".lock", ".heartbeat"
# Whoever asks holds the lock for a moment; a process at work holds it for as long as it is there.
_CLAIM_SECONDS, _ASK_SECONDS = 2.0, 0.2


class Claim:
    """Context manager: this process writes into `folder`, and nobody else does.

    Raises `BlockingIOError` on entering if another process has claimed it.
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
            # Its folder may be gone, or its disk full; then the heart stops, and the run need not.
            try:
                self._beat.touch()
            except OSError:
                return


def host() -> str:
    """Return the name of this machine, as `status.json` holds it."""
    return platform.node()


def is_running(folder: Path) -> bool:
    """Tell whether the process of the run in `folder` is at work, here or elsewhere.

    A run may end while this is asked: read its status after a no, not before.
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
