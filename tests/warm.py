"""Processes that need not import torch and MLflow, which takes 4 s and more than most tests.

`start` gives what `subprocess.Popen` would, from a server that has imported them: a process of its
own that can be killed and ends with a status of its own. Whatever is about starting (imports,
interpreter options, the fork server of a sweep), and some of the commands of the README, are tested
without it.
"""

import atexit
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from select import select
from typing import IO

from gausspg.sweeps import preload

SOURCE = Path(__file__).parents[1] / "src"
IMPORTS = (
    *preload.TRAINING, "gausspg.sweeps.single", "gausspg.laboratory.program",
    "gymnasium.envs.box2d", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_pdf",
    "pandas", "pytest", "scipy.stats",
)  # fmt: skip
# What imports add to this is seen, and so added to the environment of every command.
_OWN = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "PYTHONHASHSEED", "TMPDIR")
Ended = subprocess.CompletedProcess[str]
WITHOUT = sys.platform != "linux"
"""Elsewhere a process that has imported them may not be forked; there all start anew."""


class Process:
    """A command from the server, with the part of `subprocess.Popen` that tests use."""

    def __init__(self, statuses: int) -> None:
        self._statuses = os.fdopen(statuses, "rb", buffering=0)
        self._lock = threading.Lock()
        self.returncode: int | None = None
        self.pid = self._number()

    def poll(self) -> int | None:
        """Return its exit status, None if it has not ended."""
        with self._lock:
            if self.returncode is None and select([self._statuses], [], [], 0.0)[0]:
                self.returncode = self._number()
                self._statuses.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit status when it has ended."""
        end = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
            time.sleep(0.005)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def _number(self) -> int:
        line = self._statuses.readline()
        assert line, "the server has ended"
        return int(line)


class _Server:
    """The server of this process, which ends with it."""

    def __init__(self) -> None:
        self._asking, asked = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        with asked:
            self._process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("warm_server.py")),
                 str(asked.fileno()), json.dumps(IMPORTS)],
                pass_fds=[asked.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                env={name: os.environ[name] for name in _OWN if name in os.environ}
                | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(SOURCE)},
            )  # fmt: skip
        atexit.register(self._end)

    def start(self, request: Mapping[str, object], out: IO[bytes], err: IO[bytes]) -> Process:
        """Start a process that writes into the files given."""
        here, statuses = os.pipe()
        with self._lock:
            fds = [out.fileno(), err.fileno(), statuses]
            socket.send_fds(self._asking, [json.dumps(request).encode()], fds)
        os.close(statuses)
        return Process(here)

    def _end(self) -> None:
        self._asking.close()
        self._process.wait()


@cache
def _server() -> _Server:
    return _Server()


def start(
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    folder: Path,
    out: IO[bytes],
    err: IO[bytes],
) -> "Process | subprocess.Popen[bytes]":
    """Start `python COMMAND` in a folder, with its output in two open files."""
    words = [str(word) for word in command]
    if WITHOUT:
        return subprocess.Popen(
            [sys.executable, *words], cwd=folder, env=environment, stdout=out, stderr=err
        )
    request = {
        "program": words[0], "arguments": words[1:], "folder": str(folder),
        "environment": dict(environment),
    }  # fmt: skip
    return _server().start(request, out, err)


@cache
def empty_store() -> Path:
    """Return a database with MLflow's schema and nothing in it, to be copied; made once, in 2 s."""
    folder = Path(tempfile.mkdtemp(prefix="gausspg-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    done = run([Path(__file__).with_name("empty_store.py"), folder / "mlflow.db"], os.environ)
    assert done.returncode == 0, done.stderr
    return folder / "mlflow.db"


def put_empty_store(folder: Path) -> None:
    """Copy the empty store to where `open_store` looks for that of a folder."""
    shutil.copyfile(empty_store(), folder / "mlflow.db")


def run(
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    folder: Path | None = None,
    seconds: float = 240.0,
) -> Ended:
    """Return how `python COMMAND` ended and what it wrote, as `subprocess.run` does."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = start(command, environment, folder or Path.cwd(), out, err)
        status = process.wait(seconds)
        written = []
        for file in (out, err):
            file.seek(0)
            written.append(file.read().decode())
    return Ended(list(map(str, command)), status, *written)
