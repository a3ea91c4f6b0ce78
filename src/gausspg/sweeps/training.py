"""Trainings: how they are checked, named, compared with what is recorded, and tabulated."""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gausspg.records import existing, provenance, stores
from gausspg.records.identity import Identity, identify
from gausspg.records.parameters import Composed
from gausspg.sweeps import duplicates, place, preload, worker
from gausspg.sweeps.jobs import Job, Report
from gausspg.sweeps.printed import printed_kept
from gausspg.sweeps.program import Decision, Program
from gausspg.sweeps.progress import summary_table
from gausspg.tracking import Store, StoreError, location, read_status
from gausspg.training.settings import check

SCORE = "eval/final_deterministic_return_mean"
_COLUMNS = {
    "return": SCORE,
    "with noise": "eval/final_stochastic_return_mean",
    "best": "eval/best_deterministic_return_mean",
}
_MESSAGES: dict[existing.Action, str] = {
    "skip": "are finished already and do not run again (existing=rerun runs them)",
    "resume": "were interrupted and go on from their last checkpoint",
    "leave": "are running elsewhere and are left alone",
}


class Training(Program):
    """Runs of `src/run.py`."""

    script = "src/run.py"
    default_name = "sweep"
    # What is measured beside the training tells runs apart and is no part of their name.
    axes = ("env", "policy", "variance", "squash", "estimator", "learner", "diagnostics")
    # An estimator brings its learner along, that its squash.
    carried = ("diagnostics", "squash", "learner", "policy", "variance", "estimator", "env")
    preload = preload.TRAINING
    compared = tuple(_COLUMNS.values())

    def check(self, composed: Sequence[Composed]) -> None:
        """See `Program.check`: everything that a run consists of is built once."""
        remarks: dict[str, None] = {}
        for config, _ in composed:
            remarks |= dict.fromkeys(worker.refuse_what_cannot_work(config))
            place.given_folder(config)
        for remark in remarks:
            print(f"note: {remark}", file=sys.stderr)

    def open_store(self, config: Mapping[str, Any]) -> Store:
        """See `Program.open_store`."""
        return stores.configured_store(check(config).tracking)

    def decide(self, composed: Sequence[Composed], store: Store, command: str) -> list[Decision]:
        """See `Program.decide`; what follows, and what runs twice, is printed."""
        repeated = duplicates.warning(composed, self.labels(composed))
        if repeated is not None:
            print(repeated)
        return look_up(composed, store, command)

    def request(self, composed: Composed, overrides: Sequence[str]) -> worker.Request:
        """See `Program.request`.

        Raises:
            StoreError: the run cannot be recorded where it is to be, or is at work elsewhere.
        """
        config, _ = composed
        store, folder = self.open_store(config), place.given_folder(config)
        if folder is not None:
            identity, status = identify(config), read_status(folder)
            if status and status.get("identity") != asdict(identity):
                raise StoreError(
                    f"{folder} holds another run: leave tracking.folder out for a new folder"
                )
            action: existing.Action = "resume" if status else "train"
            if status.get("status") == "FINISHED":
                action = "skip"
            tags, parent = place.tags_and_parent(folder, self.script, overrides)
            return request_for(composed, identity, store, folder, tags, parent, action)
        tags, _ = place.tags_and_parent(location.runs_folder(), self.script, overrides)
        (decision,) = look_up([composed], store, tags["command"])
        if decision.action == "leave" and decision.known is not None:
            raise StoreError(f"run {decision.known.run_id}, the same one, is at work elsewhere")
        return request_alone(composed, decision, store, tags)

    def run_job(self, job: Job, report: Report) -> dict[str, float]:
        """See `worker.run`; what is printed goes into the run's folder."""
        with printed_kept(job.payload.folder):
            return worker.run(job.payload, report)

    def score(self, metrics: Mapping[str, float]) -> float:
        """Return the mean return of the last policy without noise."""
        return metrics[SCORE]

    def columns(self, metrics: Mapping[str, float]) -> dict[str, object]:
        """Return the mean returns at the end."""
        return {head: metrics.get(name) for head, name in _COLUMNS.items()}

    def print_table(self, rows: Sequence[Mapping[str, object]], names: Sequence[str]) -> None:
        """Print one line per run."""
        heads = [*names, *_COLUMNS, "status", "seconds"]
        if any(row["error"] for row in rows):
            heads.append("error")
        print(
            "\nmean return of the last policy, of the same with its noise, and of the best one "
            "during training;\non fresh episodes"
        )
        summary_table(rows, heads)

    def name(self, words: Mapping[str, str], config: Mapping[str, Any]) -> str:
        """Return the words, the environment's first, and the seed."""
        axes = ("env", "variance", "squash", "estimator", "learner", "policy")
        return " ".join([*(words[axis] for axis in axes if axis in words), f"s{config['seed']}"])


TRAINING = Training()


def look_up(
    composed: Sequence[Composed], store: Store, command: str, alone: bool = False
) -> list[Decision]:
    """Compare trainings with what is recorded, and say which of them are not begun anew.

    Args:
        composed: configuration and words of each, checked.
        store: where they are recorded.
        command: as it is recorded.
        alone: one run was asked for by itself, not by a sweep or an optimiser.

    Raises:
        SettingsError: `existing` forbids it.
    """
    found = existing.find(location.runs_folder(), store)
    known = existing.by_key(found)
    identities = [identify(config) for config, _ in composed]
    decisions = []
    for (config, _), identity in zip(composed, identities, strict=True):
        same = known.get(identity.key)
        if same is not None and existing.is_deleted(same, store):
            same = None  # Whoever did that no longer wants it.
        decisions.append(
            Decision(existing.choose_action(config.get("existing"), alone, same), same)
        )
    counts = Counter(one.action for one in decisions)
    for action, message in _MESSAGES.items():
        if counts[action]:
            print(f"{counts[action]} of {len(composed)} runs {message}")
    anew = [
        pair
        for pair, decision in zip(zip(composed, identities, strict=True), decisions, strict=True)
        if decision.action == "train"
    ]
    for reason, count in Counter(existing.rerun_reasons(anew, command, found)).items():
        if reason is not None:
            print(
                f"{count} of {len(composed)} runs are recorded, but {reason} changed: trained again"
            )
    return decisions


def request_alone(
    composed: Composed, decision: Decision, store: Store, tags: Mapping[str, str]
) -> worker.Request:
    """Return the request of a run that belongs to no sweep."""
    config, words = composed
    folder = place.new_folder(location.runs_folder(), TRAINING.name(words, config))
    if decision.known is not None and decision.action != "train":
        folder = decision.known.folder
    return request_for(composed, identify(config), store, folder, tags, None, decision.action)


def request_for(
    composed: Composed,
    identity: Identity,
    store: Store,
    folder: Path,
    tags: Mapping[str, str],
    parent: str | None,
    action: existing.Action,
) -> worker.Request:
    """Return the request of a run in a folder, with its provenance."""
    config, words = composed
    origin = provenance.collect(config, tags["command"])
    parts = {f"identity.{name}": value for name, value in asdict(identity).items()}
    more = {
        "commit": origin["commit"] or "none", "dirty": str(origin["dirty"]).lower(),
        # By which MLflow's own columns and filters work.
        "mlflow.source.type": "LOCAL", "mlflow.source.name": TRAINING.script,
        "mlflow.source.git.commit": origin["commit"] or "none",
    }  # fmt: skip
    return worker.Request(
        config, words, place.given_name(folder) or TRAINING.name(words, config), folder,
        {**tags, "identity": identity.key, **parts, **more}, store, parent, identity, origin,
        provenance.source().patch, action,
    )  # fmt: skip
