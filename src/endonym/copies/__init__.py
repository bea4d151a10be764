"""Copies: exact ones, near ones, and paragraphs that stood before.

Two kinds of functions, so that a corpus of any size can be divided: a map writes keys of documents
to a file (`keys.py`), and a reduce decides from all those files (`near.py`, `removal.py`). A
document is a number here: its place among all documents that were read and cleaned.
"""
