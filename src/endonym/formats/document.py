"""Documents, rejects (records that do not become documents), and where a document comes from.

Readers note in `Document.meta` what a record says of itself; a record that says nothing has no such
key. All of it travels with the document, to `endonym look` and to a data set that is exported.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from endonym.disk import packaged_tables

ARTICLE = "article"
"""In a document's notes: the article that a sentence of a shuffled list is from. Those of one
article stand in one split."""

MARKED = "marked"
"""In a document's notes: "in" or "out", if the recipe marks it so (cleaning/marks.py)."""

PART = "part_of"
"""In a document's notes: the text that it is a part of."""

Notes = dict[str, str]
"""What a record says of itself, and its reader of it."""


SHOWN_CHARS = 2_000
"""How much of a rejected text is kept for people to see."""


@dataclass(frozen=True, slots=True)
class Document:
    """A text and where it comes from.

    id: `<file>#<record>` in its source, stable for the same raw files. source: the source's name.
    meta: notes of the reader (encoding, the record's own id), strings only.
    raw_bytes: how many bytes of the decompressed raw file this record took.
    block: the number, in its corpus, of its block of neighbours (copies/held_out/split.py).
    position: its number among the kept documents of its corpus; one number is skipped where a raw
    file begins, so that consecutive numbers mean neighbours.
    """

    text: str
    id: str
    source: str
    meta: Notes = field(default_factory=Notes)
    raw_bytes: int = 0
    block: int = 0
    position: int = 0

    def reject(
        self,
        reason: str,
        detail: str,
        *,
        part: str | None = None,
        raw_bytes: int = 0,
        stayed: str = "",
    ) -> "Reject":
        """The reject of this document, or of a part of its text."""
        shown = (self.text if part is None else part)[:SHOWN_CHARS]
        return Reject(reason, self.id, self.source, detail, shown, raw_bytes, stayed)


@dataclass(frozen=True, slots=True)
class Reject:
    """A record, a part of a file or a whole file that does not become a document, and why.

    reason: a short word to count by (`invalid_utf8`, `min_chars`). detail: one sentence for people.
    text: the beginning of the dropped text, at most SHOWN_CHARS. stayed: of a copy, the source
    and id of the document that stays in its place.
    """

    reason: str
    id: str
    source: str
    detail: str = ""
    text: str = ""
    raw_bytes: int = 0
    stayed: str = ""


Records = Iterator[Document | Reject]

TABLES = packaged_tables("endonym.formats", "document.toml")
KEYS: dict[str, str] = TABLES["keys"]
"""Each key of `Document.meta`, and what it says."""
NAMES: dict[str, list[str]] = TABLES["names"]
"""How fields and columns are called that say it; the first that is there counts."""

MAX_CHARS = 300
"""How much of a value is kept."""


def noted(fields: Mapping[Any, Any], *, text: str | None = None) -> Notes:
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
    present = set(names) - {text}
    found: dict[str, str] = {}
    for key, usual_names in NAMES.items():
        if (name := next((each for each in usual_names if each in present), None)) is not None:
            found[key] = name
    return found
