"""Measurements: how they are checked, named, made, recorded and tabulated."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import yaml

from gausspg.laboratory import findings
from gausspg.laboratory.measure import measure
from gausspg.laboratory.settings import assemble, check, effective
from gausspg.records.parameters import Composed, parameters
from gausspg.records.stores import configured_store
from gausspg.streams import Streams
from gausspg.sweeps import place, preload
from gausspg.sweeps.command import FINISHED, INTERRUPTED, REFUSED, SOME_FAILED
from gausspg.sweeps.jobs import Job, Report, Started
from gausspg.sweeps.program import Program
from gausspg.sweeps.progress import summary_table
from gausspg.tracking import Recorder, Store, StoreError, location, read_status
from gausspg.tracking.termination import Terminated, terminate_as_exception
from gausspg.training.build import SettingsError

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


class Measuring(Program):
    """Measurements of `src/measure_gradients.py`."""

    script = "src/measure_gradients.py"
    default_name = "gradients"
    axes = ("problem", "policy", "variance", "squash", "estimator")
    carried = ("policy", "squash", "variance", "estimator", "problem")
    preload = preload.MEASURING

    def check(self, composed: Sequence[Composed]) -> None:
        """See `Program.check`: everything that a measurement consists of is built once."""
        for config, _ in composed:
            assemble(check(config))
            place.given_folder(config)

    def open_store(self, config: Mapping[str, Any]) -> Store:
        """See `Program.open_store`."""
        return configured_store(check(config).tracking)

    def request(self, composed: Composed, overrides: Sequence[str]) -> Request:
        """See `Program.request`.

        Raises:
            StoreError: there is a record in the folder already.
        """
        config, words = composed
        name = self.name(words, config)
        folder = place.given_folder(config) or place.new_folder(location.runs_folder(), name)
        if read_status(folder).get("status") == "FINISHED":
            raise StoreError(f"{folder} holds a measurement: leave tracking.folder out")
        tags, parent = place.tags_and_parent(folder, self.script, overrides)
        return Request(config, words, name, folder, tags, self.open_store(config), parent)

    def run_job(self, job: Job, report: Report) -> dict[str, float]:
        """Measure and record what `job.payload` asks for; return the metrics.

        Raises:
            SettingsError, StoreError: see `assemble` and `Recorder`.
        """
        return _run(job.payload, report)

    def score(self, metrics: Mapping[str, float]) -> float:
        """Return the signal-to-noise ratio of one estimate."""
        return metrics["gradient/signal_to_noise"]

    def columns(self, metrics: Mapping[str, float]) -> dict[str, object]:
        """Return what is shown of a measurement."""
        return {head: metrics.get(metric) for head, metric in _SHOWN.items()}

    def print_table(self, rows: Sequence[Mapping[str, object]], names: Sequence[str]) -> None:
        """Print one line per measurement, without columns that say nothing here."""
        shown = [name for name in names if name != "seed" or len(rows) == 1]
        _print(rows, [*shown, *_SHOWN])

    def name(self, words: Mapping[str, str], config: Mapping[str, Any]) -> str:
        """Return the words that matter."""
        return "-".join(words[axis] for axis in self.axes if axis in words and axis != "policy")


MEASURING = Measuring()


def _run(request: Request, report: Report) -> dict[str, float]:
    settings = check(request.config)
    torch.set_num_threads(settings.threads)
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


def run_single(composed: Composed, command: Sequence[str]) -> int:
    """Check a configuration, measure, record and print; return the exit status.

    Args:
        composed: resolved configuration and words.
        command: as typed, recorded with the measurement.
    """
    try:
        MEASURING.check([composed])
        request = MEASURING.request(composed, command[2:])
    except (SettingsError, StoreError) as error:
        print(f"error: {error}", file=sys.stderr)
        return REFUSED
    try:
        with terminate_as_exception():
            numbers = _run(request, lambda _: None)
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
    _print([MEASURING.columns(numbers)], list(_SHOWN))
    print(f"folder: {request.folder}")
    return FINISHED


def _print(rows: Sequence[Mapping[str, object]], heads: list[str]) -> None:
    if any(row.get("error") for row in rows):
        heads = [*heads, "status", "error"]
    known = [head for head in heads if any(row.get(head) is not None for row in rows)]
    # Words want the room: the bias says more than the estimate, and a cosine of 1 nothing.
    if all(row.get("true") is not None for row in rows):
        known.remove("estimate")
    if "cosine" in known and all(_is_one(row.get("cosine")) for row in rows):
        known.remove("cosine")
    summary_table(rows, known)
    print(_LEGEND)


def _is_one(cosine: object) -> bool:
    return isinstance(cosine, float) and cosine > 0.9995
