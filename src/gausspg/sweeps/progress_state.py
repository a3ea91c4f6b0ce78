"""The state of the runs of a sweep, and the texts by which it is shown."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from gausspg.sweeps.jobs.child import Job
from gausspg.sweeps.jobs.pool import Result


@dataclass(frozen=True)
class Progress:
    """Where a run is. `latest_return` is the mean of its last episodes, None so far."""

    step: int
    total: int
    steps_per_second: float
    latest_return: float | None = None

    @property
    def seconds_left(self) -> float | None:
        """Time left at the present rate; None while there is no rate."""
        if self.steps_per_second <= 0:
            return None
        return max(self.total - self.step, 0) / self.steps_per_second


class ProgressState:
    """Progress of the active runs and results of the ended ones; both displays draw from it."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.names = {job.index: " ".join(job.name.split()) for job in jobs}
        self.active: dict[int, Progress] = {}
        self.ended: dict[int, Result] = {}
        self.began = time.monotonic()

    def total_line(self) -> str:
        """Counts of all runs and the time left for all."""
        failed = sum(result.status != "FINISHED" for result in self.ended.values())
        waiting = len(self.names) - len(self.ended) - len(self.active)
        return (
            f"total: {len(self.ended) - failed} done, {failed} failed, {len(self.active)} running, "
            f"{waiting} waiting, left {clock(self._seconds_left())}"
        )

    def _seconds_left(self) -> float | None:
        """All steps still to do over the present rate of all; runs not begun count as average."""
        running = self.active.values()
        rate = sum(progress.steps_per_second for progress in running)
        if rate <= 0:
            return None
        mean_total = sum(progress.total for progress in running) / len(self.active)
        waiting = len(self.names) - len(self.ended) - len(self.active)
        left = sum(max(progress.total - progress.step, 0) for progress in running)
        return (left + waiting * mean_total) / rate

    def end_line(self, index: int, result: Result) -> str:
        """One line on how a run ended."""
        error = f"  {' '.join(result.error.split())}" if result.error else ""
        return f"{self.names[index]}  {result.status} after {clock(result.seconds)}{error}"


def clock(seconds: float | None) -> str:
    """`h:mm:ss`, or `-:--:--` for an unknown time."""
    if seconds is None:
        return "-:--:--"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def parts(progress: Progress) -> tuple[str, str, str, str]:
    """Share and steps done, rate, latest return, time left; each as text."""
    share = progress.step / progress.total if progress.total else 1.0
    latest = "-" if progress.latest_return is None else f"{progress.latest_return:.1f}"
    return (
        f"{share:4.0%} {progress.step:,} steps",
        f"{progress.steps_per_second:,.0f} steps/s",
        f"return {latest}",
        f"left {clock(progress.seconds_left)}",
    )


def printable(text: str) -> str:
    """The text with blanks for control characters, which would upset a terminal or a log."""
    return "".join(character if character.isprintable() else " " for character in text)
