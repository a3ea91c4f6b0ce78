"""One job inside the worker of another launcher: joblib, Ray, Slurm, or an optimiser's own.

It runs in a child process of the worker, so what it does to its process (an exit, no memory left)
stays with that job, and the next one begins with a clean process. The child's end is recorded here.
"""

from collections.abc import Sequence

from gausspg.records.parameters import Composed
from gausspg.sweeps.ending import JobError, raise_interruption, record_killed
from gausspg.sweeps.jobs import Job, run_jobs
from gausspg.sweeps.program import Program


def run_isolated(program: Program, composed: Composed, overrides: Sequence[str]) -> float:
    """Run one job and return its score.

    Raises:
        SettingsError, StoreError: nothing was run.
        JobError: it did not finish.
        KeyboardInterrupt, Terminated: this process was asked to stop.
    """
    program.check([composed])
    request = program.request(composed, overrides)
    outcome = run_jobs([Job(0, request.name, request)], program.run_job, 1, program.preload)
    record_killed(outcome.results)
    raise_interruption(outcome)
    (result,) = outcome.results
    if result.status != "FINISHED" or result.value is None:
        raise JobError(result.error)
    score = program.score(result.value)
    print(f"{request.name}: return {score:.1f}, run id {result.run_id}, folder {request.folder}")
    return score
