"""The runs of a sweep that an analysis is about."""

import pandas as pd

from gausspg.tracking import find_runs


def latest_finished(uri: str, sweep: str) -> pd.DataFrame:
    """Return the finished runs of the latest sweep of that name, see `find_runs`.

    Raises:
        SystemExit: there is none; the message lists the sweeps there are.
    """
    runs = find_runs(uri, sweep=sweep)
    runs = runs[runs["sweep_id"] == runs["sweep_id"].iloc[-1]] if len(runs) else runs
    finished = runs[runs["status"] == "FINISHED"].copy()
    if finished.empty:
        known = sorted(find_runs(uri)["sweep"].dropna().unique())
        raise SystemExit(f"no finished run of sweep {sweep}; there are: {', '.join(known) or '-'}")
    if len(finished) < len(runs):
        print(
            f"warning: {len(runs) - len(finished)} of {len(runs)} runs are not finished: left out"
        )
    return finished
