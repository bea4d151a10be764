"""A file on disk that a parser reads from front to back, compressed or not."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from endonym.formats.io.streams import (
    Counted,
    Damage,
    Expansion,
    Stream,
    packed_as,
    uncompressed,
    unpacked,
)
from endonym.formats.parsers.unit import Refused, Unit


def closing(file: BinaryIO, found: Iterator[Unit | None]) -> Iterator[Unit | None]:
    """The same units; the file is closed after the last one."""
    with file:
        yield from found


class Packed:
    """The decompressed bytes of an open file, and how many of its own bytes were read."""

    def __init__(self, file: BinaryIO, path: str) -> None:
        self.consumed = self.told = 0
        self.at_end = False
        self.compression = packed_as(file.read(6))
        file.seek(0)
        self.stream: Stream = uncompressed(Counted(file, self.count))
        if self.compression:
            expansion = Expansion(Path(path).stat().st_size)
            self.stream = expansion.bounded(unpacked(self.stream, self.compression))

    def count(self, raw_bytes: int) -> None:
        """So many more bytes of the file were read."""
        self.consumed += raw_bytes

    def newly(self) -> int:
        """How many bytes of the file were read since this was last asked."""
        new, self.told = self.consumed - self.told, self.consumed
        return new

    def pieces(self) -> Iterator[bytes]:
        """The bytes in pieces. Raises Refused where they end early."""
        for piece in self.stream:
            if isinstance(piece, Damage):
                raise Refused(piece.reason, piece.detail)
            yield piece
        self.at_end = True
