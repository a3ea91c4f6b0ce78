"""One sweep: its plan, its run in the store, how its jobs ended, the table and the exit status."""

import shlex
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus

from gausspg.records.parameters import Composed
from gausspg.sweeps import place
from gausspg.sweeps.command import CONF, FINISHED, INTERRUPTED, REFUSED, SOME_FAILED
from gausspg.sweeps.ending import JobError
from gausspg.sweeps.jobs import one_line
from gausspg.sweeps.naming import run_name
from gausspg.sweeps.notes import question_of, sweep_note
from gausspg.sweeps.program import Decision, Program
from gausspg.tracking import (
    Store,
    StoreError,
    SweepRecorder,
    is_running,
    is_server,
    location,
    read_metrics,
    read_status,
    record_vanished,
    share_view,
    without_credentials,
)
from gausspg.tracking.termination import Terminated, terminate_as_exception
from gausspg.training.build import SettingsError

Launch = Callable[[Sequence[int], Sequence[str]], Sequence[JobReturn]]
"""(numbers of the jobs to run, one more override for each) -> how each ended, in this order."""

# One value for all: they say how the sweep as a whole is run and recorded.
_SHARED = ("tracking", "jobs", "sweep_name", "existing")
_POLL_SECONDS = 1.0
_LISTED = 100  # run ids in a view, which MLflow keeps in a tag of 5,000 characters


@dataclass
class Ended:
    """How one job ended; `metrics` are those recorded last, if it finished."""

    status: str = "NOT_STARTED"
    error: str | None = None
    run_id: str | None = None
    seconds: float = 0.0
    metrics: Mapping[str, float] | None = None


class Sweep:
    """The jobs of one command, checked and compared with what is recorded; `run` runs them.

    Raises:
        SettingsError, StoreError: a job cannot be run; nothing has been.
    """

    def __init__(
        self, program: Program, composed: Sequence[Composed], command: Sequence[str]
    ) -> None:
        self._program, self._composed = program, composed
        self._command = without_credentials(shlex.join(command))
        _refuse_differing(composed)
        program.check(composed)
        config, words = composed[0]
        self._name = config["sweep_name"] or Path(words.get("sweep", program.default_name)).name
        self._id = f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:4]}"
        self._folder = location.runs_folder() / f"{self._id}-{self._name}"
        self._store = program.open_store(config)
        self._decisions = program.decide(composed, self._store, self._command)
        self._labels = program.labels(composed)

    def run(self, launch: Launch) -> int:
        """Run all jobs, print and record the table, return the exit status."""
        recorder = SweepRecorder(
            self._store, self._folder, self._name, self._id,
            {"runs": len(self._composed)},
            {"command": self._command, "mlflow.source.type": "LOCAL",
             "mlflow.source.name": self._program.script},
        )  # fmt: skip
        statuses: list[str] = []
        try:
            with terminate_as_exception(), recorder:
                recorder.plan(self._plan())
                ended, interrupted = self._run_jobs(launch)
                rows = [
                    self._row(one, label) for one, label in zip(ended, self._labels, strict=True)
                ]
                statuses = [one.status for one in ended]
                # First for the eyes: a store or a disk that fails now must not cost the table.
                self._program.print_table(rows, list(self._labels[0]))
                print(f"sweep {self._name} ({self._id}): {self._folder}")
                recorder.summarise(rows, statuses, interrupted, self._note(rows))
        except (StoreError, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            return SOME_FAILED if statuses else REFUSED
        except (KeyboardInterrupt, Terminated):
            return INTERRUPTED
        print(f"\nBrowse the runs:  {browser(self._store, self._share_view(rows))}")
        if interrupted:
            return INTERRUPTED
        return FINISHED if set(statuses) == {"FINISHED"} else SOME_FAILED

    def _note(self, rows: Sequence[Mapping[str, object]]) -> str:
        words = self._composed[0][1]
        question = question_of(CONF / "sweep" / f"{words.get('sweep')}.yaml")
        return sweep_note(question, self._command, rows, list(self._program.columns({})))

    def _share_view(self, rows: Sequence[Mapping[str, object]]) -> str | None:
        """Have MLflow list this sweep's runs with its columns first; return the view's key."""
        varied = list(self._labels[0])
        search = f"tags.sweep_id = '{self._id}'"
        if any(decision.action != "train" for decision in self._decisions):
            # What was found recorded carries the id of an earlier sweep.
            ids = ", ".join(f"'{row['run_id']}'" for row in rows[:_LISTED])
            search = f"attributes.run_id IN ({ids})"
        groups = [name for name in varied if name != "seed"]
        compared = self._program.compared
        there = share_view(self._store, self._id, varied, compared, search, groups)
        return self._id if there else None

    def _plan(self) -> list[dict[str, object]]:
        # All words, also those that the jobs share: the next sweep of this name may have others.
        axes = self._program.axes
        return [
            {axis: words[axis] for axis in axes if axis in words} | label
            for (_, words), label in zip(self._composed, self._labels, strict=True)
        ]

    def _row(self, ended: Ended, label: Mapping[str, object]) -> dict[str, object]:
        return {
            **label,
            **self._program.columns(ended.metrics or {}),
            "status": ended.status,
            "seconds": round(ended.seconds, 1),
            "run_id": ended.run_id,
            "error": ended.error,
        }

    def _run_jobs(self, launch: Launch) -> tuple[list[Ended], bool]:
        """Run what is to be run; return how all ended, and whether that was interrupted."""
        ended = [_without_running(decision) for decision in self._decisions]
        numbers = [n for n, one in enumerate(self._decisions) if one.action in ("train", "resume")]
        folders = self._job_folders(numbers)
        before = [read_status(folder).get("started") for folder in folders]
        problem, interrupted = None, False
        returns: Sequence[JobReturn | None] = []
        try:
            if numbers:
                returns = launch(numbers, [place.override(folder) for folder in folders])
        except (KeyboardInterrupt, Terminated):
            interrupted = True
        except Exception as error:
            # A launcher that gave up. What it has begun may still be at work.
            problem = one_line(error)
            print(f"warning: the launcher gave up: {problem}", file=sys.stderr)
        for number, folder, started, returned in zip(
            numbers, folders, before, returns or [None] * len(numbers), strict=True
        ):
            ended[number] = self._find_end(folder, started, returned, problem)
        return ended, interrupted

    def _job_folders(self, numbers: Sequence[int]) -> list[Path]:
        """Return a folder for each job to be run; what is resumed keeps its own."""
        names: dict[Path, str] = {}
        folders = []
        for number in numbers:
            decision = self._decisions[number]
            if decision.action == "resume" and decision.known is not None:
                folders.append(decision.known.folder)
                continue
            name = run_name(self._labels[number], self._program.axes)
            folders.append(place.new_folder(self._folder, name))
            names[folders[-1]] = name
        place.write_names(self._folder, names)
        return folders

    def _find_end(
        self, folder: Path, before: float | None, returned: JobReturn | None, problem: str | None
    ) -> Ended:
        """Look up how a job ended: its folder knows, else what the launcher returned of it."""
        while is_running(folder):
            time.sleep(_POLL_SECONDS)
        status = read_status(folder)
        if status.get("started") == before:
            if returned is None:
                return Ended(error=problem)
            return Ended("FAILED", _error_of(returned))
        if status["status"] == "RUNNING":
            status = self._record_vanished(folder, status)
        recorded = read_metrics(folder) if status["status"] == "FINISHED" else []
        return Ended(
            status["status"], status.get("error"), status.get("run_id"),
            (status.get("ended") or time.time()) - status["started"],
            recorded[-1][1] if recorded else None,
        )  # fmt: skip

    def _record_vanished(self, folder: Path, status: dict[str, Any]) -> dict[str, Any]:
        try:
            return record_vanished(self._store, folder)
        except (StoreError, OSError) as error:
            print(f"warning: {error}", file=sys.stderr)
            return status | {"status": "KILLED"}


def _refuse_differing(composed: Sequence[Composed]) -> None:
    first, _ = composed[0]
    for name in _SHARED:
        if any(config.get(name) != first.get(name) for config, _ in composed):
            raise SettingsError(f"{name} differs between the runs of one sweep: give one value")


def _without_running(decision: Decision) -> Ended:
    """Return how a job stands that is not run; of others it is replaced later."""
    if decision.known is None or decision.action in ("train", "resume"):
        return Ended()
    run_id = decision.known.run_id
    if decision.action == "skip":
        return Ended("FINISHED", run_id=run_id, metrics=decision.known.metrics)
    return Ended(error="running elsewhere", run_id=run_id)


def _error_of(returned: JobReturn) -> str:
    if returned.status != JobStatus.FAILED:
        return "left no record"
    error = returned._return_value
    return str(error) if isinstance(error, JobError) else one_line(error)


def browser(store: Store, view: str | None) -> str:
    """Say how to see the runs in MLflow's UI, in its part for trained models.

    Args:
        store: of the runs.
        view: key of a shared one, see `gausspg.tracking.share_view`; None: MLflow's own.
    """
    shared = f"viewStateShareKey={view}&" if view else ""
    path = f"/#/experiments/{store.experiment_id}/runs?{shared}workflowType=machine_learning"
    uri = without_credentials(store.uri)
    if is_server(uri):
        return uri.rstrip("/") + (path if store.experiment_id is not None else "")
    return f"mlflow ui --backend-store-uri {uri}\n{18 * ' '}http://127.0.0.1:5000{path}"
