"""What a sweep has to know of the kind of job it is made of: a training, or a measurement."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from gausspg.records.existing import Action, Existing
from gausspg.records.parameters import Composed
from gausspg.sweeps.jobs import Job, Report
from gausspg.sweeps.naming import distinguishing
from gausspg.tracking import Store


@dataclass(frozen=True)
class Decision:
    """What is to be done about a job, and the recorded run of the same, if there is one."""

    action: Action = "train"
    known: Existing | None = None


class Request(Protocol):
    """What the process of a job is given; picklable."""

    @property
    def name(self) -> str:
        """Of the run, for people."""

    @property
    def folder(self) -> Path:
        """Of the run."""

    @property
    def store(self) -> Store:
        """Where the run is recorded."""


class Program(ABC):
    """One kind of job; its instances are constants of modules.

    Attributes:
        script: entry point, as typed.
        default_name: of a sweep that neither a file nor a setting names.
        axes: words that name a job, in this order.
        carried: the same in the order in which others bring them along.
        preload: modules that a job's process needs.
        compared: metrics that MLflow's list of runs shows first.
    """

    script: ClassVar[str]
    default_name: ClassVar[str]
    axes: ClassVar[tuple[str, ...]]
    carried: ClassVar[tuple[str, ...]]
    preload: ClassVar[tuple[str, ...]]
    compared: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def check(self, composed: Sequence[Composed]) -> None:
        """Refuse what would stop a job before it begins.

        Raises:
            SettingsError: the first thing that is wrong, in one line.
        """

    @abstractmethod
    def open_store(self, config: Mapping[str, Any]) -> Store:
        """Open the store that a checked configuration names.

        Raises:
            StoreError: it cannot be opened.
        """

    def decide(self, composed: Sequence[Composed], store: Store, command: str) -> list[Decision]:
        """Compare jobs with what is recorded; say what will not be run, or not from its beginning.

        Raises:
            SettingsError: a setting forbids to run what is recorded.
        """
        return [Decision() for _ in composed]

    @abstractmethod
    def request(self, composed: Composed, overrides: Sequence[str]) -> Request:
        """Return what `run_job` needs, for a job of a sweep or one of an optimiser.

        Args:
            composed: resolved configuration, checked, and words.
            overrides: by which it was composed.
        """

    @abstractmethod
    def run_job(self, job: Job, report: Report) -> dict[str, float]:
        """Do what `job.payload`, a request, asks for; return the last metrics."""

    @abstractmethod
    def score(self, metrics: Mapping[str, float]) -> float:
        """Return the one number that an optimiser gets of a job."""

    @abstractmethod
    def columns(self, metrics: Mapping[str, float]) -> dict[str, object]:
        """Return the results in a job's row of the table; None for those it has not."""

    @abstractmethod
    def print_table(self, rows: Sequence[Mapping[str, object]], names: Sequence[str]) -> None:
        """Print the table; `names` are the columns that tell the jobs apart."""

    @abstractmethod
    def name(self, words: Mapping[str, str], config: Mapping[str, Any]) -> str:
        """Return the name of one run, for people."""

    def labels(self, composed: Sequence[Composed]) -> list[dict[str, object]]:
        """Return what tells the jobs of a sweep apart, and the seed always."""
        if len(composed) == 1:
            config, words = composed[0]
            return [{self.axes[0]: words[self.axes[0]], "seed": config["seed"]}]
        return distinguishing(composed, self.axes, self.carried)
