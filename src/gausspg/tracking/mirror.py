"""The thread that copies a run's folder to the tracking store while the run goes on.

Input: the run's `metrics.jsonl`, whose complete lines are sent in batches, and a queue of tasks (an
artifact, a tag, the final status). While the store is unreachable the thread retries with growing
pauses, from the first byte not yet acknowledged. Points carry the time of their line and MLflow
keeps one copy of equal points, so a retry does no harm.
"""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gausspg.tracking.client import first_line

BATCH = 1000
"""The largest number of metrics MLflow takes in one request."""

SEND_SECONDS = 5.0
"""How long metrics collect before they are sent."""

# Limits the backlog of a store that becomes reachable again before the end of the run.
_LONGEST_PAUSE_SECONDS = 10.0
_CLOSING_PAUSE_SECONDS = 0.25
_LAST_TASKS_SECONDS = 2.0
# At the end of a run a store that accepts nothing for so long counts as unreachable.
_UNREACHABLE_SECONDS = 2.0
_LAST_TRY_SECONDS = 0.5


FINAL_TABLE = "final.json"
_AT_END = ("eval/final_", "eval/best_")
_COMPARED = {
    "eval/final_deterministic_return_mean", "eval/final_stochastic_return_mean",
    "eval/final_deterministic_solved_share", "eval/best_deterministic_return_mean",
}  # fmt: skip


@dataclass(frozen=True)
class Point:
    """One value of one metric; `time` in seconds since the epoch."""

    key: str
    value: float
    step: int
    time: float


@dataclass(frozen=True)
class Task:
    """Another write to the store; `label` names it in messages about unsent data."""

    label: str
    action: Callable[[], object]


class Mirror(threading.Thread):
    """Sends what a run has written; `close` ends it and tells whether anything is unsent.

    `send(points)` must raise if the store did not accept them. Only this thread calls `send` and
    the tasks, so no error of a store is raised in the run's own thread.
    """

    def __init__(
        self,
        path: Path,
        send: Callable[[Sequence[Point]], None],
        every: float = SEND_SECONDS,
    ) -> None:
        super().__init__(name="tracking-mirror", daemon=True)
        self.offset = 0
        self.problem: str | None = None
        self._path = path
        self._send = send
        self._every = every
        self._tasks: deque[Task] = deque()
        self._closing = threading.Event()
        self._deadline = float("inf")
        self._taken = 0
        self._failed = False

    def add(self, task: Task) -> None:
        """Queue a task for after the metrics written so far."""
        self._tasks.append(task)

    def close(self, seconds: float) -> bool:
        """Send the rest within about `seconds`; return True if nothing is unsent.

        A store that accepts nothing counts as unreachable and is given up earlier. One that failed
        at the last attempt is tried once more, and given the full time only if it answers.
        """
        taken, self._deadline = self._taken, time.monotonic() + seconds
        self._closing.set()
        if self._failed:
            self.join(timeout=min(seconds, _LAST_TRY_SECONDS))
        if self._taken > taken or not self._failed:
            self.join(timeout=seconds + _LAST_TASKS_SECONDS)
        return not self.is_alive() and not self._tasks and self.unsent == 0

    @property
    def unsent(self) -> int:
        """Bytes of the metrics file that the store has not acknowledged."""
        return max(self._path.stat().st_size - self.offset, 0) if self._path.exists() else 0

    @property
    def unsent_tasks(self) -> list[str]:
        """Labels of the tasks still queued."""
        return [task.label for task in list(self._tasks)]

    def run(self) -> None:
        """Send periodically; after `close`, until everything is sent or the time is over."""
        pause = self._every
        while not self._closing.wait(pause):
            self._failed = not self._pass()
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS) if self._failed else self._every
        taken, since = self._taken, time.monotonic()
        while not self._pass() and time.monotonic() < self._deadline:
            if self._taken > taken:
                taken, since = self._taken, time.monotonic()
            elif self._failed or time.monotonic() - since > _UNREACHABLE_SECONDS:
                break
            time.sleep(_CLOSING_PAUSE_SECONDS)

    def _pass(self) -> bool:
        """Try once to send everything; return whether all of it was sent."""
        went_well = self._attempt(self._send_metrics)
        if not went_well and not self._closing.is_set():
            return False
        # At the end, unsent metrics must not keep the final status from being set.
        for task in list(self._tasks):
            if not went_well and time.monotonic() > self._deadline:
                return False
            if self._attempt(task.action):
                self._tasks.remove(task)
                self._taken += 1
            else:
                went_well = False
                if not self._closing.is_set():
                    break
        return went_well

    def _attempt(self, action: Callable[[], object]) -> bool:
        try:
            action()
        except Exception as error:
            self.problem = first_line(error)
            return False
        return True

    def _send_metrics(self) -> None:
        while self._path.exists() and time.monotonic() < self._deadline:
            points, used = read_points(self._path, self.offset)
            if not used:
                return
            for first in range(0, len(points), BATCH):
                self._send(points[first : first + BATCH])
                self._taken += 1
            self.offset += used


def read_points(path: Path, offset: int) -> tuple[list[Point], int]:
    """Read about one batch of complete lines from `offset` on: points, and length in bytes."""
    points: list[Point] = []
    used = 0
    with path.open("rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n") or len(points) >= BATCH:
                break
            points += _points(line)
            used += len(line)
    return points, used


def to_entities(points: Sequence[Point], with_table: bool = True) -> list[Any]:
    """Return the points as MLflow entities.

    Args:
        points: of a run.
        with_table: it has a table for those of `in_table`, which are left out then.
    """
    from mlflow.entities import Metric

    return [
        Metric(p.key, p.value, int(p.time * 1000), p.step)
        for p in points
        if not (with_table and in_table(p.key))
    ]


def in_table(name: str) -> bool:
    """Tell whether a metric of the end is left to the run's table `FINAL_TABLE`.

    As curves of one point each they would fill the charts; the few that runs are compared by stay.
    """
    return name.startswith(_AT_END) and name not in _COMPARED


def _points(line: bytes) -> list[Point]:
    """Return the points of one line; none for an incomplete line (crash, full disk)."""
    try:
        record: Mapping[str, Any] = json.loads(line)
        step, when = int(record["step"]), float(record["time"])
        return [Point(key, float(value), step, when) for key, value in record["metrics"].items()]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []
