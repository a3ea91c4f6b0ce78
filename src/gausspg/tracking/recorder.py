"""Record one job as one MLflow run, with a correct final status.

`Recorder` writes a run's metrics and status into its folder, and a `Mirror` thread copies them to
the store. Once the run has started, nothing the store does delays or stops it.
"""

import json
import os
import sys
import time
import traceback
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from gausspg.tracking.addresses import without_credentials
from gausspg.tracking.client import StoreError, connect, first_line
from gausspg.tracking.folder import (
    MetricsFile,
    make_folder,
    read_description,
    read_metrics,
    read_status,
    remove_folders,
    write_description,
    write_status,
)
from gausspg.tracking.liveness import Claim, host
from gausspg.tracking.mirror import Mirror, Point, Task, to_entities
from gausspg.tracking.registration import register_run
from gausspg.tracking.runs import (
    LONGEST_TAG,
    NOTE,
    PROVISIONAL_ID,
    FinalStatus,
    Parameter,
    create_run,
    delete_run,
    reopen_run,
    send_dataset,
    send_file,
    send_table,
)
from gausspg.tracking.store import Store, is_server
from gausspg.tracking.termination import Terminated, signals_deferred

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

DRAIN_SECONDS = 10.0
"""How long the end of a run waits for its store."""


class Recorder:
    """Context manager: exactly one MLflow run, mirrored from `folder`.

    On entry the run is created with its parameters (as strings, cut at MLflow's limit of 6000
    characters) and tags, `folder/status.json` says RUNNING, and `run_id` is known. If the store
    fails at that moment, `StoreError` is raised and nothing is left behind; if it is a server, the
    run goes on under a provisional id and is registered later (see `registration`). A
    `metrics.jsonl` that is already in the folder is continued, and all of it is sent.

    On exit the status is FINISHED; KILLED after `KeyboardInterrupt` or `Terminated`; FAILED
    after any other exception or a non-zero `SystemExit`, with `traceback.txt` and a tag `error`.
    SIGINT and SIGTERM are deferred while it is written. If the store does not answer
    within `drain_seconds`, one line on stderr says so, and `status.json` lists the unsent data
    (`unsent_from_byte`, `unsent`; otherwise null and an empty list).

    After SIGKILL the parent process has to call `set_status`. SIGTERM is recorded only inside
    `terminate_as_exception`.

    With `resume` the run in the folder is continued, and set to RUNNING in the store. After
    `verify_repetition_from` the next calls of `log` are compared with the recorded lines.
    """

    def __init__(
        self,
        store: Store,
        folder: Path,
        name: str,
        params: Mapping[str, Parameter],
        tags: Mapping[str, str],
        parent_run_id: str | None = None,
        drain_seconds: float = DRAIN_SECONDS,
        resume: bool = False,
    ) -> None:
        self.store = store
        self.folder = folder.absolute()
        self.name = name
        self._params = dict(params)
        self._tags = dict(tags)
        self._parent_run_id = parent_run_id
        self._drain_seconds = drain_seconds
        self._resume = resume
        self._recorded: deque[tuple[int, dict[str, float]]] = deque()
        self._run_id: str | None = None
        self._awaits_store = False
        self._ended = False
        self._conclusion: tuple[FinalStatus, str | None] = ("FINISHED", None)

    @property
    def run_id(self) -> str:
        """The MLflow run id, or the provisional id while the server is unreachable.

        Raises `RuntimeError` before the run has been entered.
        """
        if self._run_id is None:
            raise RuntimeError(f"run {self.name} has no id yet; enter it with a `with` statement")
        return self._run_id

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Append one line to `metrics.jsonl`; the store receives it within seconds.

        NaN and infinities are allowed. Raises `ValueError` for a name MLflow refuses and `OSError`
        naming the file if it cannot be written.
        """
        if self._recorded:
            _compare(self._recorded.popleft(), (step, metrics), self.folder)
        else:
            self._metrics.append(step, metrics)

    def verify_repetition_from(self, line: int) -> None:
        """Expect the next calls of `log` to repeat the metrics file from line number `line` on.

        Lines that are recorded already are compared and not written again.

        Raises `StoreError` if the file has fewer than `line` lines; `log` raises it if its metrics
        differ from the recorded ones.
        """
        recorded = read_metrics(self.folder)
        if len(recorded) < line:
            raise StoreError(
                f"{self._metrics.path} has {len(recorded)} records and its checkpoint comes after "
                f"{line}: the run cannot go on, run it again from the start with existing=rerun"
            )
        self._recorded = deque(recorded[line:])

    def artifact(self, path: Path) -> None:
        """Queue a file below the run's folder for sending, as the artifact of the same name.

        The file must stay in place until the run ends. Raises `FileNotFoundError` if it does not
        exist.
        """
        if not path.is_file():
            raise FileNotFoundError(f"{path} is no file, so it cannot become an artifact")
        name = path.absolute().relative_to(self.folder).as_posix()
        self._queue(
            f"artifact {name}",
            lambda client, run_id: send_file(client, run_id, self.folder, name),
        )

    def text(self, name: str, content: str) -> None:
        """Write `content` to `folder/name` and send that file as an artifact of the same name."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
        self.artifact(path)

    def describe(self, note: str) -> None:
        """Set what MLflow's page says of the run, in Markdown."""
        self.set_tag(NOTE, note)

    def dataset(self, **fields: str) -> None:
        """Queue what the run trains on, with the fields of MLflow's `Dataset`, as its input."""
        write_description(self.folder, dataset=fields)
        self._queue("dataset", lambda client, run_id: send_dataset(client, run_id, fields))

    def set_tag(self, key: str, value: str) -> None:
        """Set a tag in the folder at once, and queue it for sending."""
        value = value[:LONGEST_TAG]
        described = read_description(self.folder)
        if described:  # Runs of older versions have no description.
            write_description(self.folder, tags=described["tags"] | {key: value})
        self._queue(f"tag {key}", lambda client, run_id: client.set_tag(run_id, key, value))

    def table(self, name: str, columns: Mapping[str, Sequence[object]]) -> None:
        """Queue columns as a table for the MLflow UI, the artifact `name` (ending in .json)."""
        path = self.folder / name
        path.write_text(json.dumps(dict(columns)), "utf-8")
        self._queue(f"table {name}", lambda client, run_id: send_table(client, run_id, path))

    def set_final_status(self, status: FinalStatus, error: str | None = None) -> None:
        """Set the status that a normal exit records; by default FINISHED."""
        self._conclusion = (status, error)

    def __enter__(self) -> Self:
        try:
            with signals_deferred():
                self._start()
        except (KeyboardInterrupt, Terminated) as stop:
            self._end_once(*_verdict(stop))
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        verdict = self._conclusion if error is None else _verdict(error)
        text = (
            without_credentials("".join(traceback.format_exception(error)))
            if verdict[0] == "FAILED" and error
            else None
        )
        try:
            self._end_once(*verdict, text)
        except (KeyboardInterrupt, Terminated) as stop:
            # It came before signals were deferred, and is recorded now, or after everything was.
            self._end_once(*_verdict(stop))
            raise

    def _start(self) -> None:
        made = make_folder(self.folder)
        self._claim = Claim(self.folder)
        try:
            self._claim.__enter__()
        except OSError as error:
            remove_folders(made)
            raise StoreError(f"run {self.name} cannot be begun: {first_line(error)}") from error
        try:
            started = time.time()
            self._run_id = self._reopen() if self._resume else self._create(started)
            self._metrics = MetricsFile(self.folder)
            write_status(
                self.folder, status="RUNNING", error=None, name=self.name, run_id=self._run_id,
                store=without_credentials(self.store.uri), pid=os.getpid(), host=host(),
                started=started, ended=None,
                unsent_from_byte=0, unsent=[], awaits_store=self._awaits_store,
            )  # fmt: skip
        except BaseException:
            self._claim.__exit__(None, None, None)
            if self._run_id is not None and not self._resume:
                delete_run(self.store, self._run_id)
            remove_folders(made)
            raise
        self._mirror = Mirror(self._metrics.path, self._send)
        self._mirror.start()

    def _create(self, started: float) -> str:
        write_description(
            self.folder, name=self.name, params=self._params, tags=self._tags,
            parent_run_id=self._parent_run_id, experiment=self.store.experiment,
        )  # fmt: skip
        tags, own_id = dict(self._tags), uuid.uuid4().hex
        if self._parent_run_id is not None:
            tags["mlflow.parentRunId"] = self._parent_run_id
        if not is_server(self.store.uri):
            return create_run(self.store, self.name, self._params, tags, started)
        if self.store.experiment_id is not None:
            try:
                own = tags | {PROVISIONAL_ID: own_id}
                return create_run(self.store, self.name, self._params, own, started)
            except StoreError as error:
                print(f"run {self.name}: goes on without its store: {error}", file=sys.stderr)
        self._awaits_store = True
        return own_id

    def _reopen(self) -> str:
        status = read_status(self.folder)
        tags = dict(read_description(self.folder).get("tags", {}))
        if tags.pop("error", None) is not None:
            write_description(self.folder, tags=tags)
        self._awaits_store = bool(status.get("awaits_store"))
        if not self._awaits_store:
            try:
                reopen_run(self.store, status["run_id"])
            except StoreError as error:
                if not is_server(self.store.uri):
                    raise
                print(f"run {self.name}: goes on without its store: {error}", file=sys.stderr)
        return str(status["run_id"])

    def _queue(self, label: str, action: Callable[["MlflowClient", str], object]) -> None:
        self._mirror.add(Task(label, lambda: action(connect(self.store.uri), self._id_in_store())))

    def _id_in_store(self) -> str:
        """Return the run's id in the store; register the run there if that is still to be done."""
        if self._awaits_store:
            self._run_id = register_run(self.folder, self.store.uri)
            self._awaits_store = False
        return self.run_id

    def _send(self, points: Sequence[Point]) -> None:
        run_id = self._id_in_store()
        connect(self.store.uri).log_batch(run_id, metrics=to_entities(points))

    def _end_once(self, status: FinalStatus, error: str | None, trace: str | None = None) -> None:
        if self._ended:
            return
        with signals_deferred():
            self._end(status, error, trace)
            self._ended = True

    def _end(self, status: FinalStatus, error: str | None, trace: str | None) -> None:
        """Record the end; a full disk or an unreachable store must not hide the run's exception."""
        problems: list[str] = []
        _collect_error(problems, self._metrics.close)
        ended = time.time()
        self._queue("status", lambda client, run_id: client.set_terminated(
            run_id, status, end_time=int(ended * 1000)))  # fmt: skip
        if error is not None:
            self.set_tag("error", error)
        if trace is not None:
            _collect_error(problems, lambda: self.text("traceback.txt", trace))
        all_sent = self._mirror.close(self._drain_seconds)
        unsent_bytes, unsent_tasks = self._mirror.unsent, self._mirror.unsent_tasks
        _collect_error(problems, lambda: write_status(
            self.folder, status=status, error=error, ended=ended,
            unsent_from_byte=self._mirror.offset if unsent_bytes else None, unsent=unsent_tasks,
        ))  # fmt: skip
        if not all_sent:
            lacks = [f"{unsent_bytes} bytes of metrics"] if unsent_bytes else []
            shown = without_credentials(self.store.uri)
            problems.append(
                f"the store {shown} did not take {', '.join(lacks + unsent_tasks)} "
                f"({self._mirror.problem or 'no answer'}); all of it is kept in {self.folder}, and "
                "python src/sync.py sends it when the store answers"
            )
        _collect_error(problems, lambda: self._claim.__exit__(None, None, None))
        for problem in problems:
            print(f"run {self.name}: {problem}", file=sys.stderr)


def _verdict(error: BaseException) -> tuple[FinalStatus, str | None]:
    """Return the status and the one-line message of an exception."""
    if isinstance(error, Terminated):
        return "KILLED", "stopped by SIGTERM"
    if isinstance(error, KeyboardInterrupt):
        return "KILLED", "stopped by SIGINT (Ctrl-C)"
    if isinstance(error, SystemExit):
        return ("FAILED", f"exited with status {error.code}") if error.code else ("FINISHED", None)
    return "FAILED", f"{type(error).__name__}: {first_line(error)}"


def _compare(
    before: tuple[int, Mapping[str, float]], now: tuple[int, Mapping[str, float]], folder: Path
) -> None:
    """Raise `StoreError` if a resumed run does not repeat its recorded metrics."""
    old, new = ({k: v for k, v in one[1].items() if not k.startswith("time/")}
                for one in (before, now))  # fmt: skip
    for name in sorted(old.keys() | new.keys()):
        one, other = old.get(name), new.get(name)
        if before[0] != now[0] or repr(one) != repr(None if other is None else float(other)):
            raise StoreError(
                f"the run does not repeat what it recorded before it was interrupted: {name} at "
                f"step {before[0]} was {one} and is {other} at step {now[0]}; {folder} is left as "
                "it is, run it again from the start with existing=rerun"
            )


def _collect_error(problems: list[str], action: Callable[[], object]) -> None:
    try:
        action()
    except Exception as error:
        problems.append(first_line(error))
