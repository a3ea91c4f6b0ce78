"""Real child processes that end in every way there is."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gausspg.sweeps.jobs import Event, Job, Outcome, Result, run_jobs
from gausspg.sweeps.preload import TRACKING

TESTS = Path(__file__).parents[1]
# One fork server serves the whole test process, and the first call decides what it imports.
MODULES = (*TRACKING, "pytest")


@pytest.fixture(autouse=True)
def targets(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(TESTS)
    import job_targets

    return job_targets


def jobs(*payloads: Any) -> list[Job]:
    return [Job(index, f"job {index}", payload) for index, payload in enumerate(payloads)]


def test_every_end_costs_only_its_own_job(targets: Any) -> None:
    ways = ["raise", "return", "exit", "vanish", "killed", "crash", "unpicklable", "exit quietly"]
    outcome = run_jobs(jobs(*ways, "return"), targets.behave, 3, MODULES)
    ends = {result.job.payload: (result.status, result.error) for result in outcome.results}
    assert ends["return"] == ("FINISHED", None)
    assert ends["exit quietly"] == ("FINISHED", None)
    assert ends["raise"] == ("FAILED", "ValueError: first line")
    assert ends["exit"] == ("FAILED", "exited with status 3")
    assert ends["vanish"] == ("FAILED", "exited with status 4 before it returned a result")
    assert ends["killed"] == ("KILLED", "killed by signal 9 (SIGKILL; out of memory?)")
    assert ends["crash"] == ("FAILED", "killed by signal 11 (SIGSEGV)")
    assert ends["unpicklable"][0] == "FAILED"
    assert "cannot be sent" in str(ends["unpicklable"][1])
    assert [result.job.index for result in outcome.results] == list(range(9))
    assert outcome.results[8].value == 80
    assert "second line" in str(outcome.results[0].traceback)
    assert not outcome.interrupted


def test_at_most_so_many_at_a_time(targets: Any) -> None:
    outcome = run_jobs(jobs(0.3, 0.3, 0.3, 0.3), targets.span, 2, MODULES)
    spans = [result.value for result in outcome.results]
    together = [sum(begin <= start < end for begin, end in spans) for start, _ in spans]
    assert max(together) == 2
    assert all(0.3 <= result.seconds < 5 for result in outcome.results)


def test_events_tell_the_story_in_order(targets: Any) -> None:
    heard: list[Event] = []
    run_jobs(jobs("return"), targets.behave, 1, MODULES, heard.append)
    assert [event.kind for event in heard] == ["started", "report", "ended"]
    assert heard[1].value == ("progress", 0)
    assert isinstance(heard[2].value, Result)


def test_a_child_sees_the_environment_of_the_moment(
    targets: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for word in ("one", "two"):
        monkeypatch.setenv("GAUSSPG_TEST_WORD", word)
        outcome = run_jobs(jobs("environment"), targets.behave, 1, MODULES)
        assert outcome.results[0].value == word


def test_a_job_that_cannot_start_is_a_result(targets: Any) -> None:
    outcome = run_jobs(jobs(lambda: None, "return"), targets.behave, 1, MODULES)
    assert outcome.results[0].status == "FAILED"
    assert "could not be started" in str(outcome.results[0].error)
    assert outcome.results[1].status == "FINISHED"


def test_no_worker_is_refused(targets: Any) -> None:
    with pytest.raises(ValueError, match="workers=0"):
        run_jobs(jobs("return"), targets.behave, 0, MODULES)


def test_a_listener_that_raises_leaves_no_child(targets: Any, tmp_path: Path) -> None:
    def fail(event: Event) -> None:
        if event.kind == "report":
            raise RuntimeError("listener")

    with pytest.raises(RuntimeError, match="listener"):
        run_jobs(jobs(str(tmp_path)), targets.wait_to_be_stopped, 1, MODULES, fail)
    assert (tmp_path / "0.stopped").exists()


def stop_when_running(count: int, send: Callable[[], None]) -> Callable[[Event], None]:
    running = 0

    def listen(event: Event) -> None:
        nonlocal running
        running += event.value == "running"
        if event.value == "running" and running == count:
            send()

    return listen


def raise_in_parent(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_sweep_ends_its_children_in_order(
    targets: Any, tmp_path: Path, number: signal.Signals
) -> None:
    listen = stop_when_running(2, lambda: raise_in_parent(number))
    work = jobs(*[str(tmp_path)] * 3)
    outcome = run_jobs(work, targets.wait_to_be_stopped, 2, MODULES, listen)
    assert outcome.interrupted_by == number
    assert [r.status for r in outcome.results] == ["KILLED", "KILLED", "NOT_STARTED"]
    assert {path.name for path in tmp_path.glob("*.stopped")} == {"0.stopped", "1.stopped"}


def test_a_child_that_ignores_the_request_is_killed(targets: Any) -> None:
    listen = stop_when_running(1, lambda: raise_in_parent(signal.SIGTERM))
    outcome: Outcome = run_jobs(jobs(0), targets.ignore_requests, 1, MODULES, listen, 0.5)
    assert outcome.results[0].status == "KILLED"
    assert "SIGKILL" in str(outcome.results[0].error)
    assert outcome.results[0].seconds < 10


SCRIPT = """
import json, sys
from gausspg.sweeps.jobs import Job, run_jobs
import job_targets
if __name__ == "__main__":
    work = [Job(i, str(i), sys.argv[1]) for i in range(3)]
    outcome = run_jobs(work, job_targets.wait_to_be_stopped, 2)
    print(json.dumps([r.status for r in outcome.results]))
"""


PREPARED = """
import time
from gausspg.sweeps.jobs import Job, prepare, run_jobs
import job_targets
if __name__ == "__main__":
    prepare(["slow"])
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        outcome = run_jobs([Job(0, "0", "return")], job_targets.behave, 1)
        print(outcome.results[0].status)
"""
SLOW = """
import time
from pathlib import Path
Path(__file__).with_name("importing").touch()
time.sleep(1)
"""


def process_of(text: str, folder: Path) -> "subprocess.Popen[str]":
    script = folder / "sweep.py"
    script.write_text(text)
    path = os.pathsep.join([str(TESTS), *filter(None, sys.path)])
    return subprocess.Popen(
        [sys.executable, str(script), str(folder)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip


def sweep_process(folder: Path) -> "subprocess.Popen[str]":
    process = process_of(SCRIPT, folder)
    wait_for(lambda: len(list(folder.glob("*.pid"))) == 2 and all_written(folder))
    return process


def all_written(folder: Path) -> bool:
    return all(path.read_text() for path in folder.glob("*.pid"))


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up in /proc")
class TestWholeProcess:
    def test_ctrl_c_in_a_terminal_reaches_everybody(self, tmp_path: Path) -> None:
        process = sweep_process(tmp_path)
        os.killpg(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=30)
        assert json.loads(out) == ["KILLED", "KILLED", "NOT_STARTED"]
        assert len(list(tmp_path.glob("*.stopped"))) == 2

    def test_no_child_outlives_a_killed_parent(self, tmp_path: Path) -> None:
        process = sweep_process(tmp_path)
        pids = [int(path.read_text()) for path in tmp_path.glob("*.pid")]
        assert all(alive(pid) for pid in pids)
        process.kill()
        process.communicate(timeout=30)
        wait_for(lambda: not any(alive(pid) for pid in pids), 10)
        assert len(list(tmp_path.glob("*.stopped"))) == 2

    def test_ctrl_c_does_not_reach_a_server_that_is_importing(self, tmp_path: Path) -> None:
        (tmp_path / "slow.py").write_text(SLOW)
        process = process_of(PREPARED, tmp_path)
        wait_for((tmp_path / "importing").exists)
        os.killpg(process.pid, signal.SIGINT)
        assert process.communicate(timeout=30) == ("FINISHED\n", "")
