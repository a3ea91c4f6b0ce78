"""Variance modes: the Gaussian of u, one file per word; imports `policies.normal` and `nets`."""
