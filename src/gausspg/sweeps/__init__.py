"""Hydra's sweeper and launcher, processes, the closing table; imports `records` and below."""
