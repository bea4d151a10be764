"""Reads a raw file: returns its documents and rejects, whatever the file contains.

Nothing here raises for bad content. An error of the disk is a SourceError. A fault of our own code
in a reader, or in what it calls, is a reject, too: it costs one file, and never the run.
"""

import errno
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import gettempdir
from typing import BinaryIO

import regex

from endonym.errors import MissingLibrary, SourceError, printable
from endonym.formats.articles import with_articles
from endonym.formats.config import Source
from endonym.formats.document import Records
from endonym.formats.faults import fault, passing_over
from endonym.formats.files import RawFile, not_a_file, size_on_disk
from endonym.formats.io.archives import Member, is_meant
from endonym.formats.io.content import Content, Origin
from endonym.formats.io.formats import NAMES, FileFormat, file_format, is_no_text
from endonym.formats.io.streams import Damage, Expansion, ignored, uncompressed
from endonym.formats.readers.arrow import arrow_rows, parquet_rows, read_columns
from endonym.formats.readers.other_kinds import unread
from endonym.formats.readers.parsed import PARSERS, read_docx, read_parsed
from endonym.formats.readers.pdf import read_pdf
from endonym.formats.readers.plain import read_leipzig, read_plain
from endonym.formats.readers.records import read_json_lines
from endonym.formats.readers.scans import read_image
from endonym.formats.readers.tables import read_table
from endonym.formats.readers.tar import archive_members
from endonym.formats.source_errors import source_error

Reader = Callable[[Content, Origin, Source], Records]


READERS: dict[str, Reader] = {
    **{name: partial(read_parsed, parser=parser) for name, parser in PARSERS.items()},
    "txt": read_plain,
    "leipzig": read_leipzig,
    "jsonl": read_json_lines,
    "csv": partial(read_table, table="csv"),
    "tsv": partial(read_table, table="tsv"),
    "parquet": partial(read_columns, rows_of=parquet_rows, kind="parquet"),
    "arrow": partial(read_columns, rows_of=arrow_rows, kind="Arrow"),
    "pdf": read_pdf,
    "image": read_image,
    "docx": read_docx,
}
"""The reader of each format of `formats/io/formats.toml`."""

SHOWN_MEMBERS = 5
FOLLOWS = "what follows in this file is left out"
COMPANION = regex.compile(
    rf"(?:^|/)(?:{'|'.join(NAMES['companions'])})(?:[-_.]\w{{1,20}})?\.te?xt$"
)
"""Members of archives that are about the texts."""


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
            records = opened_file(raw, file.path, origin, source, advance=advance)
            yield from never_silent(with_articles(records, file, source), origin)
    except MissingLibrary as error:
        error.where = f'{printable(file.path)}, of source "{source.name}"'
        raise
    except OSError as error:
        raise no_access(file, error) from error


def never_silent(records: Records, origin: Origin) -> Records:
    """The same records; a file without any gets one reject, so that it is counted.

    A fault of the code that makes the records is a reject, too. Errors of the disk and those that
    say what to do (a missing library) are raised; so is the end of memory, as the same file may be
    read with more of it.
    """
    record = None
    with passing_over() as faults:
        for record in records:
            yield record
    if faults:
        yield origin.whole_file("reader_failed", fault(faults[0], FOLLOWS))
    elif record is None:
        detail = "no text: the file is blank, or has dividing lines alone"
        yield origin.whole_file("no_text", detail)


def size_of(file: RawFile) -> int:
    """The size of a raw file on disk."""
    try:
        return size_on_disk(file.path)
    except OSError as error:
        raise no_access(file, error) from error


def no_access(file: RawFile, error: OSError) -> SourceError:
    """The error for a file that cannot be read from the disk, or not be unpacked to it."""
    why = error.strerror or error
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return source_error("no_room", file.path, why=why, folder=gettempdir())
    return source_error("closed_file", file.path, why=why)


def opened_file(
    raw: BinaryIO, path: Path, origin: Origin, source: Source, *, advance: Callable[[int], None]
) -> Records:
    """The records of a file on disk."""
    kind = file_format(origin.name, source)
    expansion = Expansion(origin.raw_bytes)
    if kind.archive:
        members = archive_members(raw, kind, expansion, advance)
        yield from archive_records(members, origin, source, expansion)
    else:
        stream = uncompressed(raw, advance)
        content = Content(stream, kind.compression, expansion, origin.raw_bytes, path, advance)
        yield from single_records(content, kind, origin, source)


def single_records(content: Content, kind: FileFormat, origin: Origin, source: Source) -> Records:
    """The records of one file that is not an archive, compressed or not."""
    if kind.format:
        yield from READERS[kind.format](content, origin, source)
    else:
        yield origin.whole_file("unsupported_format", unread(content, kind, origin.name))


def archive_records(
    members: Iterator[Member | Damage], origin: Origin, source: Source, expansion: Expansion
) -> Records:
    """The records of those members of an archive that the recipe selects."""
    other_names: list[str] = []
    is_any_read = False
    for member in members:
        if isinstance(member, Damage):
            is_any_read = True
            size = member.raw_bytes or origin.raw_bytes
            yield origin.reject(member.reason, member.detail, record=None, raw_bytes=size)
        elif is_meant(member.name, source.member):
            is_any_read = True
            member_origin = origin.member(member.name, member.raw_bytes)
            yield from member_records(member, member_origin, source, expansion)
        elif len(other_names) < SHOWN_MEMBERS:
            other_names.append(member.name)
    if not is_any_read and other_names:
        names = ", ".join(other_names)
        detail = f'no member matches "{source.member}"; the archive holds: {names}'
        yield origin.whole_file("no_member", detail)


def member_records(member: Member, origin: Origin, source: Source, expansion: Expansion) -> Records:
    """The records of one member."""
    kind = file_format(member.name, source)
    if member.problem:
        yield origin.whole_file("unsafe_member", member.problem)
    elif COMPANION.search(member.name.lower()) and source.member is None:
        yield origin.whole_file("companion", "a read-me, a licence or a list beside the texts")
    elif is_no_text(member.name) and not kind.format:
        yield origin.whole_file(
            "companion", "it holds no text: of the system or a program, or sound"
        )
    elif kind.archive:
        yield origin.whole_file("unsupported_format", "an archive within an archive")
    elif not member.raw_bytes:
        yield origin.whole_file("empty_file", "empty file: it holds 0 bytes")
    else:
        content = Content(member.stream, kind.compression, expansion, member.raw_bytes)
        yield from never_silent(single_records(content, kind, origin, source), origin)
