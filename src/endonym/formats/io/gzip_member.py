"""Decompresses one gzip member in pieces.

The standard library discards the last piece of text if the checksum after it is wrong, or does not
tell what follows a member. Here the text comes first and the checksum is verified after it.
Format: RFC 1952.
"""

import zlib
from typing import Protocol

HEADER_LIMIT_BYTES = 1 << 20
"""Longer gzip headers are rejected."""

EXTRA, NAME, COMMENT, HEADER_CRC = 4, 8, 16, 2
"""Flags in the header's fourth byte: which fields follow."""


class Inflater(Protocol):
    """The type of zlib.decompressobj()."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class GzipMember:
    """Decompresses one member, with the interface of bz2.BZ2Decompressor; raises zlib.error."""

    def __init__(self) -> None:
        self.eof = False
        self.needs_input = True
        self.unused_data = b""
        self.held = b""
        self.inflate: Inflater | None = None
        self.check_sum = 0
        self.size = 0

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """The next decompressed bytes, at most `max_length`."""
        self.held += data
        if self.inflate is None:
            length = header_length(self.held)
            self.needs_input = length is None
            if length is None:
                return b""
            self.held = self.held[length:]
            self.inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        inflate, text = self.inflate, b""
        if not inflate.eof:
            text = inflate.decompress(self.held, max_length)
            self.held = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
            self.needs_input = not self.held
            self.check_sum = zlib.crc32(text, self.check_sum)
            self.size += len(text)
        if inflate.eof:
            self.needs_input = len(self.held) < 8
            if not self.needs_input and not text:
                self.close()
        return text

    def close(self) -> None:
        """Verify checksum and length in the last eight bytes of the member."""
        check_sum = int.from_bytes(self.held[:4], "little")
        size = int.from_bytes(self.held[4:8], "little")
        self.unused_data = self.held[8:]
        self.eof = True
        if check_sum != self.check_sum:
            raise zlib.error("the check sum (CRC-32) is wrong")
        if size != self.size & 0xFFFFFFFF:
            raise zlib.error("the length beside the check sum is wrong")


def header_length(data: bytes) -> int | None:
    """The length of the header; None if `data` ends before it."""
    if len(data) < 10:
        return None
    if data[2] != 8:
        raise zlib.error(f"the header names an unknown method, {data[2]}")
    flags, end = data[3], 10
    if flags & EXTRA:
        end += 2 + int.from_bytes(data[10:12], "little")
    for field in (NAME, COMMENT):
        if flags & field and end <= len(data):
            end = data.find(b"\0", end) + 1 or len(data) + 1
    if flags & HEADER_CRC:
        end += 2
    if end > HEADER_LIMIT_BYTES:
        raise zlib.error("the header has no end")
    return end if end <= len(data) else None
