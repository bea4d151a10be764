"""Members of zip archives as streams, and what holds for every archive.

Nothing is ever written to disk. Links, devices, and names that lead out of the archive are reported
and skipped. Hidden members are ignored, as in folders.
"""

import copy
import errno
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import BinaryIO, cast

from endonym.errors import printable
from endonym.formats.io.content import LONGEST_NAME_BYTES
from endonym.formats.io.kinds import IN_ZIP, any_kind
from endonym.formats.io.streams import Damage, Feed, Stream, member_pieces, uncompressed

METHODS = {8: "deflate", 12: "bzip2", 14: "lzma", 93: "zstd", 95: "xz"}
"""How a member of a zip may be compressed; 0 is not at all."""

HEAD_BYTES = 1 << 16
ZIPS = ("a zip archive", "an empty zip archive", *IN_ZIP.values())

READ = ("an EPUB book", "a DOCX document", "an ODT document, or another of OpenDocument")
"""Zips with the text of one document, which have readers."""
PARTS = {"word/": "a DOCX document", "xl/": "an Excel table", "ppt/": "a PowerPoint presentation"}
"""Folders in documents of Office."""

HAS_END_MARK = 1 << 1
"""The flag of an LZMA member without a known size."""

UNREADABLE = (
    *(zipfile.BadZipFile, EOFError, IndexError, NotImplementedError, OverflowError, RuntimeError),
    *(ValueError, struct.error),
)
"""What zipfile raises for archives that are broken, or of kinds that it does not know."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive; `problem` says why it is skipped, if it is."""

    name: str
    raw_bytes: int
    stream: Stream
    problem: str = ""


def other_archive(head: bytes, own: tuple[str, ...]) -> Damage | None:
    """What the reject of a broken archive says if it is another kind of file; else None."""
    what = any_kind(head)
    is_other = what and what not in own
    return Damage("other_kind", f"by its content this is {what}: rename it") if is_other else None


def zip_members(file: BinaryIO) -> Iterator[Member | Damage]:
    """The members of a zip, in its own order; none of one that is a document."""
    try:
        size = file.seek(0, os.SEEK_END)
        archive = zipfile.ZipFile(file)
    except UNREADABLE as error:
        file.seek(0)
        damage = Damage("damaged", f"not a whole zip archive: {error}")
        yield other_archive(file.read(HEAD_BYTES), ZIPS) or damage
        return
    except OSError as error:
        if error.errno != errno.EINVAL:  # a position before the start of the file
            raise
        yield Damage("damaged", f"not a whole zip archive: {error.strerror}")
        return
    with archive:
        if what := document_kind(archive.namelist()):
            other = "save it in a format that is read, such as CSV or PDF"
            advice = "rename it" if what in READ else other
            yield Damage("other_kind", f"by its content this is {what}: {advice}")
        else:
            yield from _members(archive, size)


def _members(archive: zipfile.ZipFile, bytes_left: int) -> Iterator[Member]:
    """The members of an archive. bytes_left: the size of its file."""
    for info in archive.infolist():
        name = printable(info.filename)
        if name.endswith("/") or is_hidden(name):
            continue
        problem = unsafe_name(info.filename)
        if info.compress_size > bytes_left:
            problem = problem or "it overlaps other members, or is larger than the archive"
        else:
            bytes_left -= info.compress_size
        if stat.S_ISLNK(info.external_attr >> 16):
            problem = problem or "a link; links are not followed"
        if info.flag_bits & 1:
            problem = problem or "it needs a password"
        if info.compress_type and info.compress_type not in METHODS:
            problem = problem or f"its compression method, {info.compress_type}, is not read"
        stream = iter(()) if problem else zip_stream(archive, info)
        yield Member(name, info.file_size, stream, problem)


def document_kind(names: Sequence[str]) -> str:
    """What a zip with these members is that is one document; empty if it is an archive."""
    if "META-INF/container.xml" in names:
        return "an EPUB book"
    if "mimetype" in names and "content.xml" in names:
        return "an ODT document, or another of OpenDocument"
    if "[Content_Types].xml" not in names and "word/document.xml" not in names:
        return ""
    for folder, what in PARTS.items():
        if any(name.startswith(folder) for name in names):
            return what
    return "a DOCX document, or another of Office"


def zip_stream(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Stream:
    """The bytes of a member; the checksum is verified at the end.

    zipfile gives its packed bytes, as of a member that is not packed. It would unpack them in
    pieces of any size.
    """
    packed = copy.copy(info)
    packed.compress_type = zipfile.ZIP_STORED
    packed.file_size = info.compress_size
    del packed.CRC
    check_sum = 0
    try:
        with archive.open(packed) as content:
            for piece in unpacked_member(uncompressed(cast(BinaryIO, content)), info):
                yield piece
                if isinstance(piece, Damage):
                    return
                check_sum = zlib.crc32(piece, check_sum)
    except (*UNREADABLE, OSError) as error:
        reason = str(error) or "the archive ends before it"
        yield Damage("damaged", f"the member cannot be read to its end: {reason}")
        return
    if check_sum != info.CRC:
        detail = "the member cannot be read to its end: its check sum (CRC-32) is wrong"
        yield Damage("bad_checksum", detail)


def unpacked_member(stream: Stream, info: zipfile.ZipInfo) -> Stream:
    """The decompressed bytes of a member."""
    if info.compress_type == zipfile.ZIP_STORED:
        return stream
    feed = Feed(stream)
    method = METHODS[info.compress_type]
    if method == "lzma":
        # After a version and a length come five bytes of settings. An .lzma file begins with the
        # same five and with its size.
        settings = feed.read(4 + 5)[4:]
        size = -1 if info.flag_bits & HAS_END_MARK else info.file_size
        feed.put_back(settings + size.to_bytes(8, "little", signed=size < 0))
    return member_pieces(feed, method)


def unsafe_name(name: str) -> str:
    """Why a member's name is unsafe; empty if it is safe."""
    if not name:
        return "it has no name"
    if (size := len(printable(name).encode())) > LONGEST_NAME_BYTES:
        return f"its name has {size:,} bytes; {LONGEST_NAME_BYTES:,} are read"
    path = PurePosixPath(name.replace("\\", "/"))
    outside = path.is_absolute() or ".." in path.parts or ":" in name[:2]
    return "its name leads out of the archive" if outside else ""


def is_hidden(name: str) -> bool:
    """Whether a name, or a folder in it, begins with a dot."""
    parts = name.replace("\\", "/").split("/")
    return any(part.startswith(".") and part not in (".", "..") for part in parts)


def is_meant(name: str, pattern: str | None) -> bool:
    """Whether the recipe's `member` matches the whole name or its last part."""
    if pattern is None:
        return True
    return fnmatchcase(name, pattern) or fnmatchcase(PurePosixPath(name).name, pattern)
