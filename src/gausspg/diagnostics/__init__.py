"""What is measured of gradients, row by row; imports `estimators` and `policies`."""
