"""Per-sample gradient statistics during training; imports `estimators` and `policies`."""
