"""The other half of `warm`: a process that has imported everything, and forks the commands.

A command is forked before it has a thread, a file or a signal handler, and made to look like a
Python of its own: its working directory, environment, arguments, search path and streams are those
asked for, the file runs as `__main__`, and it leaves as the interpreter would. Where it would start
a Python that imports everything once more (the fork server of `multiprocessing`, or a recorded run
with the present source), it takes a fork of its own first state instead.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing import util
from pathlib import Path
from typing import Any

LONGEST_MESSAGE = 1 << 20
_MANY_FDS = 8
_FORK_SERVER = "from multiprocessing.forkserver import main"
_RERUN = ["-P", "-m", "gausspg.records.rerun"]
_PRESENT = str(Path(__file__).parents[1] / "src")

Request = Mapping[str, Any]


def main() -> None:
    """Import, then fork what is asked for until nobody can ask any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Of a terminal; it is for the tests to end.
    before = dict(os.environ)
    gc.disable()
    for name in json.loads(sys.argv[2]):
        importlib.import_module(name)
    gc.freeze()
    assert threading.active_count() == 1, "a fork would lose the others"
    imports_set = {name: value for name, value in os.environ.items() if name not in before}
    own = {str(Path(__file__).parent), *before.get("PYTHONPATH", "").split(os.pathsep)}
    library = [path for path in sys.path if path not in own]
    request = _serve(socket.socket(fileno=int(sys.argv[1])))
    if request is None:
        os._exit(0)
    _become(request, imports_set, library)


def _serve(asked: socket.socket) -> Request | None:
    """Fork for every request; return it in the child, and None when there are no more."""
    with asked, selectors.DefaultSelector() as selector:
        selector.register(asked, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is not asked:
                    _report(selector, key.fd, *key.data)
                    continue
                message, fds, _, _ = socket.recv_fds(asked, LONGEST_MESSAGE, _MANY_FDS)
                if not message:
                    return None
                out, err, statuses = fds
                pid = os.fork()
                if pid == 0:
                    os.dup2(out, 1)
                    os.dup2(err, 2)
                    return dict(json.loads(message))
                os.close(out)
                os.close(err)
                selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, statuses))
                os.write(statuses, f"{pid}\n".encode())


def _report(selector: selectors.BaseSelector, handle: int, pid: int, statuses: int) -> None:
    """Say how a command ended."""
    selector.unregister(handle)
    os.close(handle)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with suppress(BrokenPipeError):
        os.write(statuses, f"{status}\n".encode())
    os.close(statuses)


def _become(request: Request, imports_set: Mapping[str, str], library: Sequence[str]) -> None:
    """Run the program asked for, in this process, as if it had been started with it."""
    os.closerange(3, 1024)
    os.environ.clear()
    os.environ.update(request["environment"])
    for name, value in imports_set.items():
        os.environ.setdefault(name, value)
    os.chdir(request["folder"])
    program = Path(request["program"])
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = [str(program.parent), *filter(None, paths), *library]
    spare = _Spare(library)
    util.spawnv_passfds = spare.serve  # type: ignore[attr-defined]
    subprocess.run = spare.run  # type: ignore[assignment]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv[:] = [str(program), *request["arguments"]]
    gc.enable()
    _leave(_status(runpy.run_path, str(program)))


def _status(run: Callable[..., object], program: str) -> int:
    """Run a file or a module and return the status with which Python would end."""
    try:
        run(program, run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, int | None):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException as error:
        traceback.print_exc()
        return -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _leave(status: int) -> None:
    """End as the interpreter does, but do not take apart what was imported: that takes a second."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


class _Spare:
    """A fork of this process as it is now, which waits to be the one Python that it starts."""

    def __init__(self, library: Sequence[str]) -> None:
        self._serve, self._run = util.spawnv_passfds, subprocess.run  # type: ignore[attr-defined]
        self._asking, asked = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._pid = os.fork()
        if self._pid == 0:
            self._asking.close()
            _wait_to_be(asked, library)
        asked.close()

    def serve(self, path: bytes, arguments: Sequence[str], fds: Sequence[int]) -> int:
        """Be the fork server; called in place of `multiprocessing.util.spawnv_passfds`."""
        code = os.fsdecode(arguments[-1])
        if not code.startswith(_FORK_SERVER):
            return int(self._serve(path, arguments, fds))
        held = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        self._ask({"code": code, "fds": list(fds), "held": [int(number) for number in held],
                   "environment": dict(os.environ)}, fds)  # fmt: skip
        return self._pid

    def run(self, command: Sequence[str], **options: Any) -> "subprocess.CompletedProcess[Any]":
        """Run a recorded run with the present source; called in place of `subprocess.run`."""
        path = options.get("env", {}).get("PYTHONPATH", "").split(os.pathsep)
        if list(command[1:4]) != _RERUN or path[0] != _PRESENT:
            return self._run(command, **options)
        assert options.keys() == {"env", "stderr"}
        here, there = os.pipe()
        self._ask({"arguments": list(command[4:]), "environment": dict(options["env"])}, [there])
        os.close(there)
        with os.fdopen(here, "rb") as pipe:
            output = pipe.read()
        status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        return subprocess.CompletedProcess(command, status, None, output)

    def _ask(self, what: Mapping[str, Any], fds: Sequence[int]) -> None:
        socket.send_fds(self._asking, [json.dumps(what).encode()], fds)
        self._asking.close()


def _wait_to_be(asked: socket.socket, library: Sequence[str]) -> None:
    message, fds, _, _ = socket.recv_fds(asked, LONGEST_MESSAGE, _MANY_FDS)
    if not message:
        os._exit(0)  # The command has ended and had no use for it.
    asked.close()
    what = json.loads(message)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(what["environment"])
    if "code" in what:
        _be_fork_server(what, fds)
    os.dup2(fds[0], 2)
    os.close(fds[0])
    sys.path[:] = [*filter(None, os.environ["PYTHONPATH"].split(os.pathsep)), *library]
    sys.argv[:] = ["-m", *what["arguments"]]
    gc.enable()
    _leave(_status(runpy.run_module, _RERUN[-1]))


def _be_fork_server(what: Mapping[str, Any], fds: Sequence[int]) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, what["held"])
    # The code names descriptors by the numbers that they have in the command.
    aside = [os.dup2(fd, 512 + place) for place, fd in enumerate(fds)]
    for fd in fds:
        os.close(fd)
    for fd, number in zip(aside, what["fds"], strict=True):
        os.dup2(fd, number)
        os.close(fd)
    try:
        exec(what["code"], {})
    except SystemExit:
        _leave(0)
    except BaseException:
        traceback.print_exc()
    _leave(1)


if __name__ == "__main__":
    main()
