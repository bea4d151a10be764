"""The origin of records: a file, or a member of an archive."""

from dataclasses import dataclass

from endonym.errors import printable
from endonym.formats.document import Document, Reject
from endonym.formats.io.widened import narrowed

MAX_DOCUMENT_BYTES = 64 << 20
"""Longer documents, lines or records are rejected as `too_long`."""

SHOWN_CHARS = 2_000
"""How much of a rejected text is kept for people to see."""

LONGEST_NAME_BYTES, SHOWN_NAME_CHARS = 1_024, 200
"""A member with a longer name is skipped, as every document repeats the name; so much is shown."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A source's name, a file's name (`file` or `file/member`), and its size on disk."""

    source: str
    name: str
    raw_bytes: int = 0

    def member(self, name: str, raw_bytes: int) -> "Origin":
        """A member of this archive."""
        shown = name if len(name) <= LONGEST_NAME_BYTES else f"{name[:SHOWN_NAME_CHARS]}…"
        return Origin(self.source, f"{self.name}/{shown}", raw_bytes)

    def document(
        self, record: int | str, text: str, *, raw_bytes: int, meta: dict[str, str]
    ) -> Document:
        """The document of record number `record`, counted from 1."""
        return Document(narrowed(text), f"{self.name}#{record}", self.source, meta, raw_bytes)

    def reject(
        self,
        reason: str,
        detail: str,
        *,
        record: int | str | None,
        raw: bytes = b"",
        raw_bytes: int = -1,
    ) -> Reject:
        """A reject for a record; its size is that of `raw` unless it is given."""
        name = self.name if record is None else f"{self.name}#{record}"
        size = len(raw) if raw_bytes < 0 else raw_bytes
        return Reject(
            reason, name, self.source, printable(detail[:SHOWN_CHARS]), escaped_beginning(raw), size
        )

    def whole_file(self, reason: str, detail: str) -> Reject:
        """A reject for the whole file."""
        return self.reject(reason, detail, record=None, raw_bytes=self.raw_bytes)


def escaped_beginning(raw: bytes) -> str:
    """The beginning of some bytes, with `\\xNN` for those that are not UTF-8."""
    return raw[: 4 * SHOWN_CHARS].decode("utf-8", "backslashreplace")[:SHOWN_CHARS]


def too_long(size: int, parts: str = '"line" or "blank_lines"') -> str:
    """The message about a text above the limit. parts: values of `document` that divide it."""
    limit = MAX_DOCUMENT_BYTES >> 20
    return (
        f"{size:,} bytes without an end; a document may have {limit} MiB. "
        f"Say how it is divided: document = {parts}"
    )
