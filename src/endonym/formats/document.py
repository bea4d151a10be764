"""Documents, and rejects: records that do not become documents."""

from dataclasses import dataclass, field

ARTICLE = "article"
"""In a document's notes: the article that a sentence of a shuffled list is from. Those of one
article stand in one split."""


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
    meta: dict[str, str] = field(default_factory=dict)
    raw_bytes: int = 0
    block: int = 0
    position: int = 0


@dataclass(frozen=True, slots=True)
class Reject:
    """A record, a part of a file or a whole file that does not become a document, and why.

    reason: a short word to count by (`invalid_utf8`, `min_chars`). detail: one sentence for people.
    text: the beginning of the dropped text, at most 2,000 characters. stayed: of a copy, the source
    and id of the document that stays in its place.
    """

    reason: str
    id: str
    source: str
    detail: str = ""
    text: str = ""
    raw_bytes: int = 0
    stayed: str = ""
