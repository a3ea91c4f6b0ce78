"""Which Gaussian over u: one file per word of `variance`; imports `policies.normal` and `nets`."""
