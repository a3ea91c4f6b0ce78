"""Hydra's launcher for this machine: a child process for each job, `jobs` at a time."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins import launcher
from hydra.types import HydraContext, TaskFunction
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from gausspg.sweeps.command import plain_values
from gausspg.sweeps.preload import TRAINING_PROGRAM

if TYPE_CHECKING:
    from gausspg.records.parameters import Composed
    from gausspg.sweeps.jobs import Event, Job, Result
    from gausspg.sweeps.program import Program


def compose(context: HydraContext, config: DictConfig, overrides: Sequence[str]) -> "Composed":
    """Return the configuration of one job of a sweep, as plain values, and its words; 0.1 s."""
    job = context.config_loader.load_sweep_config(config, list(overrides))
    return plain_values(job, job.hydra)


class Launcher(launcher.Launcher):
    """Runs the jobs of a batch in child processes of a fork server.

    A job is composed when its turn comes, so the others run meanwhile.
    """

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what `launch` needs; the jobs are those of the sweeper's program, or trainings."""
        self._context, self._config = hydra_context, config

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run a batch; what a job returns is its score, or an error that it is raised with.

        Raises:
            KeyboardInterrupt, Terminated: this process was asked to stop; the jobs have ended.
        """
        from gausspg.sweeps.ending import raise_interruption, record_killed
        from gausspg.sweeps.jobs import Job, cores, run_jobs
        from gausspg.sweeps.progress import Progress, display

        named = OmegaConf.select(self._config, "hydra.sweeper.program")
        program: Program = get_object(named or TRAINING_PROGRAM)
        # Where an optimising sweeper writes what it has found.
        Path(self._config.hydra.sweep.dir).mkdir(parents=True, exist_ok=True)
        first, _ = compose(self._context, self._config, job_overrides[0])
        jobs = [
            Job(index, name, list(overrides))
            for index, (name, overrides) in enumerate(
                zip(names(job_overrides), job_overrides, strict=True)
            )
        ]

        def request(job: "Job") -> Any:
            composed = compose(self._context, self._config, job.payload)
            return program.request(composed, job.payload)

        with display(jobs) as view:

            def on_event(event: "Event") -> None:
                if event.kind == "report" and isinstance(event.value, Progress):
                    view.update(event.job.index, event.value)
                elif event.kind == "ended":
                    view.finished(event.job.index, event.value)

            outcome = run_jobs(
                jobs, program.run_job, first["jobs"] or cores(), program.preload, on_event,
                payload=request,
            )  # fmt: skip
        for result in outcome.results:
            # One that could not be started has its overrides still.
            if not isinstance(result.job.payload, list):
                record_killed(result, result.job.payload.folder, result.job.payload.store)
        raise_interruption(outcome)
        return [
            _returned(program, result, overrides)
            for result, overrides in zip(outcome.results, job_overrides, strict=True)
        ]


def names(job_overrides: Sequence[Sequence[str]]) -> list[str]:
    """Return of each job the overrides that others do not share, and its seed."""
    typed = [[one for one in job if not one.startswith("tracking.")] for job in job_overrides]
    shared = set(typed[0]).intersection(*typed[1:]) if len(typed) > 1 else set()
    return [
        " ".join(one for one in job if one not in shared or one.startswith("seed="))
        for job in typed
    ]


def _returned(program: "Program", result: "Result", overrides: Sequence[str]) -> JobReturn:
    from gausspg.sweeps.ending import JobError

    if result.status == "FINISHED":
        score = program.score(result.value or {})
        return JobReturn(list(overrides), status=JobStatus.COMPLETED, _return_value=score)
    error = JobError(result.error)
    return JobReturn(list(overrides), status=JobStatus.FAILED, _return_value=error)
