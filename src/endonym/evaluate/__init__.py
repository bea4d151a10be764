"""Evaluation: scores with units, counts and confidence intervals."""
