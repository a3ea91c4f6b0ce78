"""What decides a run's bits, and what is recorded of it; imports `training` and `tracking`."""
