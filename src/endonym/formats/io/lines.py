"""Splits a stream of bytes into numbered lines, which end with CR, LF or CR LF.

Of a line that is longer than a document may be, only the size is kept.
"""

import re
from collections.abc import Iterator

from endonym.formats.document import Reject
from endonym.formats.io.content import MAX_DOCUMENT_BYTES, Origin, too_long
from endonym.formats.io.streams import Damage, Stream

KEPT_GAP = b"\n" * 1_000
"""So many empty lines in a row are read one by one; those after them are only counted."""

GAP = re.compile(KEPT_GAP + rb"\n+")


class Line:
    """A line without its end, counted from 1. size: in bytes, also if its pieces are discarded."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.pieces = list[bytes]()
        self.size = 0

    def add(self, piece: bytes) -> None:
        """Add a piece of the line; of one that is too long none is kept."""
        self.size += len(piece)
        if self.size > MAX_DOCUMENT_BYTES:
            self.pieces.clear()
        else:
            self.pieces.append(piece)

    @property
    def data(self) -> bytes:
        """The whole line."""
        return b"".join(self.pieces)


def split_lines(stream: Stream) -> Iterator[Line | tuple[Line, Damage]]:
    """The lines of a stream. Damage comes last, with the line that it cuts off (may be empty)."""
    line = Line(1)
    after_return = False
    for piece in stream:
        if isinstance(piece, Damage):
            yield line, piece
            return
        if after_return and piece.startswith(b"\n"):
            piece = piece[1:]
        if not piece:
            continue
        after_return = piece.endswith(b"\r")
        if b"\r" in piece:
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        for part, left_out in without_gaps(piece):
            first, *others = part.split(b"\n")
            line.add(first)
            for data in others:
                yield line
                line = Line(line.number + 1)
                line.add(data)
            line.number += left_out
    if line.size:
        yield line


def without_gaps(piece: bytes) -> Iterator[tuple[bytes, int]]:
    """Parts of a piece, and how many empty lines are left out after each: a gap keeps the first."""
    start = 0
    for gap in GAP.finditer(piece) if KEPT_GAP in piece else ():
        yield piece[start : gap.start()] + KEPT_GAP, gap.end() - gap.start() - len(KEPT_GAP)
        start = gap.end()
    yield piece[start:], 0


Lines = Iterator[tuple[int, str] | Reject]
"""Lines of text with their numbers, and rejects of those that cannot be read."""


def readable_lines(stream: Stream, origin: Origin, encoding: str) -> Lines:
    """Numbered lines of UTF-8 as text; undecodable, too long or truncated ones are rejected."""
    for item in split_lines(stream):
        if isinstance(item, tuple):
            line, damage = item
            detail = damage.detail
            record = line.number if line.size else None
            if line.size:
                detail += f"; line {line.number} is cut off"
            size = line.size + damage.raw_bytes
            yield origin.reject(damage.reason, detail, record=record, raw=line.data, raw_bytes=size)
            continue
        number = item.number
        data = item.data
        size = item.size
        if size > len(data):
            yield origin.reject("too_long", too_long(size), record=number, raw_bytes=size)
            continue
        try:
            yield number, data.decode("utf-8")
        except UnicodeDecodeError as error:
            reason = "invalid_utf8" if encoding == "utf-8" else "invalid_bytes"
            detail = f"line {number}, byte {error.start + 1}: this is no {encoding}"
            yield origin.reject(reason, detail, record=number, raw=data)
