"""The runs that are recorded already: which of them are the ones asked for, and how they stand."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from gausspg.records.identity import Identity, counted
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
    record_end,
    run_folders,
    without_credentials,
    write_status,
)
from gausspg.training.build import SettingsError

# A change of settings is looked for in the last runs alone; so many settings are named.
_LOOKED_AT, _NAMED = 500, 3

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
        state: `interrupted` is everything that neither finished nor is at work.
    """

    identity: Identity
    folder: Path
    run_id: str
    state: State

    @property
    def metrics(self) -> dict[str, float]:
        """What it recorded last: of a finished run, the evaluation at the end."""
        recorded = read_metrics(self.folder)
        return recorded[-1][1] if recorded else {}


def mark(folder: Path, identity: Identity) -> None:
    """Record the identity of the run in `folder`."""
    write_status(folder, identity=asdict(identity))


def find(runs: Path, store: Store) -> list[Existing]:
    """Return the runs recorded below `runs` in the store, oldest first, and set their status right.

    A run that its process left RUNNING when it was killed is recorded as KILLED.
    """
    return [found for folder in run_folders(runs) if (found := _look(folder, store)) is not None]


def _look(folder: Path, store: Store) -> Existing | None:
    status, kept_in = read_status(folder), without_credentials(store.uri)
    hashes, run_id = status.get("identity"), status.get("run_id")
    if run_id is None or without_credentials(str(status.get("store"))) != kept_in:
        return None
    # Asked only where it may be: this is done for every recorded run before anything starts.
    if status["status"] == "RUNNING" and not is_running(folder):
        try:
            status = record_end(store, folder)
        except (StoreError, OSError) as error:
            print(f"warning: {error}")
            status |= VANISHED
    if not isinstance(hashes, dict):
        return None
    try:
        identity = Identity(**hashes)
    except TypeError:
        # Of another version of the package, which counted other things: never the same run.
        return None
    states: dict[str, State] = {"RUNNING": "running", "FINISHED": "finished"}
    return Existing(identity, folder, run_id, states.get(status["status"], "interrupted"))


def is_deleted(run: Existing, store: Store) -> bool:
    """Tell whether the store had the run once and has it no more.

    Raises:
        StoreError: the store cannot be read, and is not a server: of one that is away nothing is
            known, and its runs count as they are recorded here.
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
    """Return the run that counts of each identity: the last finished or running, else the last."""
    chosen: dict[str, Existing] = {}
    for run in found:
        known = chosen.get(run.identity.key)
        if known is None or run.state != "interrupted" or known.state == "interrupted":
            chosen[run.identity.key] = run
    return chosen


def action(rule: Rule, alone: bool, known: Existing | None) -> Action:
    """Return what to do about a run of which `known` is recorded.

    Args:
        rule: the setting `existing`; None: skip, but train a finished one again if it is `alone`.
        alone: it was asked for by itself, and not in a sweep.
        known: the recorded run of the same identity, if any.

    Raises:
        SettingsError: the rule refuses it.
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


def why_anew(
    asked: Sequence[tuple[Composed, Identity]], command: str, found: Sequence[Existing]
) -> list[str | None]:
    """Say, of each run that is asked for, what differs from the last one recorded of the same.

    The same is one of the same configuration; else the most similar one of the same command, whose
    settings have changed under it.

    Args:
        asked: resolved configuration and words of each, and the identity it has.
        command: as it is recorded.
        found: recorded runs, oldest first.
    """
    known = {run.identity.config for run in found}
    # Read once for all of them, and only where it is needed.
    unknown = any(identity.config not in known for _, identity in asked)
    former = list(_of_command(command, found)) if unknown else []
    return [
        _why_anew(identity, found)
        if identity.config in known
        else _changed_settings(composed, identity, former)
        for composed, identity in asked
    ]


def _why_anew(identity: Identity, found: Sequence[Existing]) -> str | None:
    alike = [run for run in found if run.identity.config == identity.config]
    if any(run.identity == identity for run in alike):
        return None
    return " and ".join(identity.differs_in(alike[-1].identity))


def _of_command(
    command: str, found: Sequence[Existing]
) -> Iterator[tuple[Identity, dict[str, Any]]]:
    """Yield identity and parameters of the last runs that a command made."""
    for run in found[-_LOOKED_AT:]:
        described = read_description(run.folder)
        if described.get("tags", {}).get("command") == command:
            yield run.identity, counted(described["params"])


def _changed_settings(
    composed: Composed, identity: Identity, former: Sequence[tuple[Identity, Mapping[str, Any]]]
) -> str | None:
    config, words = composed
    # As a file keeps them: tuples become lists.
    now = json.loads(json.dumps(parameters(counted(config), words)))
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
