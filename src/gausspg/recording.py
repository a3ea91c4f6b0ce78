"""Where a command records what it does."""

from gausspg import home
from gausspg.settings import TrackingSettings
from gausspg.tracking import ServerAwayError, Store, away, default_uri, open_store


def store_of(settings: TrackingSettings) -> Store:
    """Open the tracking store that is set; a server may be away, and that is told in one line.

    Raises:
        StoreError: a store that is no server cannot be opened.
    """
    uri = settings.uri or default_uri(home.runs())
    try:
        return open_store(uri, home.runs(), settings.experiment)
    except ServerAwayError as error:
        print(f"the tracking server is away, so runs are kept in {home.runs()} alone and arrive "
              f"there when it is back, or with python src/sync.py ({error})")  # fmt: skip
        return away(uri, settings.experiment)
