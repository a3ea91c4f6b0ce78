"""What data and which weights an estimator gets; imports `estimators`, `diagnostics`, `envs`."""
