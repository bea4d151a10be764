"""Reads a raw file: returns its documents and rejects, whatever the file contains.

Nothing here raises for bad content. An error of the disk is a SourceError.
"""

from collections.abc import Callable, Iterator
from typing import BinaryIO

from endonym.errors import SourceError
from endonym.text.config import Source
from endonym.text.document import Document, Reject
from endonym.text.files import RawFile, printable
from endonym.text.io.formats import FileFormat, shape_of, unsupported
from endonym.text.io.origin import Origin
from endonym.text.io.streams import Counted, Damage, Stream, plain, unpacked
from endonym.text.readers.archives import Member, is_meant, tar_members, zip_members
from endonym.text.readers.parquet import read_packed_parquet, read_parquet
from endonym.text.readers.plain import read_plain
from endonym.text.readers.records import read_json_lines
from endonym.text.readers.tables import read_table

Records = Iterator[Document | Reject]

SHOWN_MEMBERS = 5


def ignored(raw_bytes: int) -> None:
    """The default for `advance`: does nothing."""


def read_file(source: Source, file: RawFile, advance: Callable[[int], None] = ignored) -> Records:
    """The documents and rejects of a raw file, in the file's order.

    advance: called with the number of raw bytes newly read.
    Raises SourceError if the file cannot be read from the disk.
    """
    try:
        origin = Origin(source.name, file.name, size_of(file))
        if origin.raw_bytes == 0:
            yield origin.whole_file("empty_file", "empty file: it holds 0 bytes")
            return
        with file.path.open("rb") as raw:
            yield from never_silent(opened_file(raw, origin, source, advance), origin)
    except OSError as error:
        raise no_access(file, error) from error


def size_of(file: RawFile) -> int:
    """The size of a raw file on disk."""
    try:
        return file.path.stat().st_size
    except OSError as error:
        raise no_access(file, error) from error


def no_access(file: RawFile, error: OSError) -> SourceError:
    """The error for a file that cannot be read from the disk."""
    return SourceError(
        f"the file cannot be read: {error.strerror or error}",
        where=printable(str(file.path)),
        do="Check the disk and the file's permissions.",
    )


def never_silent(records: Records, origin: Origin) -> Records:
    """The same records; a file without any gets one reject, so that it is counted."""
    silent = True
    for record in records:
        silent = False
        yield record
    if silent:
        yield origin.whole_file("no_text", "no text: the file is blank")


def opened_file(
    raw: BinaryIO, origin: Origin, source: Source, advance: Callable[[int], None]
) -> Records:
    """The records of a file on disk."""
    shape = shape_of(origin.name, source)
    if shape.archive == "zip":
        yield from archive_records(zip_members(raw), origin, source)
        return
    if shape.format == "parquet" and not (shape.compression or shape.archive):
        yield from read_parquet(raw, origin, source)
        return
    stream = plain(Counted(raw, advance))
    if shape.archive == "tar":
        stream = unpacked(stream, shape.compression) if shape.compression else stream
        yield from archive_records(tar_members(stream), origin, source)
    else:
        yield from single_records(stream, shape, origin, source)


def single_records(stream: Stream, shape: FileFormat, origin: Origin, source: Source) -> Records:
    """The records of one file that is not an archive, compressed or not."""
    if not shape.format:
        yield origin.whole_file("unsupported_format", unsupported(shape, origin.name))
        return
    if shape.compression:
        stream = unpacked(stream, shape.compression)
    match shape.format:
        case "jsonl":
            yield from read_json_lines(stream, origin, source)
        case "csv" | "tsv":
            yield from read_table(stream, origin, source, shape.format)
        case "parquet":
            yield from read_packed_parquet(stream, origin, source)
        case _:
            yield from read_plain(stream, origin, source)


def archive_records(members: Iterator[Member | Damage], origin: Origin, source: Source) -> Records:
    """The records of those members of an archive that the recipe selects."""
    others: list[str] = []
    found = False
    for member in members:
        if isinstance(member, Damage):
            found = True
            size = member.raw_bytes or origin.raw_bytes
            yield origin.reject(member.reason, member.detail, record=None, raw_bytes=size)
        elif is_meant(member.name, source.member):
            found = True
            yield from member_records(member, origin.member(member.name, member.raw_bytes), source)
        else:
            others.append(member.name)
    if not found and others:
        names = ", ".join(others[:SHOWN_MEMBERS])
        detail = f'no member matches "{source.member}"; the archive holds: {names}'
        yield origin.whole_file("no_member", detail)


def member_records(member: Member, origin: Origin, source: Source) -> Records:
    """The records of one member."""
    shape = shape_of(member.name, source)
    if member.problem:
        yield origin.whole_file("unsafe_member", member.problem)
    elif shape.archive:
        yield origin.whole_file("unsupported_format", "an archive within an archive")
    elif not member.raw_bytes:
        yield origin.whole_file("empty_file", "empty file: it holds 0 bytes")
    else:
        yield from never_silent(single_records(member.stream, shape, origin, source), origin)
