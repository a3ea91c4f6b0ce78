"""Estimators of the laboratory alone: classical ones that no learner has, and wrong ones."""
