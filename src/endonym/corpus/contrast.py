"""Texts in other languages that a recipe names, from which to tell its own (`[clean] contrast`)."""

from collections.abc import Sequence
from pathlib import Path

from endonym.errors import SourceError, printable
from endonym.formats.config import Source
from endonym.formats.document import Document
from endonym.formats.files import RawFile
from endonym.formats.reader import read_file

MOST_CHARS = 2_000_000
"""Characters that are read of a language: more make no difference."""


def contrast_texts(files: Sequence[Path]) -> dict[str, list[str]]:
    """The texts of each file, line by line, by the file's name up to its first dot.

    Raises SourceError for a file that holds no text that can be read.
    """
    found: dict[str, list[str]] = {}
    for path in sorted(files, key=lambda each: each.name):
        texts, left = found.setdefault(path.name.split(".")[0], []), MOST_CHARS
        source = Source(name="contrast", path=str(path))
        for record in read_file(source, RawFile(path=path, name=path.name)):
            if left <= 0:
                break
            if isinstance(record, Document):
                texts += record.text[:left].split("\n")
                left -= len(record.text)
        if left == MOST_CHARS:
            raise SourceError(
                "it holds no text that can be read",
                where=f"clean.contrast: {printable(str(path))}",
                do="Give a file of plain text in UTF-8, or take it out of contrast in [clean].",
            )
    return found
