"""The one thing that flows through the text layer, and what is refused on the way."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Document:
    """A text with its place of origin.

    id: `<file>#<record>` in its source, stable for the same raw files. source: the source's name.
    meta: what a reader noted (encoding, the record's own id), strings only.
    raw_bytes: how many bytes of the decompressed raw file this record took, for the accounts.
    block: the number, in its corpus, of the block of neighbours it belongs to (text/split.py).
    place: its number among the kept documents of its corpus; one number is left out where a raw
    file begins, so that neighbours are those whose places follow one another.
    """

    text: str
    id: str
    source: str
    meta: dict[str, str] = field(default_factory=dict)
    raw_bytes: int = 0
    block: int = 0
    place: int = 0


@dataclass(frozen=True, slots=True)
class Reject:
    """A record, a part of a file or a whole file that does not become a document, and why.

    reason: a short word that counts (`invalid_utf8`, `min_chars`); detail: one sentence for people.
    text: what was refused, as readable as it can be made (at most 2,000 characters are kept).
    """

    reason: str
    id: str
    source: str
    detail: str = ""
    text: str = ""
    raw_bytes: int = 0
