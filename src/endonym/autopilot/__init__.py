"""Chooses the keys that a recipe leaves open, from counts, measurements and sample texts."""
