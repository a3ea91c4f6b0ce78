"""Hydra's sweeper for a grid of jobs that are planned, recorded and tabulated as one.

Whichever launcher is chosen runs them: this machine's own (`launcher`), joblib, Ray or Slurm.
"""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn
from hydra.utils import get_object

from gausspg.sweeps.command import as_typed
from gausspg.sweeps.configurations import drawn, of_cell
from gausspg.sweeps.launcher import Launcher, compose

if TYPE_CHECKING:
    from gausspg.sweeps.program import Program


class Sweeper(BasicSweeper):
    """Composes and checks all jobs before any of them is run.

    Args:
        program: dotted name of the kind of jobs.
        max_batch_size: largest number of jobs that the launcher is given at once.
        params: the grid, setting -> values.
        random, configurations, first_seed, cells: see `gausspg.sweeps.configurations`.
    """

    def __init__(
        self,
        program: str,
        max_batch_size: int | None = None,
        params: dict[str, str] | None = None,
        random: dict[str, list[float]] | None = None,
        configurations: int = 8,
        first_seed: int = 1000,
        cells: dict[str, str] | None = None,
    ) -> None:
        super().__init__(max_batch_size, params)
        self._program = program
        self._random, self._cells = random or {}, cells or {}
        self._configurations, self._first_seed = configurations, first_seed

    def sweep(self, arguments: list[str]) -> Any:
        """Run all jobs; leave the process with the sweep's exit status.

        Raises:
            HydraException, SettingsError, StoreError: nothing was run.
            SystemExit: with the status of the sweep.
        """
        assert self.hydra_context is not None and self.config is not None
        loader = self.hydra_context.config_loader
        parser = OverridesParser.create(config_loader=loader)
        overrides = parser.parse_overrides([*self._parse_config(), *arguments])
        (grid,) = self.split_arguments(overrides, max_batch_size=None)
        jobs = self._with_configurations(grid)
        print(f"{len(jobs)} runs: composing them, loading torch and MLflow", flush=True)
        composed = [compose(self.hydra_context, self.config, job) for job in jobs]
        program = self._import_program()
        from gausspg.sweeps.sweep import Sweep

        def launch(numbers: Sequence[int], folders: Sequence[str]) -> list[JobReturn]:
            pairs = zip(numbers, folders, strict=True)
            return self._launch([[*jobs[number], folder] for number, folder in pairs])

        sys.exit(Sweep(program, composed, as_typed(program.script)).run(launch))

    def _with_configurations(self, grid: Sequence[Sequence[str]]) -> list[list[str]]:
        """Put before the overrides of each job, which win, those that are not of the grid."""
        jobs = [[*of_cell(job, self._cells), *job] for job in grid]
        if not self._random:
            return jobs
        points = drawn(self._random, self._configurations, self._first_seed)
        return [[*point, *job] for job in jobs for point in points]

    def _import_program(self) -> "Program":
        from gausspg.sweeps import preload
        from gausspg.sweeps.jobs import prepare

        if isinstance(self.launcher, Launcher):
            # Before torch is imported here: what the server of the jobs imports takes as long.
            prepare(preload.MODULES[self._program])
        program: Program = get_object(self._program)
        return program

    def _launch(self, jobs: Sequence[list[str]]) -> list[JobReturn]:
        """Hand the jobs to the launcher, in batches where a largest one is set."""
        assert self.launcher is not None
        size = self.max_batch_size or len(jobs)
        returns: list[JobReturn] = []
        for first in range(0, len(jobs), size):
            returns += self.launcher.launch(jobs[first : first + size], initial_job_idx=first)
        return returns
