"""Kernels written for speed, each tested against a slow reference in tests/laws."""
