"""Identity, provenance, comparison and sharing of recorded runs; imports `training`, `tracking`."""
