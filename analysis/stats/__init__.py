"""What the scores of a few seeds allow one to say: imports `reading`."""
