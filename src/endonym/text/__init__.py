"""Reads and cleans raw texts. Imports no torch."""
