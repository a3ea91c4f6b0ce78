"""One run by itself, in this process: progress on one line, its results, its exit status."""

import shlex
import sys
import time
from collections.abc import Sequence

from gausspg.envs.answers import EnvironmentFailedError
from gausspg.records.parameters import Composed
from gausspg.sweeps import worker
from gausspg.sweeps.command import FINISHED, INTERRUPTED, REFUSED, SOME_FAILED
from gausspg.sweeps.jobs import Job, Result, Started
from gausspg.sweeps.progress import Progress, display
from gausspg.sweeps.sweep import browser
from gausspg.sweeps.training import TRAINING, look_up, request_alone
from gausspg.tracking import StoreError, share_view, without_credentials
from gausspg.tracking.termination import Terminated, terminate_as_exception
from gausspg.training.build import SettingsError

_VIEW = "runs"
_FORESEEN = (ArithmeticError, EnvironmentFailedError, OSError, SettingsError, StoreError)


def run_single(composed: Composed, command: Sequence[str]) -> int:
    """Check a configuration, then train it; return the exit status.

    Args:
        composed: resolved configuration and axis words.
        command: as typed, recorded with the run.
    """
    try:
        TRAINING.check([composed])
        store = TRAINING.open_store(composed[0])
        typed = without_credentials(shlex.join(command))
        (decision,) = look_up([composed], store, typed, alone=True)
        request = request_alone(composed, decision, store, {"command": typed})
    except (SettingsError, StoreError) as error:
        print(f"error: {error}", file=sys.stderr)
        return REFUSED
    if decision.known is not None and decision.action in ("skip", "leave"):
        print(f"folder: {request.folder}\nrun id: {decision.known.run_id}")
        status = FINISHED if decision.action == "skip" else SOME_FAILED
        stopped_by = None
    else:
        status, stopped_by = _train(request)
    view = _VIEW if share_view(store, _VIEW, TRAINING.axes, TRAINING.compared) else None
    print(f"\nBrowse the runs:  {browser(store, view)}", flush=True)
    if stopped_by is not None:
        # Whole, and last: the table cuts it.
        print(f"error: {stopped_by}", file=sys.stderr)
    return status


def _train(request: worker.Request) -> tuple[int, str | None]:
    """Train; return the exit status, and in one line what stopped it."""
    seed = request.config["seed"]
    result = Result(Job(0, f"env={request.words['env']} seed={seed}", request))
    begin = time.monotonic()
    with display([result.job]) as view:

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
        except _FORESEEN as error:
            # What a run can foresee is one line; a fault of the code shows its traceback.
            result.status, result.error = "FAILED", str(error)
        result.seconds = time.monotonic() - begin
        view.finished(0, result)
    print(f"\n{request.name}")
    row = {
        "seed": seed, **TRAINING.columns(result.value or {}), "status": result.status,
        "seconds": round(result.seconds, 1), "error": result.error,
    }  # fmt: skip
    TRAINING.print_table([row], ["seed"])
    print(f"folder: {request.folder}\nrun id: {result.run_id}")
    status = {"FINISHED": FINISHED, "KILLED": INTERRUPTED}.get(result.status, SOME_FAILED)
    return status, result.error
