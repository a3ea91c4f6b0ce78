"""Record a sweep as the parent run of its jobs, with its plan and its summary table."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from gausspg.tracking.recorder import Recorder
from gausspg.tracking.runs import FinalStatus, Parameter
from gausspg.tracking.store import Store


def sweep_tags(sweep: str, sweep_id: str) -> dict[str, str]:
    """Return the tags that all runs of a sweep carry, parent and children."""
    return {"sweep": sweep, "sweep_id": sweep_id}


class SweepRecorder(Recorder):
    """A `Recorder` for the sweep as a whole, entered before any of its jobs starts.

    Children are recorded with `parent_run_id=<this>.run_id` and `sweep_tags(sweep, sweep_id)`. The
    tag `kind=sweep` marks the parent. `summarise` sets its status; a sweep that ends without it
    counts as FAILED.
    """

    def __init__(
        self,
        store: Store,
        folder: Path,
        sweep: str,
        sweep_id: str,
        params: Mapping[str, Parameter],
        tags: Mapping[str, str] | None = None,
    ) -> None:
        own = {**(tags or {}), **sweep_tags(sweep, sweep_id), "kind": "sweep"}
        super().__init__(store, folder, sweep, params, own)
        self.set_final_status("FAILED", "the sweep ended without a summary")

    def plan(self, rows: Sequence[Mapping[str, object]]) -> None:
        """Record as `plan.json` one row per job: its words, its label and its seed.

        A reader sees by it which jobs are missing.
        """
        self.text("plan.json", json.dumps(list(rows)))

    def summarise(
        self,
        rows: Sequence[Mapping[str, object]],
        statuses: Sequence[str],
        interrupted: bool,
        note: str = "",
    ) -> None:
        """Record one row per job as `summary.csv`, `summary.md` and a table in the UI.

        `statuses` are those of the jobs: the sweep is KILLED if it was interrupted, FINISHED if
        all jobs finished, else FAILED. Rows may differ in their keys; a missing cell is empty.
        `note` is what MLflow's page says of the sweep.
        """
        if note:
            self.describe(note)
        columns = list(dict.fromkeys(key for row in rows for key in row))
        self.text("summary.csv", _as_csv(columns, rows))
        self.text("summary.md", markdown(columns, rows))
        if columns:
            cells = {key: [_plain(row.get(key)) for row in rows] for key in columns}
            self.table("summary.json", cells)
        self.set_final_status(*_overall(statuses, interrupted))


def _overall(statuses: Sequence[str], interrupted: bool) -> tuple[FinalStatus, str | None]:
    unfinished = sum(status != "FINISHED" for status in statuses)
    error = f"{unfinished} of {len(statuses)} jobs did not finish"
    if interrupted:
        return "KILLED", f"interrupted; {error}"
    return ("FAILED", error) if unfinished else ("FINISHED", None)


def _as_csv(columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def markdown(columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> str:
    """Return a table in Markdown."""
    lines = [columns, ["---"] * len(columns)]
    lines += [[_cell(row.get(key)) for key in columns] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return " ".join(text.replace("|", "\\|").split())


def _plain(value: object) -> object:
    """A value that JSON holds: the table is shown, not computed with."""
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
