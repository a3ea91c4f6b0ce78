"""From composed configurations to recorded measurements and the table of them."""

import shlex
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import yaml

from gausspg.laboratory import findings
from gausspg.laboratory.measure import measure
from gausspg.laboratory.settings import Settings, assemble, check, effective
from gausspg.records.parameters import Composed, parameters
from gausspg.records.provenance import without_credentials
from gausspg.records.stores import store_of
from gausspg.streams import Streams
from gausspg.sweeps import preload
from gausspg.sweeps.jobs import Event, Job, Outcome, Report, Started, cores, run_jobs
from gausspg.sweeps.labels import varying
from gausspg.sweeps.outcomes import set_right
from gausspg.sweeps.progress import summary_table
from gausspg.tracking import (
    Recorder,
    Store,
    StoreError,
    SweepRecorder,
    location,
    sweep_tags,
)
from gausspg.tracking.termination import Terminated, terminate_as_exception
from gausspg.training.build import SettingsError
from gausspg.training.memory import keep_freed_memory

_AXES = ("problem", "policy", "variance", "squash", "estimator")
_BROUGHT = ("policy", "squash", "variance", "estimator", "problem")
FINISHED, SOME_FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130

# Head of a column of the printed table <- metric.
_SHOWN = {
    "true": "gradient/true_norm",
    "estimate": "gradient/estimate_norm",
    "cosine": "gradient/cosine",
    "bias/SE": "gradient/bias_in_standard_errors",
    "variance": "gradient/variance",
    "exact": "gradient/exact_variance",
    "S/N": "gradient/signal_to_noise",
    "cost": "gradient/evaluations_to_unit_signal_to_noise",
    "ns": "time/nanoseconds_per_estimate",
}
_LEGEND = (
    "true, estimate: length of the gradient, and of the mean estimate where that is not known;\n"
    "bias/SE: largest bias of a parameter in standard errors; variance: of one estimate, summed\n"
    "over parameters, and exact where it is known; S/N: squared length of the gradient per\n"
    "variance; cost: evaluations of f until S/N is 1; ns: time of one estimate"
)
PARAMETERS = "parameters.parquet"
"""A run's file with one row per parameter."""
_MOST_LINES = 12


@dataclass(frozen=True)
class Request:
    """One measurement to be made; picklable. Attributes as in `gausspg.sweeps.worker.Request`."""

    config: Mapping[str, Any]
    words: Mapping[str, str]
    name: str
    folder: Path
    tags: Mapping[str, str]
    store: Store
    parent_run_id: str | None


def run(composed: Sequence[Composed], command: Sequence[str]) -> int:
    """Check all configurations, then measure, record and tabulate; return the exit status."""
    try:
        settings = [check(config) for config, _ in composed]
        for one in settings:
            assemble(one)
        store = store_of(settings[0].tracking)
    except (SettingsError, StoreError) as error:
        print(f"error: {error}", file=sys.stderr)
        return REFUSED
    typed = without_credentials(shlex.join(command))
    if len(composed) == 1:
        return _run_single(composed[0], store, typed)
    return _Sweep(composed, settings, store, typed).run()


def run_job(job: Job, report: Report) -> dict[str, float]:
    """Measure and record what `job.payload` asks for; return the metrics.

    Raises:
        SettingsError, StoreError: see `assemble` and `Recorder`.
    """
    request: Request = job.payload
    settings = check(request.config)
    torch.set_num_threads(settings.threads)
    keep_freed_memory()
    problem, policy, recipe = assemble(settings)
    config = effective(request.config)
    shown = parameters(config, request.words)
    with Recorder(
        request.store, request.folder, request.name, shown, request.tags,
        request.parent_run_id,
    ) as recorder:  # fmt: skip
        report(Started(recorder.run_id))
        recorder.text("config.yaml", yaml.safe_dump(config, sort_keys=False))
        found = measure(
            problem, policy, recipe, settings.rows, settings.chunk, Streams(settings.seed)
        )
        numbers = findings.metrics(found)
        recorder.log(found.rows, numbers)
        path = request.folder / PARAMETERS
        pd.DataFrame({"parameter": found.names, **findings.columns(found)}).to_parquet(path)
        recorder.artifact(path)
    return numbers


def _run_single(composed: Composed, store: Store, command: str) -> int:
    request = _request(composed, store, location.runs(), {"command": command}, None)
    told: list[object] = []
    try:
        with terminate_as_exception():
            numbers = run_job(Job(0, request.name, request), told.append)
    except (KeyboardInterrupt, Terminated):
        return INTERRUPTED
    except (ArithmeticError, OSError, SettingsError, StoreError) as error:
        print(f"error: {error}", file=sys.stderr)
        return SOME_FAILED
    table = pd.read_parquet(request.folder / PARAMETERS)
    rows = [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]
    print(request.name)
    summary_table(rows[:_MOST_LINES], list(map(str, table)))
    if len(rows) > _MOST_LINES:
        print(f"and {len(rows) - _MOST_LINES} more in {request.folder / PARAMETERS}")
    print()
    _print([_shown(numbers)])
    print(f"folder: {request.folder}")
    return FINISHED


class _Sweep:
    """The measurements of one command, each in a process of its own."""

    def __init__(
        self, composed: Sequence[Composed], settings: Sequence[Settings], store: Store, command: str
    ) -> None:
        words = composed[0][1]
        self._composed, self._store, self._command = composed, store, command
        self._name = settings[0].sweep_name or Path(words.get("sweep", "gradients")).name
        self._id = f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:4]}"
        self._folder = location.runs() / f"{self._id}-{self._name}"
        self._workers = settings[0].jobs or cores()
        self._labels = varying(composed, _AXES, _BROUGHT)

    def run(self) -> int:
        """Measure all, print and record the table, return the exit status."""
        tags = {"command": self._command}
        recorder = SweepRecorder(
            self._store, self._folder, self._name, self._id, {"runs": len(self._composed)}, tags
        )
        try:
            with terminate_as_exception(), recorder:
                # Also words that are shared: the next sweep of this name may have others.
                recorder.plan(
                    [
                        {axis: words[axis] for axis in _AXES if axis in words} | label
                        for (_, words), label in zip(self._composed, self._labels, strict=True)
                    ]
                )
                outcome = self._measure(recorder.run_id)
                rows = [
                    label | _shown(result.value or {}) | {"status": result.status}
                    | {"error": result.error, "run_id": result.run_id}
                    for result, label in zip(outcome.results, self._labels, strict=True)
                ]  # fmt: skip
                _print(rows)
                print(f"sweep {self._name} ({self._id}): {self._folder}")
                statuses = [result.status for result in outcome.results]
                recorder.summarise(rows, statuses, outcome.interrupted)
        except (StoreError, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            return SOME_FAILED
        except (KeyboardInterrupt, Terminated):
            return INTERRUPTED
        if outcome.interrupted:
            return INTERRUPTED
        return FINISHED if set(statuses) == {"FINISHED"} else SOME_FAILED

    def _measure(self, parent_run_id: str) -> Outcome:
        tags = sweep_tags(self._name, self._id) | {"command": self._command}
        jobs = []
        for index, (one, label) in enumerate(zip(self._composed, self._labels, strict=True)):
            request = _request(one, self._store, self._folder, tags, parent_run_id)
            jobs.append(Job(index, " ".join(f"{k}={v}" for k, v in label.items()), request))
        ended = 0

        def on_event(event: Event) -> None:
            nonlocal ended
            ended += event.kind == "ended"
            if event.kind == "ended" and sys.stderr.isatty():
                end = "\n" if ended == len(jobs) else "\r"
                print(f"{ended} of {len(jobs)} measured", end=end, file=sys.stderr, flush=True)

        outcome = run_jobs(jobs, run_job, self._workers, preload.MEASURING, on_event)
        set_right(self._store, outcome.results)
        return outcome


def _request(
    composed: Composed, store: Store, folder: Path, tags: Mapping[str, str], parent: str | None
) -> Request:
    config, words = composed
    name = "-".join(words[axis] for axis in _AXES if axis in words and axis != "policy")
    unique = f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:12]}"
    return Request(config, words, name, folder / f"{unique}-{name}", tags, store, parent)


def _shown(numbers: Mapping[str, float]) -> dict[str, object]:
    return {head: numbers.get(metric) for head, metric in _SHOWN.items()}


def _print(rows: Sequence[Mapping[str, object]]) -> None:
    heads = [head for head in rows[0] if head not in ("run_id", "status", "error")]
    if any(row.get("error") for row in rows):
        heads += ["status", "error"]
    known = [head for head in heads if any(row.get(head) is not None for row in rows)]
    # Words want the room: the bias says more than the estimate, and a cosine of 1 nothing.
    if all(row.get("true") is not None for row in rows):
        known.remove("estimate")
    if "cosine" in known and all(_is_one(row.get("cosine")) for row in rows):
        known.remove("cosine")
    summary_table(rows, [head for head in known if head != "seed" or len(rows) == 1])
    print(_LEGEND)


def _is_one(cosine: object) -> bool:
    return isinstance(cosine, float) and cosine > 0.9995
