"""Policy and batch -> per-sample surrogate whose gradient is the estimate; imports `policies`."""
