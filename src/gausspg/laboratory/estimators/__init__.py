"""Estimators used in the laboratory alone: classical ones without a learner, and wrong ones."""
