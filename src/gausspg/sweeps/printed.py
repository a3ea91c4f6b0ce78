"""What the environments of a job print, kept in the run's folder: a terminal shows the progress."""

import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

PRINTED = "printed.txt"

_LONGEST = 1_000_000


@contextmanager
def printed_kept(folder: Path) -> Iterator[None]:
    """Write what is printed meanwhile to `folder/printed.txt`, the first million characters of it.

    What is printed before there is such a folder follows when there is one. A disk that does not
    take it stops nothing.
    """
    kept = _Kept(folder / PRINTED)
    with redirect_stdout(kept):
        try:
            yield
        finally:
            kept.flush()


class _Kept(io.TextIOBase):
    def __init__(self, path: Path) -> None:
        self._path, self._waiting, self._length = path, "", 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        room = _LONGEST - self._length
        self._waiting += text[:room]
        self._length += min(len(text), room)
        if len(self._waiting) > io.DEFAULT_BUFFER_SIZE:
            self.flush()
        return len(text)

    def flush(self) -> None:
        if not self._waiting or not self._path.parent.is_dir():
            return
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(self._waiting)
        except OSError:
            self._length = _LONGEST  # a full disk: nothing more is kept
        self._waiting = ""
