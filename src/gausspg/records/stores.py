"""Where a command records what it does."""

from gausspg.tracking import ServerAwayError, Store, away, default_uri, location, open_store
from gausspg.training.settings import TrackingSettings


def configured_store(settings: TrackingSettings) -> Store:
    """Open the tracking store that is set; a server that does not answer is reported in one line.

    Raises:
        StoreError: a store that is no server cannot be opened.
    """
    uri = settings.uri or default_uri(location.runs())
    try:
        return open_store(uri, location.runs(), settings.experiment)
    except ServerAwayError as error:
        print(f"the tracking server is away, so runs are kept in {location.runs()} alone and "
              f"arrive there when it is back, or with python src/sync.py ({error})")  # fmt: skip
        return away(uri, settings.experiment)
