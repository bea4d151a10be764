"""Tables: csv and tsv with a text column.

A column name refers to the header row; with a column number (from 1), every row is a record. In
csv a field may be in double quotes and contain line ends (RFC 4180), and the delimiter is a comma,
a semicolon or a tab, whichever the first row has most of, or what a line `sep=;` before it names,
as Excel writes it. In tsv quotes have no meaning.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from endonym.formats.config import Source
from endonym.formats.document import Document, Notes, Records, Reject, columns_noted, noted
from endonym.formats.io.content import MAX_DOCUMENT_BYTES, Content, Origin
from endonym.formats.io.lines import Lines
from endonym.formats.readers.other_kinds import text_lines
from endonym.formats.readers.plain import VISIBLE
from endonym.formats.readers.records import DEFAULT_FIELD

MAX_ROW_LINES = 10_000
"""A quote that is open for more lines is taken as an ordinary character."""

MAX_COLUMNS = 10_000
"""A row with more is rejected unsplit: each field takes far more memory than its letters."""

SEPARATOR = re.compile(r'sep=([^\w"])', re.IGNORECASE)

Numbered = tuple[int, str]
"""The number of a line, and its text."""


class TableRow(NamedTuple):
    """A row's fields, the number of its first line, and its raw text."""

    number: int
    fields: list[str]
    raw: str
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Layout:
    """The index of the text column, and the number of columns (0: any that is large enough).

    notes: columns that say where a record comes from, by their names.
    """

    index: int
    columns: int
    notes: dict[str, int] = field(default_factory=dict)


def read_table(content: Content, origin: Origin, source: Source, table: str) -> Records:
    """The documents of a csv or tsv file."""
    lines, meta = text_lines(content, origin, source, "a table")
    layout = None
    for item in tsv_rows(lines) if table == "tsv" else csv_rows(lines):
        if isinstance(item, Reject):
            yield item
        elif layout is None and not isinstance(source.column, int):
            layout = header_layout(item, source.column)
            if layout is None:
                yield from no_column(origin, source, item, lines)
                return
        else:
            layout = layout or Layout(int(source.column or 1) - 1, 0)
            yield row_document(item, layout, origin, meta)


def header_layout(header: TableRow, column: str | int | None) -> Layout | None:
    """The layout for the named column; without a name: `text`, or the only column."""
    names = [name.strip() for name in header.fields]
    if column is None and len(names) == 1:
        return Layout(0, 1)
    name = str(column or DEFAULT_FIELD)
    if name not in names:
        return None
    notes = {each: names.index(each) for each in columns_noted(names, text=name).values()}
    return Layout(names.index(name), len(names), notes)


def no_column(origin: Origin, source: Source, header: TableRow, lines: Lines) -> Iterator[Reject]:
    """Reject a whole table without the column that the recipe names."""
    size = len(header.raw.encode())
    for item in lines:
        if isinstance(item, Reject):
            yield item
        else:
            _, line = item
            size += len(line.encode()) + 1
    names = ", ".join(name[:40] for name in header.fields[:12])
    name = source.column or DEFAULT_FIELD
    detail = f'the first row names no column "{name}"; it has: {names}'
    yield origin.reject("no_column", detail, record=None, raw_bytes=size)


def row_document(row: TableRow, layout: Layout, origin: Origin, meta: Notes) -> Document | Reject:
    """One row as a document, or why it is rejected."""
    n_columns = len(row.fields)
    wanted = layout.columns or layout.index + 1
    is_broken = n_columns != wanted if layout.columns else n_columns < wanted
    if is_broken or not row.whole:
        return broken_row(row, wanted, origin)
    if layout.notes:
        meta = meta | noted({name: row.fields[place] for name, place in layout.notes.items()})
    size = len(row.raw.encode())
    return origin.document(row.number, row.fields[layout.index], raw_bytes=size, meta=meta)


def broken_row(row: TableRow, wanted: int, origin: Origin) -> Reject:
    """The reject of a row that has not the columns that are wanted, or is not whole."""
    n_columns = len(row.fields)
    what = f"{n_columns} columns, not {wanted}" if row.whole else "quotes that do not close"
    what = what if n_columns <= MAX_COLUMNS else f"more than {MAX_COLUMNS:,} columns"
    detail = f"line {row.number}: the row has {what}"
    return origin.reject("bad_row", detail, record=row.number, raw=row.raw.encode())


def tsv_rows(lines: Lines) -> Iterator[TableRow | Reject]:
    """One row per line, split at tabs."""
    for item in lines:
        if isinstance(item, Reject):
            yield item
            continue
        number, line = item
        if VISIBLE.search(line):
            cells = line.split("\t", MAX_COLUMNS)
            yield TableRow(number, cells, line, whole=len(cells) <= MAX_COLUMNS)


def csv_rows(lines: Lines) -> Iterator[TableRow | Reject]:
    """Rows whose quoted fields may contain line ends; an unclosed quote rejects only its line."""
    delimiter = ""
    pushed_back: list[Numbered] = []  # lines to be read again, the next one last

    def next_line() -> Numbered | Reject | None:
        return pushed_back.pop() if pushed_back else next(lines, None)

    while (item := next_line()) is not None:
        if isinstance(item, Reject):
            yield item
            continue
        number, line = item
        if not VISIBLE.search(line):
            continue
        if not delimiter and (separator := SEPARATOR.fullmatch(line)):
            delimiter = separator[1]
            continue
        delimiter = delimiter or max(",;\t", key=line.count)
        row_lines, rejects = lines_of_row(item, next_line)
        yield from rejects
        raw = "\n".join(text for _, text in row_lines)
        if raw.count(delimiter) > MAX_COLUMNS and '"' not in raw:
            yield TableRow(number, raw.split(delimiter, MAX_COLUMNS), raw, whole=False)
            continue
        fields = fields_of(raw, delimiter)
        if fields is None:
            pushed_back.extend(reversed(row_lines[1:]))
            yield TableRow(number, [], line, whole=False)
        else:
            yield TableRow(number, fields, raw)


def lines_of_row(
    first: Numbered, next_line: Callable[[], Numbered | Reject | None]
) -> tuple[list[Numbered], list[Reject]]:
    """The lines of a row, up to one where all quotes are closed, and the rejects among them."""
    row_lines = [first]
    rejects = list[Reject]()
    _, line = first
    quotes = line.count('"')
    size = len(line)
    while quotes % 2 and len(row_lines) < MAX_ROW_LINES and size < MAX_DOCUMENT_BYTES:
        item = next_line()
        if item is None:
            break
        if isinstance(item, Reject):
            rejects.append(item)
            continue
        row_lines.append(item)
        _, line = item
        quotes += line.count('"')
        size += len(line)
    return row_lines, rejects


def fields_of(raw: str, delimiter: str) -> list[str] | None:
    """The fields of one row; None if its quotes do not close, or if it is more than one row.

    The field size limit of the csv module is raised to that of a document.
    """
    csv.field_size_limit(MAX_DOCUMENT_BYTES)
    if raw.count('"') % 2:
        return None
    try:
        rows = list(csv.reader(io.StringIO(raw, newline=""), delimiter=delimiter))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None
