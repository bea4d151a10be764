"""Judging: numbers with their units, counts and uncertainty."""
