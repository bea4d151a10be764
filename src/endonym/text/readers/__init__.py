"""Readers: a raw file in, documents and counted rejects out."""
