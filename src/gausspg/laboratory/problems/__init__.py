"""Objectives whose gradients the laboratory estimates; `base` defines a problem."""
