"""Every job in a child process of its own, a few at a time.

In: jobs (a name and a picklable payload) and a function `target(job, report) -> value`, defined at
the top of an importable module. Out: one `Result` per job, in the order given. What a job does to
its process (an exception, `sys.exit`, SIGKILL, no memory left) happens to that job alone, and its
`Result` says what it was.

Children come from a fork server that has already imported the modules in `preload`, so a further
job starts in milliseconds; where there is no fork server they are spawned. As with everything in
`multiprocessing`, a child imports the file of `__main__` anew: it should be light, or its imports
should be in `preload`. The fork server starts with the first call in a process, of `prepare` or
of `run_jobs`, and lives as long as that process; a later call cannot add to what it has imported.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gausspg.sweeps.jobs.child import Job, Report, Started, one_line
from gausspg.sweeps.jobs.pool import Event, Pool, Result, Status, context
from gausspg.tracking.termination import signals_collected

__all__ = [
    "Event",
    "Job",
    "Outcome",
    "Report",
    "Result",
    "Started",
    "Status",
    "cores",
    "one_line",
    "prepare",
    "run_jobs",
]

GRACE_SECONDS = 20.0
"""How long an interrupted child may take to record itself before it is killed."""


@dataclass(frozen=True)
class Outcome:
    """All results in the order of the jobs, and the signal that interrupted the whole, if any."""

    results: list[Result]
    interrupted_by: signal.Signals | None = None

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C or SIGTERM ended the work early."""
        return self.interrupted_by is not None


def cores() -> int:
    """Return how many jobs can run side by side."""
    # Where it can be known, of this process and not of the machine.
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def prepare(preload: Sequence[str]) -> None:
    """Start the fork server now and return at once; its imports then overlap with what follows."""
    context(preload)


def run_jobs(
    jobs: Sequence[Job],
    target: Callable[[Job, Report], Any],
    workers: int,
    preload: Sequence[str] = (),
    on_event: Callable[[Event], None] = lambda event: None,
    grace_seconds: float = GRACE_SECONDS,
    payload: Callable[[Job], Any] = lambda job: job.payload,
) -> Outcome:
    """Run every job in its own child process, at most `workers` at the same time.

    `on_event` is called in this process, between waits; if it raises, the children are stopped and
    the exception goes on. Ctrl-C or SIGTERM on this process (noticed in the main thread only) sends
    SIGTERM to the children, waits `grace_seconds` for them, kills what is left, and returns an
    `Outcome` that says so; further signals during that time change nothing. No child outlives this
    process, however it ends.

    `payload` makes what a job is given when its turn comes, from the job as it stands in `jobs`.

    Raises `ValueError` for fewer than one worker. A job that cannot even be started (say, its
    payload cannot be pickled) is a FAILED result, not an exception.
    """
    if workers < 1:
        raise ValueError(f"workers={workers} would never start a job; give at least 1")
    pool = Pool(context(preload), target, on_event, [Result(job) for job in jobs], payload)
    with signals_collected() as requests:
        try:
            while (pool.waiting or pool.active) and not requests:
                pool.fill(workers)
                pool.turn()
        finally:
            pool.stop(grace_seconds)
    return Outcome(pool.results, requests[0] if requests else None)
