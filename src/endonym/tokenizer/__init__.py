"""Lossless tokenizers. Imports no torch."""
