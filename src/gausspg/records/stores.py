"""Open the tracking store of a command."""

from gausspg.tracking import (
    ServerUnreachableError,
    Store,
    default_uri,
    location,
    open_store,
    unreachable_store,
)
from gausspg.training.settings import TrackingSettings


def configured_store(settings: TrackingSettings) -> Store:
    """Open the configured tracking store; report an unreachable server in one line and go on.

    Raises:
        StoreError: a store that is not a server cannot be opened.
    """
    uri = settings.uri or default_uri(location.runs_folder())
    try:
        return open_store(uri, location.runs_folder(), settings.experiment)
    except ServerUnreachableError as error:
        print(
            f"the tracking server is away, so runs are kept in {location.runs_folder()} alone and "
            f"arrive there when it is back, or with python src/sync.py ({error})"
        )
        return unreachable_store(uri, settings.experiment)
