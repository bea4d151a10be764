"""Strangers' code and files: opened in another process, with limits."""
