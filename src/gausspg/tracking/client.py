"""One MLflow client per store, opened quickly and quietly.

Importing this module sets defaults in the environment, never over the user's own values, and it
must therefore come before the first import of mlflow (which takes 1.7 s, so it is imported inside
functions only). The defaults limit HTTP requests to seconds, keep MLflow from printing into a
progress display, and turn off its usage reports, whose thread must not live in a fork server.
"""

import logging
import os
from functools import lru_cache
from typing import TYPE_CHECKING

from gausspg.tracking.addresses import without_credentials

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

CONNECT_SECONDS = 5
REQUEST_SECONDS = 10
"""The first request of a server that has just started takes seconds."""

_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(REQUEST_SECONDS),
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
for _name, _value in _DEFAULTS.items():
    os.environ.setdefault(_name, _value)


class StoreError(RuntimeError):
    """The tracking store cannot be used; one line with value, consequence and remedy.

    The message may name a store by its address; the credentials in it are left out.
    """

    def __init__(self, message: str) -> None:
        super().__init__(without_credentials(message))


@lru_cache(maxsize=8)
def connect(uri: str) -> "MlflowClient":
    """Return the client of the store at `uri`; the first of a process takes about 0.1 s.

    It creates a missing sqlite database, so readers check first that it exists.
    Raises whatever MLflow raises; callers turn that into a `StoreError` with `explain`.
    """
    from mlflow.tracking import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(os.environ["MLFLOW_LOGGING_LEVEL"])
    # Both print tracebacks or retries for a store that is away, which the caller handles.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    return MlflowClient(tracking_uri=uri)


def first_line(error: BaseException) -> str:
    """The first line of an exception, without credentials, cut to a readable length."""
    lines = without_credentials(str(error)).strip().splitlines() or [type(error).__name__]
    return lines[0] if len(lines[0]) <= 200 else lines[0][:197] + "..."
