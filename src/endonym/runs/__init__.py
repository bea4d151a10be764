"""Finished runs: found, listed, and compared with each other."""
