"""Computations written for speed, each proven against a slow reference in tests/laws."""
