"""What is climbed in the laboratory; `base` says what a problem is."""
