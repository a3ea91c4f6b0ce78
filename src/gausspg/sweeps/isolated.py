"""One job inside the worker of another launcher: joblib, Ray, Slurm, or an optimiser's own.

It runs in a child process of the worker, so what it does to its process (an exit, no memory left)
stays with that job, and the next one begins with a clean process. The worker records the end of a
child that could not; it imports neither torch nor MLflow before.
"""

from collections.abc import Sequence
from pathlib import Path

from hydra.utils import get_object

from gausspg.records.parameters import Composed
from gausspg.sweeps import preload
from gausspg.sweeps.jobs import Event, Job, Report, run_jobs
from gausspg.tracking import Store

Place = tuple[Path, Store]
"""Folder and store of a run."""


def run_isolated(program: str, composed: Composed, overrides: Sequence[str]) -> float:
    """Run one job of a program, which is given by its dotted name, and return its score.

    Raises:
        JobError: it did not finish.
        KeyboardInterrupt, Terminated: this process was asked to stop.
    """
    places: list[Place] = []

    def on_event(event: Event) -> None:
        if event.kind == "report" and isinstance(event.value, tuple):
            places.append(event.value)

    job = Job(0, "job", (program, composed, overrides))
    outcome = run_jobs([job], _run_in_child, 1, preload.MODULES[program], on_event)
    from gausspg.sweeps.ending import JobError, raise_interruption, record_killed

    (result,) = outcome.results
    if places:
        record_killed(result, *places[0])
    raise_interruption(outcome)
    if result.status != "FINISHED" or result.value is None:
        raise JobError(result.error)
    return float(result.value)


def _run_in_child(job: Job, report: Report) -> float:
    """Do the job that `job.payload` describes; report its `Place` before it begins."""
    name, composed, overrides = job.payload
    program = get_object(name)
    program.check([composed])
    request = program.request(composed, overrides)
    report((request.folder, request.store))
    score = float(program.score(program.run_job(Job(0, request.name, request), report)))
    print(f"{request.name}: score {score:.1f}, folder {request.folder}")
    return score
