"""Gradient estimators: per-sample surrogates of a policy and a batch; imports `policies`."""
