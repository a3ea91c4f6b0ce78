"""What remains to be recorded once the jobs of a sweep have ended."""

import sys
from collections.abc import Sequence
from typing import Literal

from gausspg.sweeps.jobs import Result
from gausspg.tracking import Store, StoreError, read_status, set_status


def set_right(store: Store, results: Sequence[Result]) -> None:
    """Record the end of runs whose own process had no time to.

    The payload of each job has the run's `folder`. Results get the run id that is found there.
    """
    for result in results:
        folder = result.job.payload.folder
        recorded = read_status(folder)
        # The folder knows the run also where its process was killed before it could report,
        # and by the store's id where it arrived there late.
        result.run_id = recorded.get("run_id") or result.run_id
        if result.run_id is None and result.traceback is not None:
            print(result.traceback, file=sys.stderr)
        if result.run_id is None or recorded.get("status") != "RUNNING":
            continue
        status: Literal["KILLED", "FAILED"] = "KILLED" if result.status == "KILLED" else "FAILED"
        try:
            set_status(store, result.run_id, status, result.error, folder)
        except (StoreError, OSError) as error:
            print(f"warning: {error}", file=sys.stderr)
