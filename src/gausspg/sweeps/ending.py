"""The end of jobs whose own process could not record it, and the errors jobs end with."""

import signal
import sys
from pathlib import Path
from typing import Literal

from gausspg.sweeps.jobs import Outcome, Result
from gausspg.tracking import Store, StoreError, read_status, set_status
from gausspg.tracking.termination import Terminated


class JobError(RuntimeError):
    """A job did not finish; the message is one line on how it ended."""


def record_killed(result: Result, folder: Path, store: Store) -> None:
    """Record the end of a run whose process was killed; give the result the run id it has."""
    recorded = read_status(folder)
    # The folder knows the run also where its process was killed before it could report, and by
    # the store's id where it arrived there late.
    result.run_id = recorded.get("run_id") or result.run_id
    if result.run_id is None and result.traceback is not None:
        print(result.traceback, file=sys.stderr)
    if result.run_id is None or recorded.get("status") != "RUNNING":
        return
    status: Literal["KILLED", "FAILED"] = "KILLED" if result.status == "KILLED" else "FAILED"
    try:
        set_status(store, result.run_id, status, result.error, folder)
    except (StoreError, OSError) as error:
        print(f"warning: {error}", file=sys.stderr)


def raise_interruption(outcome: Outcome) -> None:
    """Raise what a request to stop means, if there was one while jobs ran."""
    if outcome.interrupted_by == signal.SIGTERM:
        raise Terminated("SIGTERM")
    if outcome.interrupted_by is not None:
        raise KeyboardInterrupt
