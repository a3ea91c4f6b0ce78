"""One run from its settings to its record: what happens inside the process of a job."""

import hashlib
import json
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from gausspg.envs import video
from gausspg.records import existing, model, reading, shared
from gausspg.records.identity import Identity
from gausspg.records.parameters import parameters
from gausspg.streams import Streams
from gausspg.sweeps.jobs.child import Started
from gausspg.sweeps.notes import run_note
from gausspg.sweeps.progress import Progress
from gausspg.tracking import (
    FINAL_TABLE,
    PROVENANCE_FILES,
    Recorder,
    Store,
    StoreError,
    in_table,
    read_metrics,
    without_credentials,
    write_atomically,
)
from gausspg.training import factory, trainer
from gausspg.training.assembly import Assembled, assemble
from gausspg.training.settings import Settings, check
from gausspg.training.trainer import Trainer


@dataclass(frozen=True)
class Request:
    """A run to be done; picklable.

    Attributes:
        config: the resolved configuration, plain values.
        words: axis -> word, as on the command line.
        name: for people.
        folder: of the run, made when it begins.
        tags: of the MLflow run.
        store: where it is recorded.
        parent_run_id: the sweep's run, if it belongs to one.
        identity: of the run, see `gausspg.records.identity`.
        provenance: see `gausspg.records.provenance`.
        patch: what leads from the recorded commit to the source.
        action: train; resume the interrupted run in `folder`; or skip: it has finished.
    """

    config: Mapping[str, Any]
    words: Mapping[str, str]
    name: str
    folder: Path
    tags: Mapping[str, str]
    store: Store
    parent_run_id: str | None
    identity: Identity
    provenance: Mapping[str, Any]
    patch: bytes = b""
    action: existing.Action = "train"

    @property
    def resume(self) -> bool:
        """Whether the run in `folder` goes on."""
        return self.action == "resume"


def refuse_what_cannot_work(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Build everything a run consists of once, and throw it away.

    Returns:
        What a person has to know of the environment.

    Raises:
        SettingsError: what would stop the run before its first step, in one line.
    """
    settings = check(config)
    # As in the run. With more, drawing small weight matrices takes many times as long.
    torch.set_num_threads(settings.threads)
    environment = factory.build_environment(settings)
    streams = Streams(settings.seed)
    policy = factory.build_policy(factory.policy_spec(settings, environment), streams)
    factory.build_device(settings)
    # On the CPU in any case: this process need not hold a CUDA context.
    factory.build_learner(settings, environment, policy, streams, torch.device("cpu"))
    return environment.remarks


def run(request: Request, report: Callable[[Any], None]) -> dict[str, float]:
    """Train, record, and return the metrics of the final evaluation, of a finished run at once.

    Args:
        request: what to do.
        report: receives `Started` and then a `Progress` after every iteration.

    Raises:
        SettingsError: see `refuse_what_cannot_work`; nothing is recorded.
        StoreError: the run cannot be recorded; nothing is left behind.
        NonFiniteError, EnvironmentFailedError, OSError: training cannot go on; the run is recorded
            as FAILED.
    """
    if request.action == "skip":
        return read_metrics(request.folder)[-1][1]
    parts = assemble(request.config, request.folder, request.identity.key)
    shown = parameters(_shown(request.config), request.words)
    with Recorder(
        request.store, request.folder, request.name, shown, request.tags,
        request.parent_run_id, resume=request.resume,
    ) as recorder:  # fmt: skip
        report(Started(recorder.run_id))
        recorder.describe(_note(request, recorder))
        if request.resume:
            _go_on(parts.trainer, recorder)
        existing.record_identity(request.folder, request.identity)
        _record_origin(request, recorder)
        recorder.dataset(**dataset(request.config, request.words))
        try:
            metrics = _train(parts.trainer, parts.settings, recorder, report)
        except Exception as error:
            told = without_credentials(" ".join(str(error).split()))
            recorder.describe(_note(request, recorder, error=told))
            raise
        _record_end(request, recorder, metrics)
        _animate(recorder, parts)
    return metrics


def _record_end(request: Request, recorder: Recorder, metrics: Mapping[str, float]) -> None:
    result = reading.record_hashes(request.folder)
    recorder.text(shared.RESULT, json.dumps(result, indent=1) + "\n")
    for name in (trainer.FINAL, trainer.BEST, trainer.EPISODES):
        recorder.artifact(request.folder / name)
    # As text: MLflow's tables keep ten digits of a number.
    table = {name: repr(value) for name, value in metrics.items() if in_table(name)}
    recorder.table(FINAL_TABLE, {"metric": [*table], "value": [*table.values()]})
    for path in model.write(request.folder):
        recorder.artifact(path)
    recorder.describe(_note(request, recorder, metrics))


def _note(
    request: Request,
    recorder: Recorder,
    metrics: Mapping[str, float] | None = None,
    error: str | None = None,
) -> str:
    command = request.tags["command"]
    return run_note(request.words, request.config, command, recorder.run_id, metrics, error)


def dataset(config: Mapping[str, Any], words: Mapping[str, str]) -> dict[str, str]:
    """Return the environment as what a run trains on: name, version, settings and their digest."""
    env = config["env"]
    source = json.dumps(env, sort_keys=True)
    digest = hashlib.sha256(source.encode()).hexdigest()[:8]
    return {
        "name": env.get("id", words["env"]),
        "digest": digest,
        "source_type": "gymnasium",
        "source": source,
    }


def _shown(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration as it is recorded.

    Without the credentials that the address of its store may hold, and without the folder, which
    is where a sweep put this run and no setting of another.
    """
    tracking = {**config["tracking"], "folder": None}
    if isinstance(tracking.get("uri"), str):
        tracking["uri"] = without_credentials(tracking["uri"])
    return {**config, "tracking": tracking}


def _record_origin(request: Request, recorder: Recorder) -> None:
    """Write and send what the run is made of.

    A run that goes on sends again what it wrote when it began: what killed it may have been faster.
    """
    folder = request.folder
    if not (request.resume and (folder / PROVENANCE_FILES[-1]).is_file()):
        config = yaml.safe_dump(_shown(request.config), sort_keys=False)
        origin = json.dumps(request.provenance, indent=1) + "\n"
        for name, content in zip(
            PROVENANCE_FILES, (request.patch, config.encode(), origin.encode()), strict=True
        ):
            if content:
                write_atomically(folder / name, content)
    for path in map(folder.joinpath, PROVENANCE_FILES):
        if path.is_file():
            recorder.artifact(path)


def _go_on(loop: Trainer, recorder: Recorder) -> None:
    """Go on from the latest checkpoint; from the beginning if the run had none yet."""
    if not (recorder.folder / trainer.CHECKPOINT).exists() and not read_metrics(recorder.folder):
        return
    try:
        problem = loop.resume()
    except ValueError as error:
        raise StoreError(str(error)) from error
    if problem is not None:
        print(f"run {recorder.name}: goes on from the checkpoint before the last, {problem}",
              file=sys.stderr)  # fmt: skip
    recorder.verify_repetition_from(loop.points)


def _train(
    loop: Trainer, settings: Settings, recorder: Recorder, report: Callable[[Any], None]
) -> dict[str, float]:
    begin = time.perf_counter()
    metrics: dict[str, float] = {}
    latest: float | None = None
    for step, metrics in loop.run():
        recorder.log(step, metrics)
        latest = metrics.get("train/return_mean", latest)
        rate = step / (time.perf_counter() - begin)
        report(Progress(step, settings.steps, rate, latest))
    return metrics


def _animate(recorder: Recorder, parts: Assembled) -> None:
    settings, environment = parts.settings, parts.environment
    if settings.video.frames == 0:
        return
    path = recorder.folder / "policy.gif"
    try:
        video.save_animation(
            path, parts.policy, environment, parts.streams.integer("evaluation"),
            settings.video.frames, settings.video.width,
        )  # fmt: skip
    except Exception as error:
        # A machine that cannot draw must not cost a training; the run says that it has no picture.
        reason = " ".join(str(error).split()) or type(error).__name__
        warnings.warn(f"no animation of {environment.id}: {reason}", stacklevel=2)
        recorder.set_tag("no_animation", reason)
        return
    recorder.artifact(path)
