"""Parsers of untrusted files: they run in a worker process with limits (`formats/isolation.py`).

A parser is a function `FORMAT_units(path, start, options)`. The call opens the file; it returns an
iterator of its units (pages, chapters, articles) from number `start` on, counted from 1 without a
gap: what is no text is a unit with a reason, so that a reader knows which unit a crash belongs to.
The iterator gives None where it passes over units for a while. Refused is raised where the whole
file, or all of its rest, cannot be read.
"""
