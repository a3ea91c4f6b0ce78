"""Find the recorded runs that match requested ones, and decide what to do about each."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from gausspg.records.identity import Identity, relevant_settings
from gausspg.records.parameters import Composed, parameters
from gausspg.tracking import (
    VANISHED,
    Store,
    StoreError,
    has_run,
    is_running,
    is_server,
    read_description,
    read_metrics,
    read_status,
    record_vanished,
    run_folders,
    without_credentials,
    write_status,
)
from gausspg.training.build import SettingsError

# Number of recorded runs in which a change of settings is searched; of changes shown.
_SEARCHED_RUNS, _NAMED = 500, 3

State = Literal["finished", "interrupted", "running"]
Rule = Literal["skip", "rerun", "refuse"] | None
Action = Literal["train", "resume", "skip", "leave"]


@dataclass(frozen=True)
class Existing:
    """A recorded run.

    Attributes:
        identity: of the run.
        folder: of the run.
        run_id: in the store.
        state: `interrupted` means neither finished nor running.
    """

    identity: Identity
    folder: Path
    run_id: str
    state: State

    @property
    def metrics(self) -> dict[str, float]:
        """The last recorded metrics; of a finished run, those of the final evaluation."""
        recorded = read_metrics(self.folder)
        return recorded[-1][1] if recorded else {}


def record_identity(folder: Path, identity: Identity) -> None:
    """Record the identity of the run in `folder`."""
    write_status(folder, identity=asdict(identity))


def find(runs: Path, store: Store) -> list[Existing]:
    """Return the runs recorded below `runs` in the store, oldest first.

    A run whose status is RUNNING but whose process is gone is set to KILLED.
    """
    return [
        found for folder in run_folders(runs) if (found := _read_run(folder, store)) is not None
    ]


def _read_run(folder: Path, store: Store) -> Existing | None:
    status, kept_in = read_status(folder), without_credentials(store.uri)
    hashes, run_id = status.get("identity"), status.get("run_id")
    if run_id is None or without_credentials(str(status.get("store"))) != kept_in:
        return None
    # Tested only if needed: this is done for every recorded run before anything starts.
    if status["status"] == "RUNNING" and not is_running(folder):
        try:
            status = record_vanished(store, folder)
        except (StoreError, OSError) as error:
            print(f"warning: {error}")
            status |= VANISHED
    if not isinstance(hashes, dict):
        return None
    try:
        identity = Identity(**hashes)
    except TypeError:
        # Recorded by another version of the package, whose identity had other parts.
        return None
    states: dict[str, State] = {"RUNNING": "running", "FINISHED": "finished"}
    return Existing(identity, folder, run_id, states.get(status["status"], "interrupted"))


def is_deleted(run: Existing, store: Store) -> bool:
    """Tell whether the run was deleted from the store.

    Raises:
        StoreError: the store cannot be read and is not a server. With an unreachable server the
            answer is False: the folder decides.
    """
    if store.experiment_id is None or read_status(run.folder).get("awaits_store"):
        return False
    try:
        return not has_run(store.uri, run.run_id)
    except StoreError:
        if not is_server(store.uri):
            raise
        return False


def by_key(found: Sequence[Existing]) -> Mapping[str, Existing]:
    """Return one run per identity key: the last finished or running one, else the last."""
    chosen: dict[str, Existing] = {}
    for run in found:
        known = chosen.get(run.identity.key)
        if known is None or run.state != "interrupted" or known.state == "interrupted":
            chosen[run.identity.key] = run
    return chosen


def choose_action(rule: Rule, alone: bool, known: Existing | None) -> Action:
    """Return what to do about a requested run.

    Args:
        rule: the setting `existing`; None: skip, but train a finished run again if it is `alone`.
        alone: whether it was requested as a single run and not in a sweep.
        known: the recorded run of the same identity, if any.

    Raises:
        SettingsError: the rule is `refuse` and there is a recorded run.
    """
    if known is None or rule == "rerun":
        return "train"
    if rule == "refuse":
        raise SettingsError(
            f"existing=refuse and run {known.run_id} is the same ({known.state}): change a "
            "setting, or give existing=skip or existing=rerun"
        )
    if known.state == "running":
        return "leave"
    if known.state == "interrupted":
        return "resume"
    return "train" if rule is None and alone else "skip"


def rerun_reasons(
    asked: Sequence[tuple[Composed, Identity]], command: str, found: Sequence[Existing]
) -> list[str | None]:
    """Return for each requested run why no recorded run matches: what differs from the closest one.

    The closest is the last run of the same configuration; without one, the run of the same command
    with the fewest changed settings. None if nothing differs or there is no such run.

    Args:
        asked: resolved configuration, words, and identity of each requested run.
        command: as it is recorded.
        found: recorded runs, oldest first.
    """
    known = {run.identity.config for run in found}
    # Read once for all requested runs, and only if needed.
    unknown = any(identity.config not in known for _, identity in asked)
    former = list(_of_command(command, found)) if unknown else []
    return [
        _rerun_reason(identity, found)
        if identity.config in known
        else _changed_settings(composed, identity, former)
        for composed, identity in asked
    ]


def _rerun_reason(identity: Identity, found: Sequence[Existing]) -> str | None:
    alike = [run for run in found if run.identity.config == identity.config]
    if any(run.identity == identity for run in alike):
        return None
    return " and ".join(identity.differs_in(alike[-1].identity))


def _of_command(
    command: str, found: Sequence[Existing]
) -> Iterator[tuple[Identity, dict[str, Any]]]:
    """Yield identity and parameters of the last runs of a command."""
    for run in found[-_SEARCHED_RUNS:]:
        described = read_description(run.folder)
        if described.get("tags", {}).get("command") == command:
            yield run.identity, relevant_settings(described["params"])


def _changed_settings(
    composed: Composed, identity: Identity, former: Sequence[tuple[Identity, Mapping[str, Any]]]
) -> str | None:
    config, words = composed
    # Through JSON, as in the recorded file: tuples become lists.
    now = json.loads(json.dumps(parameters(relevant_settings(config), words)))
    fewest: list[str] = []
    others: list[str] = []
    for its_identity, before in former:
        changes = [
            f"{name} {before.get(name)} -> {now.get(name)}"
            for name in sorted(before.keys() | now.keys())
            if before.get(name) != now.get(name)
        ]
        if changes and (not fewest or len(changes) <= len(fewest)):
            fewest = changes
            others = [name for name in identity.differs_in(its_identity) if name != "config"]
    if not fewest:
        return None
    more = f" and {len(fewest) - _NAMED} more" if len(fewest) > _NAMED else ""
    return " and ".join([f"config ({', '.join(fewest[:_NAMED])}{more})", *others])
