"""Reads a raw file: returns its documents and rejects, whatever the file contains.

Nothing here raises for bad content. An error of the disk is a SourceError.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import BinaryIO

from endonym.errors import SourceError, printable
from endonym.text.articles import with_articles
from endonym.text.config import Source
from endonym.text.document import Document, Reject
from endonym.text.files import RawFile, not_a_file, size_on_disk
from endonym.text.io.formats import FileFormat, file_format, unsupported
from endonym.text.io.origin import Origin
from endonym.text.io.streams import Counted, Damage, Expansion, Stream, plain, unpacked
from endonym.text.readers.archives import Member, is_meant, zip_members
from endonym.text.readers.parquet import read_packed_parquet, read_parquet
from endonym.text.readers.plain import read_plain
from endonym.text.readers.records import read_json_lines
from endonym.text.readers.tables import read_table
from endonym.text.readers.tar import tar_members

Records = Iterator[Document | Reject]

READERS: dict[str, Callable[[Stream, Origin, Source], Records]] = {
    "txt": read_plain,
    "jsonl": read_json_lines,
    "csv": partial(read_table, table="csv"),
    "tsv": partial(read_table, table="tsv"),
    "parquet": read_packed_parquet,
}
"""The reader of each format of `text/io/formats.py`. A parquet file on disk is read in place."""

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
        if refusal := not_a_file(file.path):
            yield origin.whole_file("not_a_file", refusal)
            return
        if origin.raw_bytes == 0:
            yield origin.whole_file("empty_file", "empty file: it holds 0 bytes")
            return
        with file.path.open("rb") as raw:
            records = never_silent(opened_file(raw, origin, source, advance), origin)
            yield from with_articles(records, file, source)
    except OSError as error:
        raise no_access(file, error) from error


def size_of(file: RawFile) -> int:
    """The size of a raw file on disk."""
    try:
        return size_on_disk(file.path)
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
    kind, expansion = file_format(origin.name, source), Expansion(origin.raw_bytes)
    if kind.archive == "zip":
        members = bounded_members(zip_members(raw), expansion)
        yield from archive_records(members, origin, source, expansion)
        return
    if kind.format == "parquet" and not (kind.compression or kind.archive):
        yield from read_parquet(raw, origin, source)
        return
    stream = plain(Counted(raw, advance))
    if kind.archive == "tar":
        if kind.compression:
            stream = expansion.bounded(unpacked(stream, kind.compression))
        yield from archive_records(tar_members(stream), origin, source, expansion)
    else:
        yield from single_records(stream, kind, origin, source, expansion=expansion)


def bounded_members(
    members: Iterator[Member | Damage], expansion: Expansion
) -> Iterator[Member | Damage]:
    """The members of a zip, which together unpack to so much at most; the rest is only counted."""
    for member in members:
        if expansion.size > expansion.limit:
            left = 1 + sum(1 for _ in members)
            yield Damage("bomb", f"members not read: {left:,}; {expansion.message()}")
            return
        if isinstance(member, Member):
            member = replace(member, stream=expansion.bounded(member.stream))
        yield member


def single_records(
    stream: Stream, kind: FileFormat, origin: Origin, source: Source, *, expansion: Expansion
) -> Records:
    """The records of one file that is not an archive, compressed or not."""
    if not kind.format:
        yield origin.whole_file("unsupported_format", unsupported(kind, origin.name))
        return
    if kind.compression:
        stream = expansion.bounded(unpacked(stream, kind.compression))
    yield from READERS[kind.format](stream, origin, source)


def archive_records(
    members: Iterator[Member | Damage], origin: Origin, source: Source, expansion: Expansion
) -> Records:
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
            here = origin.member(member.name, member.raw_bytes)
            yield from member_records(member, here, source, expansion)
        elif len(others) < SHOWN_MEMBERS:
            others.append(member.name)
    if not found and others:
        names = ", ".join(others)
        detail = f'no member matches "{source.member}"; the archive holds: {names}'
        yield origin.whole_file("no_member", detail)


def member_records(member: Member, origin: Origin, source: Source, expansion: Expansion) -> Records:
    """The records of one member."""
    kind = file_format(member.name, source)
    if member.problem:
        yield origin.whole_file("unsafe_member", member.problem)
    elif kind.archive:
        yield origin.whole_file("unsupported_format", "an archive within an archive")
    elif not member.raw_bytes:
        yield origin.whole_file("empty_file", "empty file: it holds 0 bytes")
    else:
        yield from never_silent(
            single_records(member.stream, kind, origin, source, expansion=expansion), origin
        )
