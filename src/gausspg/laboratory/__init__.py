"""Gradient estimates on problems with known gradients; may import every other room."""
