"""One figure per file, found by their names: imports `plotting`, `stats` and `reading`."""
