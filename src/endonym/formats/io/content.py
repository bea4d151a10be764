"""What a reader is given: the bytes of a raw file or of a member, and where they are from.

Most readers take a stream of decompressed bytes. Parsers of documents need a file on disk: what is
compressed or in an archive is then written to a temporary one, up to a limit.
"""

import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from endonym.errors import printable
from endonym.formats.document import SHOWN_CHARS, Document, Notes, Reject
from endonym.formats.io.streams import Damage, Expansion, Stream, ignored
from endonym.formats.io.widened import narrowed

MAX_TEMPORARY_BYTES = 4 << 30
"""The largest file that is extracted to a temporary one."""


@dataclass(frozen=True, slots=True)
class Content:
    """One file's bytes.

    packed: as they stand in the raw file or its archive. compression: how they are packed, "" if
    they are not. path: the file on disk, None for a member of an archive. advance: called with the
    number of raw bytes newly read, by a reader that does not read the stream.
    """

    packed: Stream
    compression: str
    expansion: Expansion
    raw_bytes: int
    path: Path | None = None
    advance: Callable[[int], None] = ignored

    def stream(self) -> Stream:
        """The decompressed bytes."""
        return self.expansion.unpacked(self.packed, self.compression)

    @contextmanager
    def on_disk(self, *, packed: bool = False) -> Generator[Path | Damage]:
        """A file with these bytes; or why they cannot all be had, and how many there were.

        packed: as they are, for a parser that unpacks them itself.
        """
        if self.path is not None and (packed or not self.compression):
            yield self.path
            return
        with tempfile.NamedTemporaryFile(prefix="endonym-") as file:
            size = 0
            for piece in self.packed if packed else self.stream():
                if isinstance(piece, Damage):
                    yield replace(piece, raw_bytes=size + piece.raw_bytes)
                    return
                size += len(piece)
                if size > MAX_TEMPORARY_BYTES:
                    limit = f"it unpacks to more than {MAX_TEMPORARY_BYTES >> 30} GiB"
                    yield Damage("too_long", limit, size)
                    return
                file.write(piece)
            file.flush()
            yield Path(file.name)


MAX_DOCUMENT_BYTES = 64 << 20
"""Longer documents, lines or records are rejected as `too_long`."""

LONGEST_NAME_BYTES = 1_024
SHOWN_NAME_CHARS = 200
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

    def document(self, record: int | str, text: str, *, raw_bytes: int, meta: Notes) -> Document:
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
        """A reject for a record, or for the whole file if `record` is None.

        Its size is that of `raw` unless `raw_bytes` says another.
        The beginning of `raw` is shown, with `\\xNN` for bytes that are not UTF-8.
        """
        name = self.name if record is None else f"{self.name}#{record}"
        size = len(raw) if raw_bytes < 0 else raw_bytes
        detail = printable(detail[:SHOWN_CHARS])
        shown = raw[: 4 * SHOWN_CHARS].decode("utf-8", "backslashreplace")[:SHOWN_CHARS]
        return Reject(reason, name, self.source, detail, shown, size)

    def whole_file(self, reason: str, detail: str) -> Reject:
        """A reject for the whole file."""
        return self.reject(reason, detail, record=None, raw_bytes=self.raw_bytes)


def too_long(size: int, parts: str = '"part", "line" or "blank_lines"') -> str:
    """The message about a text above the limit. parts: values of `document` that divide it."""
    limit = MAX_DOCUMENT_BYTES >> 20
    return (
        f"{size:,} bytes without an end; a document may have {limit} MiB. "
        f"Say how it is divided: document = {parts}"
    )
