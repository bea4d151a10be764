"""What a person has marked, by hashes of its content: names and other files do not matter."""

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from endonym.disk import file_hash
from endonym.formats.config import Clean
from endonym.formats.document import MARKED, Document
from endonym.log import number

OUT = "out"
IN = "in"
DIGITS = 12
"""Digits of a hash that a recipe needs, and that are shown."""


def text_hash(text: str) -> str:
    """The SHA-256 of a document's text as it was read, in hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Marks:
    """The marks of a recipe. found: the listed hashes that some text or file had."""

    def __init__(self, clean: Clean) -> None:
        lists = {OUT: clean.marked_out or (), IN: clean.marked_in or ()}
        self._marks = {each: mark for mark, hashes in lists.items() for each in hashes}
        self._by_start = {each[:DIGITS]: each for each in self._marks}
        self.found = set[str]()

    def _mark(self, digest: str) -> str:
        listed = self._by_start.get(digest[:DIGITS], "")
        if not listed or not digest.startswith(listed):
            return ""
        self.found.add(listed)
        return self._marks[listed]

    def of_file(self, path: Path) -> str:
        """The mark of a whole file; empty if it has none, or if the recipe has no marks."""
        with suppress(OSError):  # Reading says what is wrong with it.
            return self._mark(file_hash(path)) if self._marks and path.is_file() else ""
        return ""

    def marked(self, document: Document, of_file: str = "") -> Document:
        """The document with its mark in its notes: its own, or else that of its file."""
        if not self._marks:
            return document
        mark = self._mark(text_hash(document.text)) or of_file
        return replace(document, meta={**document.meta, MARKED: mark}) if mark else document


def unmatched(clean: Clean, found: Iterable[str]) -> list[str]:
    """A warning about listed hashes that no text and no file has. found: those of some."""
    warnings = list[str]()
    seen = {each[:DIGITS] for each in found}
    for key, hashes in (("marked_out", clean.marked_out), ("marked_in", clean.marked_in)):
        if missing := [each for each in hashes or () if each[:DIGITS] not in seen]:
            what = f"{number(len(missing))} of {number(len(hashes or ()))} hashes"
            warnings.append(f"{key}: {what} belong to no document or file, such as {missing[0]}")
    return warnings
