"""A stream of bytes as numbered lines: CR, LF and CR LF each end one.

A line above the limit of a document is not held in memory: only its size is.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from endonym.text.document import Reject
from endonym.text.io.origin import MAX_DOCUMENT_BYTES, Origin, too_long
from endonym.text.io.streams import Damage, Stream


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its end, counted from 1. size: its bytes, also where `data` was let go."""

    number: int
    data: bytes
    size: int

    @property
    def is_too_long(self) -> bool:
        """Whether it was let go."""
        return self.size > len(self.data)


class Tail:
    """A line that has begun: its pieces so far, until they are too many."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.size = 0

    def add(self, piece: bytes) -> None:
        """One more piece of the line."""
        self.size += len(piece)
        if self.size > MAX_DOCUMENT_BYTES:
            self.pieces.clear()
        else:
            self.pieces.append(piece)

    def line(self, number: int) -> Line:
        """The whole line; the next one starts empty."""
        line = Line(number, b"".join(self.pieces), self.size)
        self.pieces, self.size = [], 0
        return line


def split_lines(stream: Stream) -> Iterator[Line | tuple[Line, Damage]]:
    """The lines of a stream. Damage comes last, with the line that it cuts off (perhaps empty)."""
    tail, number, after_return = Tail(), 1, False
    for piece in stream:
        if isinstance(piece, Damage):
            yield tail.line(number), piece
            return
        if after_return and piece.startswith(b"\n"):
            piece = piece[1:]
        if not piece:
            continue
        after_return = piece.endswith(b"\r")
        if b"\r" in piece:
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        first, *others = piece.split(b"\n")
        tail.add(first)
        for data in others:
            yield tail.line(number)
            number += 1
            tail.add(data)
    if tail.size:
        yield tail.line(number)


def readable_lines(
    stream: Stream, origin: Origin, encoding: str
) -> Iterator[tuple[int, str] | Reject]:
    """Numbered lines of UTF-8 as text; what is no text, too long or cut off is refused."""
    for item in split_lines(stream):
        if isinstance(item, tuple):
            yield cut_off(item[0], item[1], origin)
        elif item.is_too_long:
            yield origin.reject(
                "too_long", too_long(item.size), record=item.number, raw_bytes=item.size
            )
        else:
            yield decoded_line(item, origin, encoding)


def decoded_line(line: Line, origin: Origin, encoding: str) -> tuple[int, str] | Reject:
    """A line as text, or why it is none."""
    try:
        return line.number, line.data.decode("utf-8")
    except UnicodeDecodeError as error:
        reason = "invalid_utf8" if encoding == "utf-8" else "invalid_bytes"
        detail = f"line {line.number}, byte {error.start + 1}: this is no {encoding}"
        return origin.reject(reason, detail, record=line.number, raw=line.data)


def cut_off(line: Line, damage: Damage, origin: Origin) -> Reject:
    """The half line before some damage, together with what the damage took."""
    detail = damage.detail
    if line.size:
        detail += f"; line {line.number} is cut off"
    size = line.size + damage.raw_bytes
    record = line.number if line.size else None
    return origin.reject(damage.reason, detail, record=record, raw=line.data, raw_bytes=size)
