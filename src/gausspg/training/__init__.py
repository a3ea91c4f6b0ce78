"""Settings, construction of a run, training loop, checkpoints; imports all rooms below it."""
