"""Make a store that holds no run: `python tests/empty_store.py DATABASE`."""

import sqlite3
import sys
from contextlib import closing

from gausspg.tracking.client import connect

database = sys.argv[1]
connect(f"sqlite:///{database}").search_experiments()
with closing(sqlite3.connect(database)) as connection:
    # All of it shall be in the one file.
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
