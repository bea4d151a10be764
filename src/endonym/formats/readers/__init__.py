"""Readers of each format: from a raw file to documents and rejects."""
