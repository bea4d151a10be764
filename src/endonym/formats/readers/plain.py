"""Plain text: a document is the whole file, a part of it, a line, or a block between blank lines.

A line that cannot be decoded is rejected alone; the lines around it are kept. Empty lines separate
documents and are not records. Sentences of the Leipzig corpora are lines of a number, a tab, and
the sentence; such files are known by their names, which end with `-sentences.txt`.
"""

import io
import math
import re
from collections.abc import Iterator

import regex

from endonym.formats.broken import is_mojibake
from endonym.formats.config import Source
from endonym.formats.document import PART, Document, Notes, Records, Reject
from endonym.formats.io.content import MAX_DOCUMENT_BYTES, Content, Origin, too_long
from endonym.formats.io.lines import Lines
from endonym.formats.readers.other_kinds import text_lines

VISIBLE = regex.compile(r"[^\p{Z}\p{C}]|\p{Co}")
"""A line without such a character is blank: spaces, controls, zero-width characters."""
STARS = regex.compile(r"\s*(?:([*#~•·_])(?:\s*\1){2,}|[⁂⁎✻✽❦☙❧※])\s*")
"""A row of stars or an ornament on a line of its own: it parts texts as an empty line does."""

INNER_END = re.compile(r"[\v\f\x85\u2028\u2029]")
"""Other Unicode line ends; they separate documents with document = "line"."""
NEXT_LINE = "\x85"
"""The one of these that is also half a letter, such as х, of UTF-8 that was read as latin-1."""
INNER_END_OF_GARBLED = re.compile(r"[\v\f\u2028\u2029]")

PART_BYTES = 2_000
"""A part has about so many bytes: as many as a block of short documents that is held out."""
SHORT_BYTES = 80
"""A shorter paragraph, such as a heading or the name of a speaker, does not end a part."""

MAX_COLUMN = 1 << 20
"""No line is split into more columns."""


def read_plain(content: Content, origin: Origin, source: Source) -> Records:
    """The documents of a text file."""
    wanted = "plain text" if source.format == "auto" else ""
    lines, meta = text_lines(content, origin, source, wanted)
    # A numbered column in plain text means lines, as in Leipzig's files.
    if source.document == "line" or isinstance(source.column, int):
        yield from line_documents(lines, origin, source, meta)
    else:
        yield from block_documents(lines, Block(origin, meta, source))


def line_documents(lines: Lines, origin: Origin, source: Source, meta: Notes) -> Records:
    """One document per line, or per column of a line."""
    column = source.column if isinstance(source.column, int) else None
    for item in lines:
        if isinstance(item, Reject):
            yield item
            continue
        for record, line in lines_within(*item):
            raw = line.encode()
            columns = [line] if column is None else line.split("\t", min(column, MAX_COLUMN))
            if column is not None and len(columns) < column:
                detail = f"line {record} has {len(columns)} columns, not {column}"
                yield origin.reject("bad_row", detail, record=record, raw=raw)
            else:
                text = columns[(column or 1) - 1]
                yield origin.document(record, text, raw_bytes=len(raw), meta=meta)


def lines_within(number: int, line: str) -> Iterator[tuple[int | str, str]]:
    """The line, or its parts between other line ends, numbered 7.1, 7.2 …; blank ones left out."""
    end = INNER_END_OF_GARBLED if NEXT_LINE in line and is_mojibake(line) else INNER_END
    if not end.search(line):
        if VISIBLE.search(line):
            yield number, line
        return
    for index, part in enumerate(end.split(line), 1):
        if VISIBLE.search(part):
            yield f"{number}.{index}", part


class Block:
    """The lines of an unfinished document.

    meta: of the documents that begin from now on. paragraph_bytes: since the last empty line.
    """

    def __init__(self, origin: Origin, meta: Notes, source: Source) -> None:
        self.origin = origin
        self.meta = meta
        self.number = 1
        self.text = io.StringIO()
        self.raw_bytes = 0
        self.paragraph_bytes = 0
        self.own_meta = meta
        self.are_parts = source.document == "part"
        is_blind = source.document in ("file", "part")
        self.blank_lines = math.inf if is_blind else source.blank_lines

    def is_over(self, blanks: int) -> bool:
        """Whether the document ends here, behind so many empty lines.

        A part ends with a paragraph, or with a line of a very long one.
        """
        if not self.are_parts:
            return blanks >= self.blank_lines
        is_closed = self.paragraph_bytes >= SHORT_BYTES or self.raw_bytes >= 2 * PART_BYTES
        is_end = blanks > 0 and is_closed and self.raw_bytes >= PART_BYTES
        return is_end or self.raw_bytes >= 4 * PART_BYTES

    def add(self, line: str) -> None:
        """Add a line; above the limit only the size is kept. Empty lines may stand before it."""
        separator = "\n" if self.raw_bytes else ""
        n_bytes = len(line.encode()) + 1
        if not self.raw_bytes:
            self.own_meta = self.meta
        is_new = not self.raw_bytes or line.startswith("\n")
        self.paragraph_bytes = n_bytes if is_new else self.paragraph_bytes + n_bytes
        self.raw_bytes += n_bytes
        if self.raw_bytes > MAX_DOCUMENT_BYTES:
            self.text = io.StringIO()
        else:
            self.text.write(separator + line)

    def finish(self) -> Document | Reject:
        """The finished document; a new one starts."""
        size = self.raw_bytes
        number = self.number
        text = self.text.getvalue()
        self.number = number + 1
        self.raw_bytes = 0
        self.text = io.StringIO()
        if size > MAX_DOCUMENT_BYTES:
            return self.origin.reject("too_long", too_long(size), record=number, raw_bytes=size)
        meta = self.own_meta | ({PART: self.origin.name} if self.are_parts else {})
        return self.origin.document(number, text, raw_bytes=size, meta=meta)


def block_documents(lines: Lines, block: Block) -> Records:
    """Documents that are parts, or end after empty lines or at the end of the file.

    Where one empty line ends a document, a row of stars does, too.
    """
    blanks = 0
    for item in lines:
        if isinstance(item, Reject):
            yield item
            continue
        _, line = item
        if not VISIBLE.search(line) or (block.blank_lines == 1 and STARS.fullmatch(line)):
            blanks += 1
            continue
        if block.raw_bytes and block.is_over(blanks):
            yield block.finish()
        elif block.raw_bytes:
            line = "\n" * blanks + line
        blanks = 0
        block.add(line)
    if block.raw_bytes:
        yield block.finish()


SENTENCE = regex.compile(r"\s*(\d{1,18})\t([^\t]*)(\t.*)?")


def read_leipzig(content: Content, origin: Origin, source: Source) -> Records:
    """One document per sentence; its own number is in `meta`, as `id`."""
    lines, meta = text_lines(content, origin, source)
    for item in lines:
        if isinstance(item, Reject):
            yield item
            continue
        record, line = item
        if not VISIBLE.search(line):
            continue
        raw = line.encode()
        found = SENTENCE.fullmatch(line)
        if found and VISIBLE.search(found[2]):
            own = meta | {"id": found[1]}
            yield origin.document(record, found[2], raw_bytes=len(raw), meta=own)
            continue
        what = "has a number and no sentence" if found else "is not a number, a tab and a sentence"
        yield origin.reject("bad_row", f"line {record} {what}", record=record, raw=raw)
