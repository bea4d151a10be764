"""Members of archives as streams: of tar archives, and those of zip by `io/archives.py`.

A tar is read once from front to back, so that it may be compressed and larger than the disk. The
tarfile module decodes each header. It does not read the archive: headers that belong to the next
one (long names, pax) may be of any size there, and any number of them in a row.
"""

import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from endonym.errors import printable
from endonym.formats.io import archives, streams
from endonym.formats.io.formats import FileFormat

MAX_HEADER_BYTES = 1 << 20
"""A member with a longer header is skipped."""

LONG_NAMES = {tarfile.GNUTYPE_LONGNAME: b"path", tarfile.GNUTYPE_LONGLINK: b"linkpath"}
EXTENSIONS = {*LONG_NAMES, tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.XGLTYPE}
USED_FIELDS = {b"path", b"linkpath", b"size", b"GNU.sparse.name"}
SPARSE_MORE = 482
SPARSE_MORE_AGAIN = 504
"""Positions of the sign that another block with holes follows: in a header, in such a block."""


@dataclass(slots=True)
class Before:
    """What the headers before a member's own say of it."""

    fields: dict[bytes, bytes] = field(default_factory=dict)
    problem: str = ""

    def text(self, key: bytes, default: str) -> str:
        """A field as text."""
        found = self.fields.get(key)
        return default if found is None else found.decode("utf-8", "surrogateescape")

    def name(self, info: tarfile.TarInfo) -> str:
        """The name of the member."""
        return printable(self.text(b"GNU.sparse.name", self.text(b"path", info.name)))


class Truncated(Exception):
    """The archive ends within a header or a member."""


def read_whole(feed: streams.Feed, size: int) -> bytes:
    """So many bytes. Raises Truncated."""
    data = feed.read(size)
    if len(data) < size:
        raise Truncated
    return data


class Content:
    """The bytes of a member that are not read yet."""

    def __init__(self, feed: streams.Feed, size: int) -> None:
        self.feed = feed
        self.left = size
        self.padding = -size % tarfile.BLOCKSIZE
        self.is_short = False

    def stream(self) -> streams.Stream:
        """The bytes; their number is compared with the header's."""
        while self.left:
            piece = self.feed.take(min(streams.PIECE_BYTES, self.left))
            if not piece:
                self.is_short = True
                self.left = 0
                yield streams.Damage("truncated", "the archive ends early, within this member")
                return
            self.left -= len(piece)
            yield piece

    def skip(self) -> None:
        """Go on to the next header. Raises Truncated if nobody has been told that it ends early."""
        if not self.is_short and self.feed.skip(self.left + self.padding):
            raise Truncated


def archive_members(
    raw: BinaryIO,
    kind: FileFormat,
    expansion: streams.Expansion,
    advance: Callable[[int], None] = streams.ignored,
) -> Iterator[archives.Member | streams.Damage]:
    """The members of an archive on disk, which together unpack to so much at most.

    Of a zip the members after that are only counted. advance: as in `read_file`, of a tar.
    """
    if kind.archive == "tar":
        packed = streams.uncompressed(raw, advance)
        yield from tar_members(expansion.unpacked(packed, kind.compression))
        return
    members = archives.zip_members(raw)
    for member in members:
        if expansion.size > expansion.limit:
            left = 1 + sum(1 for _ in members)
            yield streams.Damage("bomb", f"members not read: {left:,}; {expansion.message()}")
            return
        if isinstance(member, archives.Member):
            member = replace(member, stream=expansion.bounded(member.stream))
        yield member


def tar_members(stream: streams.Stream) -> Iterator[archives.Member | streams.Damage]:
    """The members of a tar, in order. Read each stream before asking for the next member.

    Damage, if any, comes last.
    """
    feed = streams.Feed(stream)
    other = archives.other_archive(feed.peek(archives.HEAD_BYTES), ("a tar archive",))
    try:
        if not feed.peek(1) and feed.damage is None:
            yield streams.Damage("truncated", "not a whole tar archive: it is empty")
        yield from members_of(feed)
        size, is_filled = feed.drain()
        if is_filled and feed.damage is None:
            detail = f"{size:,} bytes follow the end of the tar archive"
            yield streams.Damage("trailing_garbage", detail)
    except Truncated:
        if feed.damage is None:
            yield other or streams.Damage("truncated", "the tar archive ends early")
    except (tarfile.HeaderError, ValueError) as error:
        detail = f"not a whole tar archive: {error}; what follows is not read"
        damage = other or streams.Damage("damaged", detail)
        yield replace(damage, raw_bytes=feed.drain()[0])
    if feed.damage is not None:
        yield feed.damage


def members_of(feed: streams.Feed) -> Iterator[archives.Member]:
    """The members, up to a block of zeros.

    Raises Truncated, HeaderError or ValueError where they cannot be read on.
    """
    before = Before()
    while feed.peek(1):
        raw = read_whole(feed, tarfile.BLOCKSIZE)
        if not any(raw):
            return
        info = tarfile.TarInfo.frombuf(raw, "utf-8", "surrogateescape")
        if info.type in EXTENSIONS:
            read_extension(feed, info, before)
            continue
        content = content_of(feed, info, raw, before)
        if not (info.isdir() or archives.is_hidden(before.name(info))):
            yield tar_member(info, before, content)
        content.skip()
        before = Before()


def read_extension(feed: streams.Feed, info: tarfile.TarInfo, before: Before) -> None:
    """Read a header that belongs to the next member; one of the whole archive is skipped."""
    size = require_size(info.size)
    padding = -size % tarfile.BLOCKSIZE
    if info.type == tarfile.XGLTYPE or size > MAX_HEADER_BYTES:
        if feed.skip(size + padding):
            raise Truncated
        if info.type != tarfile.XGLTYPE:
            before.problem = f"it has a header of {size:,} bytes"
        return
    body = read_whole(feed, size + padding)
    if info.type in LONG_NAMES:
        before.fields[LONG_NAMES[info.type]] = body.partition(b"\0")[0]
        return
    try:
        before.fields |= pax_fields(body[:size])
    except ValueError:
        before.problem = "its pax header cannot be read"


def pax_fields(body: bytes) -> dict[bytes, bytes]:
    """What is used of a pax header's records, each `length key=value` and a line end.

    Of those about sparse files the name is kept, and that there are some. Raises ValueError.
    """
    fields: dict[bytes, bytes] = {}
    start = 0
    while start < len(body) and body[start]:
        blank = body.index(b" ", start, start + 20)
        end = start + int(body[start:blank])
        if end <= blank or end > len(body):
            raise ValueError("a record of a wrong length")
        key, _, value = body[blank + 1 : end - 1].partition(b"=")
        if key in USED_FIELDS:
            fields[key] = value
        elif key.startswith(b"GNU.sparse"):
            fields[b"GNU.sparse"] = b""
        start = end
    return fields


def content_of(feed: streams.Feed, info: tarfile.TarInfo, raw: bytes, before: Before) -> Content:
    """The bytes of a member, which follow its header and the list of a sparse file's holes."""
    if info.type == tarfile.GNUTYPE_SPARSE:
        before.fields[b"GNU.sparse"] = b""
        more = raw[SPARSE_MORE]
        while more:
            more = read_whole(feed, tarfile.BLOCKSIZE)[SPARSE_MORE_AGAIN]
    has_content = info.isreg() or info.type not in tarfile.SUPPORTED_TYPES
    size = before.fields.get(b"size", b"%d" % info.size)[:20]
    if not size.removeprefix(b"-").isdigit():
        raise ValueError("a pax header names a size that is no number")
    return Content(feed, require_size(int(size)) if has_content else 0)


def require_size(size: int) -> int:
    """The size in a header. Raises ValueError if it is negative."""
    if size < 0:
        raise ValueError("a header names a negative size")
    return size


def tar_member(info: tarfile.TarInfo, before: Before, content: Content) -> archives.Member:
    """A file of a tar; links, devices, sparse files and unsafe names have a `problem`."""
    name = before.name(info)
    problem = before.problem or archives.unsafe_name(name)
    if info.issym() or info.islnk():
        link = printable(before.text(b"linkpath", info.linkname))
        problem = problem or f"a link to {link}; links are not followed"
    elif not info.isreg():
        problem = problem or "neither a file nor a folder"
    elif any(key.startswith(b"GNU.sparse") for key in before.fields):
        problem = problem or "a sparse file; its holes are no text"
    stream = iter(()) if problem else content.stream()
    return archives.Member(name, content.left, stream, problem)
