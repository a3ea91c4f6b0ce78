"""From composed configurations to finished runs: checks, the store, the processes, the table."""

import gc
import shlex
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from gausspg.envs.answers import EnvironmentFailedError
from gausspg.records import existing, provenance, stores
from gausspg.records.identity import Identity, identify
from gausspg.records.parameters import Composed
from gausspg.sweeps import preload, worker
from gausspg.sweeps.jobs import Event, Job, Outcome, Result, Started, cores, run_jobs
from gausspg.sweeps.labels import of_sweep, varying
from gausspg.sweeps.outcomes import set_right
from gausspg.sweeps.progress import Progress, display, summary_table
from gausspg.tracking import (
    Store,
    StoreError,
    SweepRecorder,
    is_server,
    location,
    sweep_tags,
)
from gausspg.tracking.termination import Terminated, terminate_as_exception
from gausspg.training.build import SettingsError
from gausspg.training.memory import nothing_collected
from gausspg.training.settings import Settings, check

SCORE = "eval/final_deterministic_return_mean"
_STOCHASTIC = "eval/final_stochastic_return_mean"
_BEST = "eval/best_deterministic_return_mean"
# Words in the order in which others bring them along: an estimator its learner, that its squash.
_BROUGHT = ("squash", "learner", "policy", "variance", "estimator", "env")
_AXES = ("env", "policy", "variance", "squash", "estimator", "learner")
_TOLD: dict[existing.Action, str] = {
    "skip": "are finished already and do not run again (existing=rerun runs them)",
    "resume": "were interrupted and go on from their last checkpoint",
    "leave": "are running elsewhere and are left alone",
}
FINISHED, SOME_FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130
_FORESEEN = (ArithmeticError, EnvironmentFailedError, OSError, SettingsError, StoreError)


def launch(composed: Sequence[Composed], command: Sequence[str]) -> int:
    """Check all configurations, then train them; return the exit status.

    Args:
        composed: resolved configuration and axis words of each run.
        command: as typed, recorded with each run.
    """
    # Much is imported here: to search it again and again, and once more at the very end, would
    # take seconds.
    try:
        with nothing_collected():
            settings = _check_all(composed)
            is_sweep = of_sweep(composed)
            store = stores.store_of(settings[0].tracking)
            typed = provenance.without_credentials(shlex.join(command))
            wanted = _look_up(composed, settings[0].existing, store, typed, alone=not is_sweep)
    except (SettingsError, StoreError) as error:
        print(f"error: {error}", file=sys.stderr)
        return REFUSED
    finally:
        gc.freeze()
    stopped_by = None
    if is_sweep:
        status = _Sweep(wanted, settings, store, typed).run()
    else:
        status, stopped_by = _run_single(wanted[0], store, typed)
    print(f"\nBrowse the runs:  {_browser(store)}", flush=True)
    if stopped_by is not None:
        print(f"error: {stopped_by}", file=sys.stderr)
    return status


def _browser(store: Store) -> str:
    """Say how to see the runs in MLflow's UI, in its part for trained models."""
    path = f"/#/experiments/{store.experiment_id}/runs?workflowType=machine_learning"
    if is_server(store.uri):
        return store.uri.rstrip("/") + (path if store.experiment_id is not None else "")
    return f"mlflow ui --backend-store-uri {store.uri}\n{18 * ' '}http://127.0.0.1:5000{path}"


def launch_one(
    config: Mapping[str, Any], words: Mapping[str, str], command: Sequence[str]
) -> float:
    """Train one run here and now and return its score, for launchers and sweepers of others.

    Args:
        config: resolved configuration.
        words: of the axes.
        command: that trains this run alone, recorded with it.

    Raises:
        SettingsError, StoreError: nothing was trained.
        Exception: whatever stopped the run; it is recorded.
    """
    settings = check(config)
    store = stores.store_of(settings.tracking)
    typed = provenance.without_credentials(shlex.join(command))
    wanted = _look_up([(config, words)], settings.existing, store, typed, alone=False)[0]
    if wanted.known is not None and wanted.action == "skip":
        return wanted.known.metrics[SCORE]
    if wanted.known is not None and wanted.action == "leave":
        raise StoreError(f"run {wanted.known.run_id}, the same one, is at work elsewhere")
    request = _request(wanted, store, location.runs(), {"command": typed}, None)
    run_ids: list[str] = []

    def report(message: object) -> None:
        if isinstance(message, Started):
            run_ids.append(message.run_id)

    with terminate_as_exception():
        score = worker.run(request, report)[SCORE]
    print(f"{request.name}: return {score:.1f}, run id {run_ids[0]}, folder {request.folder}")
    return score


def _check_all(composed: Sequence[Composed]) -> list[Settings]:
    remarks: dict[str, None] = {}
    for config, _ in composed:
        remarks |= dict.fromkeys(worker.refuse_what_cannot_work(config))
    for remark in remarks:
        print(f"note: {remark}", file=sys.stderr)
    settings = [check(config) for config, _ in composed]
    for name in ("tracking", "jobs", "sweep_name", "existing"):
        if any(getattr(one, name) != getattr(settings[0], name) for one in settings):
            raise SettingsError(f"{name} differs between the runs of one sweep: give one value")
    return settings


@dataclass(frozen=True)
class _Wanted:
    """One run that is asked for, what is recorded of it, and what follows."""

    composed: Composed
    identity: Identity
    known: existing.Existing | None
    action: existing.Action


def _look_up(
    composed: Sequence[Composed], rule: existing.Rule, store: Store, command: str, alone: bool
) -> list[_Wanted]:
    """Compare what is asked for with what is recorded, and say what is not going to be trained."""
    found = existing.find(location.runs(), store)
    known = existing.by_key(found)
    wanted = []
    for one in composed:
        identity = identify(one[0])
        same = known.get(identity.key)
        if same is not None and existing.is_deleted(same, store):
            same = None  # Whoever did that wants it no more.
        wanted.append(_Wanted(one, identity, same, existing.action(rule, alone, same)))
    counts = Counter(one.action for one in wanted)
    for action, told in _TOLD.items():
        if counts[action]:
            print(f"{counts[action]} of {len(wanted)} runs {told}")
    anew = [(one.composed, one.identity) for one in wanted if one.action == "train"]
    for reason, count in Counter(existing.why_anew(anew, command, found)).items():
        if reason is not None:
            print(f"{count} of {len(wanted)} runs are recorded, but {reason} changed: trained anew")
    return wanted


def _request(
    wanted: _Wanted, store: Store, folder: Path, tags: Mapping[str, str], parent: str | None
) -> worker.Request:
    config, words = wanted.composed
    axis_words = [words[axis] for axis in _AXES if axis in words]
    name = "-".join([*axis_words, f"seed{config['seed']}"])
    # The time sorts the folders; the random end keeps apart what begins in the same second.
    unique = f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:12]}"
    resume = wanted.action == "resume" and wanted.known is not None
    path = wanted.known.folder if resume and wanted.known else folder / f"{unique}-{name}"
    tags = {**tags, **_identity_tags(wanted.identity)}
    origin = provenance.collect(config, tags["command"])
    tags |= {"commit": origin["commit"] or "none", "dirty": str(origin["dirty"]).lower()}
    return worker.Request(
        config, words, name, path, tags, store, parent, wanted.identity, origin,
        provenance.source().patch, resume,
    )  # fmt: skip


def _identity_tags(identity: Identity) -> dict[str, str]:
    parts = {f"identity.{name}": value for name, value in asdict(identity).items()}
    return {"identity": identity.key, **parts}


def _run_single(wanted: _Wanted, store: Store, command: str) -> tuple[int, str | None]:
    """Train one run here; return the exit status, and what stopped it."""
    if wanted.action in ("skip", "leave") and wanted.known is not None:
        print(f"folder: {wanted.known.folder}\nrun id: {wanted.known.run_id}")
        return FINISHED if wanted.action == "skip" else SOME_FAILED, None
    request = _request(wanted, store, location.runs(), {"command": command}, None)
    label = _labels([wanted.composed])[0]
    job = Job(0, " ".join(str(value) for value in label.values()), request)
    result = Result(job)
    begin = time.monotonic()
    with display([job]) as view:

        def report(message: object) -> None:
            if isinstance(message, Started):
                result.run_id = message.run_id
            elif isinstance(message, Progress):
                view.update(0, message)

        try:
            with terminate_as_exception():
                result.value = worker.run(request, report)
            result.status = "FINISHED"
        except (KeyboardInterrupt, Terminated):
            result.status = "KILLED"
        except (
            ArithmeticError,
            EnvironmentFailedError,
            OSError,
            SettingsError,
            StoreError,
        ) as error:
            # What a run can foresee is told in one line; a fault of the code shows its traceback.
            result.status, result.error = "FAILED", str(error)
        result.seconds = time.monotonic() - begin
        view.finished(0, result)
    print(f"\n{request.name}")
    _print_table([_row(result, {"seed": label["seed"]})], ["seed"])
    print(f"folder: {request.folder}\nrun id: {result.run_id}")
    status = {"FINISHED": FINISHED, "KILLED": INTERRUPTED}.get(result.status, SOME_FAILED)
    return status, result.error


class _Sweep:
    """The runs of one sweep, each in a process of its own."""

    def __init__(
        self,
        wanted: Sequence[_Wanted],
        settings: Sequence[Settings],
        store: Store,
        command: str,
    ) -> None:
        composed = [one.composed for one in wanted]
        words = composed[0][1]
        self._name = settings[0].sweep_name or words.get("sweep", "sweep")
        self._id = f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:4]}"
        self._folder = location.runs() / f"{self._id}-{self._name}"
        self._wanted, self._store, self._command = wanted, store, command
        self._workers = settings[0].jobs or cores()
        self._labels = _labels(composed)

    def run(self) -> int:
        """Train all, print and record the table, return the exit status."""
        recorder = SweepRecorder(
            self._store, self._folder, self._name, self._id,
            {"runs": len(self._wanted)}, {"command": self._command},
        )  # fmt: skip
        statuses: list[str] = []
        try:
            with terminate_as_exception(), recorder:
                recorder.plan(self._plan())
                outcome = self._run_children(recorder.run_id)
                results = zip(outcome.results, self._labels, strict=True)
                rows = [_row(result, label) for result, label in results]
                statuses = [result.status for result in outcome.results]
                # First for the eyes: a store or a disk that fails now must not cost the table.
                _print_table(rows, self._labels[0])
                print(f"sweep {self._name} ({self._id}): {self._folder}")
                recorder.summarise(rows, statuses, outcome.interrupted)
        except (StoreError, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            return SOME_FAILED if statuses else REFUSED
        except (KeyboardInterrupt, Terminated):
            return INTERRUPTED
        if outcome.interrupted:
            return INTERRUPTED
        return FINISHED if set(statuses) == {"FINISHED"} else SOME_FAILED

    def _plan(self) -> list[dict[str, object]]:
        # All words, also those that the jobs share: the next sweep of this name may have others.
        return [
            {axis: one.composed[1][axis] for axis in _AXES if axis in one.composed[1]} | label
            for one, label in zip(self._wanted, self._labels, strict=True)
        ]

    def _run_children(self, parent_run_id: str) -> Outcome:
        tags = sweep_tags(self._name, self._id) | {"command": self._command}
        results: list[Result] = []
        for index, (one, label) in enumerate(zip(self._wanted, self._labels, strict=True)):
            request = _request(one, self._store, self._folder, tags, parent_run_id)
            name = " ".join(f"{key}={value}" for key, value in label.items())
            results.append(_known_result(one, Job(index, name, request)))
        jobs = [one.job for one in results if one.status == "NOT_STARTED" and one.error is None]
        with display(jobs) as view:

            def on_event(event: Event) -> None:
                if event.kind == "report" and isinstance(event.value, Progress):
                    view.update(event.job.index, event.value)
                elif event.kind == "ended":
                    view.finished(event.job.index, event.value)

            outcome = run_jobs(jobs, worker.run_job, self._workers, preload.TRAINING, on_event)
        set_right(self._store, outcome.results)
        for result in outcome.results:
            results[result.job.index] = result
        return replace(outcome, results=results)


def _known_result(wanted: _Wanted, job: Job) -> Result:
    """Return the result of a job that does not run, or one that is still to come."""
    if wanted.known is None or wanted.action in ("train", "resume"):
        return Result(job)
    run_id = wanted.known.run_id
    if wanted.action == "skip":
        return Result(job, "FINISHED", wanted.known.metrics, run_id=run_id)
    return Result(job, error="running elsewhere", run_id=run_id)


def _row(result: Result, label: Mapping[str, object]) -> dict[str, object]:
    metrics = result.value or {}
    return {
        **label,
        "return": metrics.get(SCORE),
        "with noise": metrics.get(_STOCHASTIC),
        "best": metrics.get(_BEST),
        "status": result.status,
        "seconds": round(result.seconds, 1),
        "run_id": result.run_id,
        "error": result.error,
    }


def _print_table(rows: Sequence[Mapping[str, object]], label: Iterable[str]) -> None:
    columns = [*label, "return", "with noise", "best", "status", "seconds"]
    if any(row["error"] for row in rows):
        columns.append("error")
    print(
        "\nmean return of the last policy, of the same with its noise, and of the best one during "
        "training;\non fresh episodes"
    )
    summary_table(rows, columns)


def _labels(composed: Sequence[Composed]) -> list[dict[str, object]]:
    """Return what tells the runs apart, and the seed always."""
    if len(composed) == 1:
        config, words = composed[0]
        return [{"env": words["env"], "seed": config["seed"]}]
    # What is measured beside the training tells runs apart and is no part of their name.
    return varying(composed, (*_AXES, "diagnostics"), ("diagnostics", *_BROUGHT))
