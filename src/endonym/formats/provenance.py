"""Where a document comes from: the keys of `Document.meta`.

Its source is `Document.source`, and its place in a file or an archive is `Document.id`. Readers
note what a record says of itself; a record that says nothing has no such key. All of it travels
with the document, to `endonym look` and to a data set that is exported.
"""

from collections.abc import Iterable, Mapping
from typing import Any

KEYS = {
    "id": "the record's own id; `Document.id` is its place instead, as records may have equal ids",
    "url": "where it was found",
    "title": "of the page, article or book",
    "author": "who wrote it",
    "date": "when it was written or fetched, as the file says it",
    "license": "what this text may be used under, if it says so itself",
    "language": "what the file says, not what was measured",
    "encoding": "of the file, if that is not UTF-8",
    "method": "how the text was taken from the file: the format, and what read it",
    "publisher": "of a book",
    "rights": "what a book says of its rights",
    "identifier": "of a book, such as its ISBN",
    "page": "of a file whose pages are documents, its number, from 1",
    "part": "of a file whose chapters are documents, the member that holds it",
    "pages": "how many of them the text was taken from",
    "chapters": "the same, of a book",
    "quality": "how much the text layer of the page looks like text, from 0 to 1",
    "confidence": "how sure OCR is of the page, from 0 to 1",
    "article": "of a Leipzig archive, the number of the article that the sentence stands in",
    "recovered": "that the file is damaged, and that this part of it could be read",
}
"""Each key of `Document.meta`, and what it says. From `publisher` on they are the readers' own;
a whole PDF has the `quality` of its first page."""

NAMES = {
    "id": ("id", "_id", "doc_id"),
    "url": ("url", "uri", "link", "source_url"),
    "title": ("title",),
    "author": ("author", "authors"),
    "date": ("date", "timestamp", "published", "created"),
    "license": ("license", "licence"),
    "language": ("language", "lang"),
}
"""How fields and columns are called that say it; the first that is there counts."""

MAX_CHARS = 300
"""How much of a value is kept."""


def noted(fields: Mapping[Any, Any], *, text: str | None = None) -> dict[str, str]:
    """What the fields of a record say of where it comes from. text: the field that holds its text.

    Strings and numbers count; what is empty does not.
    """
    found: dict[str, str] = {}
    for key, names in NAMES.items():
        for name in names:
            value = fields.get(name)
            if name == text or isinstance(value, bool) or not isinstance(value, str | int | float):
                continue
            # A lone half of a character, from an escape of JSON, is no UTF-8.
            shown = str(value)[:MAX_CHARS].encode("utf-8", "backslashreplace").decode().strip()
            if shown:
                found[key] = shown
                break
    return found


def columns_noted(names: Iterable[str], *, text: str) -> dict[str, str]:
    """Of the columns of a table, those that say where a record comes from: key -> name."""
    there = set(names) - {text}
    chosen = ((key, next((n for n in known if n in there), None)) for key, known in NAMES.items())
    return {key: name for key, name in chosen if name is not None}
