"""Members of tar and zip archives as streams. Nothing is ever written to disk.

A tar is read once from front to back, so that it may be compressed and larger than the disk.
Links, devices, and names that lead out of the archive are reported and skipped. Hidden members are
ignored, as in folders.
"""

import io
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import IO, BinaryIO, cast

from endonym.errors import printable
from endonym.text.io.streams import PIECE_BYTES, Damage, Feed, Stream


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive; `problem` says why it is skipped, if it is."""

    name: str
    raw_bytes: int
    stream: Stream
    problem: str = ""


class StreamFile(io.RawIOBase):
    """A stream as a file object for tarfile."""

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self.feed = Feed(stream)
        self.size = 0

    def readable(self) -> bool:
        """Always true."""
        return True

    def read(self, size: int = -1) -> bytes:
        """`size` bytes, fewer only at the end."""
        self.feed.peek(size)
        data = self.feed.take(size)
        self.size += len(data)
        return data


def tar_members(stream: Stream) -> Iterator[Member | Damage]:
    """The members of a tar, in order. Read each stream before asking for the next member.

    Damage, if any, comes last.
    """
    file = StreamFile(stream)
    try:
        with tarfile.open(fileobj=cast(IO[bytes], file), mode="r|") as archive:
            for info in archive:
                yield from tar_member(archive, info)
    except (tarfile.TarError, EOFError, ValueError) as error:
        if file.feed.damage is None:
            reason = "truncated" if "unexpected end" in str(error) else "damaged"
            yield Damage(reason, f"not a whole tar archive: {error}")
    file.feed.drain()
    if file.feed.damage is not None:
        yield file.feed.damage
    elif file.size % tarfile.BLOCKSIZE:
        yield Damage("truncated", "the tar archive ends early")


def tar_member(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Iterator[Member]:
    """A file of a tar; links, devices and unsafe names have a `problem`; no folders."""
    name = printable(info.name)
    if info.isdir() or is_hidden(name):
        return
    problem = unsafe_name(name)
    if info.issym() or info.islnk():
        problem = problem or f"a link to {printable(info.linkname)}; links are not followed"
    elif not info.isreg():
        problem = problem or "neither a file nor a folder"
    content = None if problem else archive.extractfile(info)
    stream = iter(()) if content is None else tar_stream(content, info.size)
    yield Member(name, info.size, stream, problem)


def tar_stream(content: IO[bytes], size: int) -> Stream:
    """The bytes of a member; their number is compared with the header's."""
    read = 0
    try:
        while piece := content.read(PIECE_BYTES):
            read += len(piece)
            yield piece
    except tarfile.TarError:
        read = -1
    if read != size:
        yield Damage("truncated", "the archive ends early, within this member")


def zip_members(file: BinaryIO) -> Iterator[Member | Damage]:
    """The members of a zip, in its own order."""
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, EOFError) as error:
        yield Damage("damaged", f"not a whole zip archive: {error}")
        return
    with archive:
        for info in archive.infolist():
            name = printable(info.filename)
            if info.is_dir() or is_hidden(name):
                continue
            problem = unsafe_name(info.filename)
            if stat.S_ISLNK(info.external_attr >> 16):
                problem = problem or "a link; links are not followed"
            if info.flag_bits & 1:
                problem = problem or "it needs a password"
            stream = iter(()) if problem else zip_stream(archive, info)
            yield Member(name, info.file_size, stream, problem)


def zip_stream(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Stream:
    """The bytes of a member; the checksum is verified at the end."""
    try:
        with archive.open(info) as content:
            while piece := content.read(PIECE_BYTES):
                yield piece
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        reason = "bad_checksum" if "CRC" in str(error) else "damaged"
        what = "its check sum (CRC-32) is wrong" if reason == "bad_checksum" else str(error)
        yield Damage(reason, f"the member cannot be read to its end: {what}")


def unsafe_name(name: str) -> str:
    """Why a member's name is unsafe; empty if it is safe."""
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
