"""Tables of Arrow: the column of texts, and the columns that say where each text comes from.

Texts are taken as bytes, so that invalid UTF-8 rejects one value alone. A column that is coded as a
dictionary is never decoded as a whole: a value that is repeated a million times is in memory once.
"""

import codecs
from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from typing import Any, BinaryIO, NamedTuple

import pyarrow as arrow

from endonym.formats.config import Source
from endonym.formats.document import Document, Reject
from endonym.formats.io.content import Content, Unusable
from endonym.formats.io.origin import MAX_DOCUMENT_BYTES, Origin, too_long
from endonym.formats.io.streams import Expansion
from endonym.formats.provenance import MAX_CHARS, columns_noted, noted
from endonym.formats.readers.other_kinds import told, unusable
from endonym.formats.readers.records import DEFAULT_FIELD

SHOWN_BYTES = 4 * MAX_CHARS
"""Of a note, as no character has more than four bytes."""
ERRORS = (arrow.ArrowException, OSError, ValueError, IndexError, OverflowError)
"""What pyarrow raises for files that are broken."""


class Row(NamedTuple):
    """A text, what the other columns say of it, and about how many bytes of the file it takes."""

    text: bytes
    meta: dict[str, str]
    raw_bytes: int


def table_documents(
    content: Content,
    origin: Origin,
    kind: str,
    rows_of: Callable[[BinaryIO], Iterator[Row | Reject]],
) -> Iterator[Document | Reject]:
    """The documents of a table on disk, compressed, or in an archive.

    kind: the format in words. rows_of: the rows of the open file; a reject ends them.
    """
    try:
        with content.on_disk() as path, path.open("rb") as file:
            yield from told(_documents(rows_of(file), origin, kind), path, origin)
    except Unusable as error:
        yield unusable(error.damage, origin)


def _documents(
    rows: Iterator[Row | Reject], origin: Origin, kind: str
) -> Iterator[Document | Reject]:
    """A document of each row."""
    n_rows, kept = 0, Expansion(origin.raw_bytes)
    try:
        for row in rows:
            if isinstance(row, Reject):
                yield row
                return
            n_rows += 1
            if not kept.has_room(len(row.text)):
                detail = f"after {n_rows - 1:,} rows {kept.message()}"
                yield origin.reject("bomb", detail, record=None, raw_bytes=0)
                return
            yield value_document(n_rows, row, origin)
    except ERRORS as error:
        why = next(iter(str(error).splitlines()), type(error).__name__)[:200]
        detail = f"not a whole {kind} file, after {n_rows:,} rows: {why}"
        yield origin.reject("damaged", detail, record=None, raw_bytes=origin.raw_bytes)


def no_column(schema: Any, origin: Origin, source: Source) -> Reject:
    """A whole file without the column that the recipe names."""
    names = ", ".join(f"{field.name} ({field.type})"[:60] for field in list(schema)[:12])
    name = source.column or DEFAULT_FIELD
    detail = f'there is no column "{name}" of strings; it has: {names}'
    return origin.whole_file("no_column", detail)


def text_column(schema: Any, column: str | int | None) -> str | None:
    """The name of the string column for `column`, or None; also if two have this name."""
    names = [field.name for field in schema if is_text(field.type)]
    names = [name for name in names if schema.names.count(name) == 1]
    if isinstance(column, int):
        name = schema.names[column - 1] if column <= len(schema.names) else None
        return name if name in names else None
    name = column or DEFAULT_FIELD
    return name if name in names else None


def note_columns(schema: Any, text: str) -> dict[str, str]:
    """The columns that say where a text comes from: the key of `meta` -> the column's name."""
    names = [field.name for field in schema if is_text(field.type) or is_shown(field.type)]
    return columns_noted((name for name in names if schema.names.count(name) == 1), text=text)


def is_text(kind: Any) -> bool:
    """Whether a column contains strings, in any of Arrow's types."""
    if arrow.types.is_dictionary(kind):
        kind = kind.value_type
    types = arrow.types
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def is_shown(kind: Any) -> bool:
    """Whether a column contains numbers or dates, which can be shown."""
    types = arrow.types
    return any((types.is_integer(kind), types.is_floating(kind), types.is_date(kind))) or (
        types.is_timestamp(kind)
    )


def strings(column: Any) -> Iterator[Any]:
    """The buffers of a column of strings in their order, null as None.

    Offsets and indices may point anywhere in a stranger's file: they are checked before.
    Raises ArrowException or IndexError if they do.
    """
    kind = column.type
    if arrow.types.is_dictionary(kind):
        known = as_bytes(column.dictionary)
        column.indices.validate(full=True)
        for number in column.indices.to_pylist():
            yield None if number is None else known[number].as_buffer()
        return
    for value in as_bytes(column):
        yield value.as_buffer()


def as_bytes(column: Any) -> Any:
    """The same values as bytes, whose offsets are valid. Copies nothing."""
    types = arrow.types
    if types.is_large_string(column.type):
        kind = arrow.large_binary()
    else:
        kind = arrow.binary_view() if types.is_string_view(column.type) else arrow.binary()
    column = column.view(kind)
    column.validate(full=True)  # of strings, it would refuse all for one that is no UTF-8
    return column


def texts(column: Any) -> Iterator[bytes]:
    """The values of a column of strings, null as empty ones."""
    return (b"" if value is None else value.to_pybytes() for value in strings(column))


def notes(columns: dict[str, Any], rows: int) -> Iterator[dict[str, str]]:
    """What each row says of where it comes from. columns: key of `meta` -> column."""
    if not columns:
        return repeat({}, rows)
    shown = {key: list(shown_values(column)) for key, column in columns.items()}
    return (noted(dict(zip(shown, row, strict=True))) for row in zip(*shown.values(), strict=True))


def shown_values(column: Any) -> Sequence[str | None] | Iterator[str | None]:
    """The values of a column as text; None for one that cannot be shown."""
    if is_text(column.type):
        return (None if value is None else shown_bytes(value) for value in strings(column))
    try:
        column.validate(full=True)
        if arrow.types.is_timestamp(column.type):
            column = column.cast(arrow.timestamp("s", column.type.tz), safe=False)
        found = column.cast(arrow.string()).to_pylist()
    except (arrow.ArrowException, ValueError, OverflowError):  # such as an unknown time zone
        return [None] * len(column)
    return [None if value == "nan" else value for value in found]


def shown_bytes(value: Any) -> str | None:
    """The beginning of a value, or None if it is no UTF-8."""
    is_whole = value.size <= SHOWN_BYTES
    raw = (value if is_whole else value.slice(0, SHOWN_BYTES)).to_pybytes()
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(raw, final=is_whole)
    except UnicodeDecodeError:
        return None


def value_document(number: int, row: Row, origin: Origin) -> Document | Reject:
    """One row as a document."""
    text, raw_bytes = row.text, row.raw_bytes
    if len(text) > MAX_DOCUMENT_BYTES:
        detail = too_long(len(text))
        return origin.reject("too_long", detail, record=number, raw_bytes=raw_bytes)
    try:
        return origin.document(number, text.decode(), raw_bytes=raw_bytes, meta=row.meta)
    except UnicodeDecodeError:
        detail = f"row {number}: this is no UTF-8"
        return origin.reject("invalid_utf8", detail, record=number, raw=text, raw_bytes=raw_bytes)
