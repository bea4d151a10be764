"""Raw files as streams of decompressed bytes: plain, gzip, zstd, bzip2, xz, members of zip.

A stream is an iterator of pieces of bytes. Damage is not raised: it is the last item, so that
everything before it is kept and the damage itself is counted. Memory is bounded for any compression
ratio, and so is what one raw file may unpack to.
"""

import bz2
import importlib
import lzma
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import zstandard

from endonym.formats.io.kinds import any_kind

HEADER_LIMIT_BYTES = 1 << 20
"""Longer gzip headers are rejected."""

EXTRA = 4
NAME = 8
COMMENT = 16
HEADER_CRC = 2
"""Flags in the header's fourth byte: which fields follow."""


class Deflated:
    """Decompresses deflate data: bare, as in a zip, or between head and check sum of zlib."""

    def __init__(self, window_bits: int = -zlib.MAX_WBITS) -> None:
        self.inflate = zlib.decompressobj(window_bits)
        self.eof = False
        self.needs_input = True
        self.unused_data = b""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """The next decompressed bytes, at most `max_length`."""
        text = self.inflate.decompress(self.inflate.unconsumed_tail + data, max_length)
        # zlib may hold back text for which there was no room.
        self.needs_input = not self.inflate.unconsumed_tail and len(text) < max_length
        self.eof = self.inflate.eof
        self.unused_data = self.inflate.unused_data
        return text


class GzipMember:
    """Decompresses one gzip member in pieces; raises zlib.error.

    The standard library discards the last piece of text if the checksum after it is wrong, or does
    not tell what follows a member. Here the text comes first and the checksum is verified after it.
    Format: RFC 1952.
    """

    def __init__(self) -> None:
        self.eof = False
        self.needs_input = True
        self.in_header = True
        self.body = Deflated()
        self.held = b""
        self.unused_data = b""
        self.check_sum = self.size = 0

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """The next decompressed bytes, at most `max_length`."""
        self.held += data
        if self.in_header:
            length = header_length(self.held)
            if length is None:
                return b""
            self.held = self.held[length:]
            self.in_header = False
        text = b""
        if not self.body.eof:
            text = self.body.decompress(self.held, max_length)
            self.held = self.body.unused_data
            self.needs_input = self.body.needs_input
            self.check_sum = zlib.crc32(text, self.check_sum)
            self.size += len(text)
        if self.body.eof:
            self.needs_input = len(self.held) < 8
            if not self.needs_input and not text:
                self.close()
        return text

    def close(self) -> None:
        """Verify checksum and length in the last eight bytes of the member."""
        self.eof = True
        self.unused_data = self.held[8:]
        if int.from_bytes(self.held[:4], "little") != self.check_sum:
            raise zlib.error("the check sum (CRC-32) is wrong")
        if int.from_bytes(self.held[4:8], "little") != self.size & 0xFFFFFFFF:
            raise zlib.error("the length beside the check sum is wrong")


def header_length(data: bytes) -> int | None:
    """The length of the header; None if `data` ends before it."""
    if len(data) < 10:
        return None
    if data[2] != 8:
        raise zlib.error(f"the header names an unknown method, {data[2]}")
    flags = data[3]
    end = 10
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


PIECE_BYTES = 1 << 16
"""How much is read at a time."""

UNPACKED_BYTES = 1 << 20
"""The largest decompressed piece, except with zstd."""

ZSTD_PIECE_BYTES = 1 << 11
"""zstd has no limit for its output; 2 kB become 64 MB at most."""

ZSTD_WINDOW_BYTES = 1 << 27
"""The largest window size, as in the zstd command."""

XZ_MEMORY_BYTES = 512 << 20
"""The most that an xz or LZMA stream may ask for; `xz -9` asks for 65 MiB."""

MAX_RATIO = 100
MIN_UNPACKED_BYTES = 64 << 20
"""Texts unpack to three to ten times their size. A file that unpacks to more than this is a bomb:
made to fill memory or disk."""

MAGIC = {
    "gzip": (b"\x1f\x8b",),
    "zstd": (b"\x28\xb5\x2f\xfd", *(bytes([0x50 + low, 0x2A, 0x4D, 0x18]) for low in range(16))),
    "bzip2": (b"BZh",),
    "xz": (b"\xfd7zXZ\x00",),
}


@dataclass(frozen=True, slots=True)
class Damage:
    """Why a stream ends early; raw_bytes: the number of bytes that are lost."""

    reason: str
    detail: str
    raw_bytes: int = 0


Stream = Iterator[bytes | Damage]


class ZstdFrame:
    """Decompresses one zstd frame."""

    def __init__(self) -> None:
        self.frame = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES).decompressobj()
        self.eof = False
        self.needs_input = True
        self.unused_data = b""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Everything that `data` decompresses to; max_length has no effect."""
        text = self.frame.decompress(data)
        self.eof = self.frame.eof
        self.unused_data = self.frame.unused_data
        return text


class Brotli:
    """Decompresses brotli; fastwarc brings the library."""

    def __init__(self) -> None:
        self.brotli = importlib.import_module("brotli")
        self.member = self.brotli.Decompressor()
        self.eof = False
        self.needs_input = True
        self.unused_data = b""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """The next decompressed bytes, about so many at most."""
        try:
            text = self.member.process(data, output_buffer_limit=max_length)
        except self.brotli.error as error:
            raise OSError(str(error)) from error
        self.eof = self.member.is_finished()
        self.needs_input = self.member.can_accept_more_data()
        return text


UNPACKERS: dict[str, Callable[[], Any]] = {
    "gzip": GzipMember,
    "zlib": lambda: Deflated(zlib.MAX_WBITS),
    "brotli": Brotli,
    "zstd": ZstdFrame,
    "bzip2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, XZ_MEMORY_BYTES),
    "lzma": lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, XZ_MEMORY_BYTES),
    "deflate": Deflated,
}
"""Each decompresses one member (or frame), with the interface of bz2.BZ2Decompressor."""


class Expansion:
    """What one raw file may still unpack to, all its members together."""

    def __init__(self, raw_bytes: int) -> None:
        self.limit = max(MIN_UNPACKED_BYTES, MAX_RATIO * raw_bytes)
        self.size = 0

    def bounded(self, stream: Stream) -> Stream:
        """The stream up to the limit, then a Damage."""
        for piece in stream:
            if isinstance(piece, bytes) and not self.has_room(len(piece)):
                yield Damage("bomb", self.message())
                return
            yield piece

    def unpacked(self, stream: Stream, compression: str) -> Stream:
        """The decompressed bytes up to the limit; the stream itself if it is not compressed."""
        return self.bounded(unpacked(stream, compression)) if compression else stream

    def has_room(self, size: int) -> bool:
        """Count so many bytes more; whether they are within the limit."""
        self.size += size
        return self.size <= self.limit

    def message(self) -> str:
        """Why no more is read."""
        return (
            f"it unpacks to more than {MAX_RATIO} times its size and {self.limit >> 20:,} MiB, "
            "as no text does; the rest is not read"
        )


class Feed:
    """Reads a stream in portions of any size; damage that ends it is kept in `damage`.

    held: the pieces that were read ahead, of which `at` bytes are consumed.
    """

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.held = b""
        self.at = 0
        self.damage: Damage | None = None

    def take(self, size: int) -> bytes:
        """At most `size` bytes; empty at the end."""
        if self.at == len(self.held):
            self.held = self.next_piece()
            self.at = 0
        data = self.held[self.at : self.at + size]
        self.at += len(data)
        return data

    def peek(self, size: int) -> bytes:
        """The next `size` bytes, fewer only at the end, without consuming them."""
        if len(self.held) - self.at < size:
            pieces = [self.held[self.at :]]
            length = len(self.held) - self.at
            while length < size and (piece := self.next_piece()):
                pieces.append(piece)
                length += len(piece)
            self.held = b"".join(pieces)
            self.at = 0
        return self.held[self.at : self.at + size]

    def read(self, size: int) -> bytes:
        """The next `size` bytes, fewer only at the end."""
        data = self.peek(size)
        self.at += len(data)
        return data

    def skip(self, size: int) -> int:
        """Consume so many bytes without holding them; how many were missing."""
        while size and (data := self.take(min(size, PIECE_BYTES))):
            size -= len(data)
        return size

    def put_back(self, data: bytes) -> None:
        """Return bytes that were taken last, or others in their place."""
        self.held = data + self.held[self.at :]
        self.at = 0

    def next_piece(self) -> bytes:
        """The next piece that is not empty; empty at the end."""
        for piece in self.stream:
            if isinstance(piece, Damage):
                self.damage = piece
                return b""
            if piece:
                return piece
        return b""

    def drain(self) -> tuple[int, bool]:
        """Consume the rest: its number of bytes, and whether one of them is not zero."""
        size = 0
        is_filled = False
        while data := self.take(PIECE_BYTES):
            size += len(data)
            is_filled = is_filled or data.count(0) < len(data)
        return size, is_filled

    def rest(self) -> Stream:
        """The rest of the stream, damage included."""
        if self.at < len(self.held):
            yield self.held[self.at :]
        self.held = b""
        self.at = 0
        yield from self.stream
        if self.damage is not None:
            yield self.damage


def ignored(raw_bytes: int) -> None:
    """The default for `advance`: does nothing."""


def uncompressed(file: BinaryIO, advance: Callable[[int], None] = ignored) -> Stream:
    """The bytes of a file as they are. advance: called with the number of bytes newly read."""
    while piece := file.read(PIECE_BYTES):
        advance(len(piece))
        yield piece


def packed_as(head: bytes) -> str:
    """The compression of bytes that begin so; empty if there is none that we know."""
    return next((name for name, magic in MAGIC.items() if head.startswith(magic)), "")


def unpacked(stream: Stream, compression: str) -> Stream:
    """The decompressed bytes of a stream, over all its members."""
    feed = Feed(stream)
    members = 0
    # What it is counts more than what its name says.
    compression = packed_as(feed.peek(6)) or compression
    while head := feed.peek(6):
        if not head.startswith(MAGIC[compression]):
            yield from foreign_damage(feed, compression, members)
            return
        for piece in member_pieces(feed, compression):
            yield piece
            if isinstance(piece, Damage):
                return
        members += 1
    if feed.damage is not None:
        yield feed.damage


def member_pieces(feed: Feed, compression: str) -> Stream:
    """The decompressed bytes of one member."""
    member = UNPACKERS[compression]()
    size = ZSTD_PIECE_BYTES if compression == "zstd" else PIECE_BYTES
    while not member.eof:
        data = feed.take(size) if member.needs_input else b""
        if member.needs_input and not data:
            yield feed.damage or Damage("truncated", f"the {compression} file ends early")
            return
        try:
            piece = member.decompress(data, UNPACKED_BYTES)
        except (zlib.error, zstandard.ZstdError, lzma.LZMAError, EOFError, OSError) as error:
            lost_bytes, _ = feed.drain()
            if "check" in str(error):
                detail = f"the {compression} file is damaged: {error}"
                yield Damage("bad_checksum", detail, lost_bytes)
            else:
                detail = f"the {compression} data or their check sum are damaged ({error})"
                yield Damage("damaged", detail, lost_bytes)
            return
        yield piece
    feed.put_back(member.unused_data)


def foreign_damage(feed: Feed, compression: str, members: int) -> Stream:
    """Read to the end, and yield only the damage of bytes in another format; zeros are padding.

    members: how many came before these bytes. The damage of the feed itself follows.
    """
    what = any_kind(feed.peek(PIECE_BYTES))
    size, is_filled = feed.drain()
    if members == 0:
        kind = f": it is {what}" if what else ""
        detail = f"the name says {compression}, but this is no {compression} file{kind}; rename it"
        yield Damage("not_compressed", detail, size)
    elif is_filled:
        detail = f"bytes that are no {compression} follow the end of the {compression} data"
        yield Damage("trailing_garbage", f"{size:,} {detail}", size)
    if feed.damage is not None:
        yield feed.damage
