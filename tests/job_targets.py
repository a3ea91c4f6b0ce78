"""What the children of the job and tracking tests run; importable by them as `job_targets`."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from gausspg.sweeps.jobs.child import Job, Report, Started
from gausspg.tracking import Recorder, open_store
from gausspg.tracking.termination import Terminated


def behave(job: Job, report: Report) -> Any:
    """End as the payload says."""
    match job.payload:
        case "return":
            report(("progress", job.index))
            return job.index * 10
        case "raise":
            raise ValueError("first line\nsecond line")
        case "exit":
            sys.exit(3)
        case "exit quietly":
            sys.exit(0)
        case "vanish":
            os._exit(4)
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "unpicklable":
            return lambda: None
        case "environment":
            return os.environ.get("GAUSSPG_TEST_WORD")


def span(job: Job, report: Report) -> tuple[float, float]:
    """Sleep for the payload's seconds; return when it began and ended."""
    began = time.time()
    time.sleep(job.payload)
    return began, time.time()


def wait_to_be_stopped(job: Job, report: Report) -> None:
    """Say that it runs, wait, and note in the payload's folder how it was stopped."""
    folder = Path(job.payload)
    try:
        (folder / f"{job.index}.pid").write_text(str(os.getpid()))
        report("running")
        time.sleep(60)
    except (KeyboardInterrupt, Terminated):
        time.sleep(0.5)  # a second signal in here would lose the note
        (folder / f"{job.index}.stopped").touch()
        raise


def ignore_requests(job: Job, report: Report) -> None:
    """Neither SIGTERM nor Ctrl-C ends this one."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    report("running")
    time.sleep(60)


def open_fresh_store(job: Job, report: Report) -> Any:
    """Open the store in the payload's folder and record a run in it."""
    store = open_store(None, Path(job.payload), "together")
    with Recorder(store, Path(job.payload) / str(job.index), job.name, {}, {}) as recorder:
        recorder.log(1, {"train/loss": float(job.index)})
    return store


def record(job: Job, report: Report) -> None:
    """Record a run in the payload's store until stopped."""
    store, folder = job.payload
    with Recorder(store, folder, job.name, {}, {}) as recorder:
        recorder.log(1, {"train/loss": 1.0})
        report(Started(recorder.run_id))
        report("running")
        time.sleep(60)
