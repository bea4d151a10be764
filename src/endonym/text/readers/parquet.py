"""Parquet: one string column, read in small batches.

Only the text column is decoded, and as bytes, so that invalid UTF-8 rejects one value alone. It is
decoded as a dictionary, so that a value that is repeated a million times is in memory once. A
parquet file is read from its end, so one that is compressed or in an archive is first written to a
temporary file, up to a size limit.
"""

from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as arrow
import pyarrow.parquet as parquet

from endonym.text.config import Source
from endonym.text.document import Document, Reject
from endonym.text.io.content import Content, Unusable
from endonym.text.io.origin import MAX_DOCUMENT_BYTES, Origin, too_long
from endonym.text.io.streams import Expansion
from endonym.text.readers.records import DEFAULT_FIELD

BATCH_ROWS, BATCH_BYTES = 1 << 16, 16 << 20
"""How much is decoded at a time: so many rows, fewer if they are long. Each batch comes with a copy
of the whole dictionary, so that small batches of many values would take quadratic time."""


def read_parquet_content(
    content: Content, origin: Origin, source: Source
) -> Iterator[Document | Reject]:
    """The documents of a parquet file on disk, compressed, or in an archive."""
    try:
        with content.on_disk() as path, path.open("rb") as file:
            yield from read_parquet(file, origin, source)
    except Unusable as error:
        damage = error.damage
        detail = f"{damage.detail}; a parquet file cannot be read in part"
        yield origin.reject(damage.reason, detail, record=None, raw_bytes=damage.raw_bytes)


def read_parquet(file: BinaryIO, origin: Origin, source: Source) -> Iterator[Document | Reject]:
    """The documents of a parquet file."""
    rows = 0
    try:
        table = parquet.ParquetFile(file)
        kept = Expansion(origin.raw_bytes)
        column = text_column(table.schema_arrow, source.column)
        if column is None:
            yield no_column(table.schema_arrow, origin, source)
            return
        for value in values(file, column, batch_rows(table)):
            rows += 1
            if not kept.has_room(len(value)):
                detail = f"after {rows - 1:,} rows {kept.message()}"
                yield origin.reject("bomb", detail, record=None, raw_bytes=0)
                return
            yield value_document(rows, value, origin)
    except (arrow.ArrowException, OSError, ValueError, IndexError, OverflowError) as error:
        why = next(iter(str(error).splitlines()), type(error).__name__)[:200]
        detail = f"not a whole parquet file, after {rows:,} rows: {why}"
        yield origin.reject("damaged", detail, record=None, raw_bytes=origin.raw_bytes)


def no_column(schema: Any, origin: Origin, source: Source) -> Reject:
    """A whole file without the column that the recipe names."""
    names = ", ".join(f"{field.name} ({field.type})"[:60] for field in list(schema)[:12])
    name = source.column or DEFAULT_FIELD
    detail = f'there is no column "{name}" of strings; it has: {names}'
    return origin.whole_file("no_text_field", detail)


def batch_rows(table: parquet.ParquetFile) -> int:
    """How many rows of a table are decoded at a time."""
    groups = [table.metadata.row_group(n) for n in range(table.num_row_groups)]
    largest = max((each.total_byte_size / max(1, each.num_rows) for each in groups), default=0)
    return max(1, min(BATCH_ROWS, int(BATCH_BYTES / max(1, largest))))


def values(file: BinaryIO, column: str, n_rows: int) -> Iterator[bytes]:
    """The values of a column of strings in their order, null as empty ones."""
    table = parquet.ParquetFile(file, read_dictionary=[column])
    for batch in table.iter_batches(batch_size=n_rows, columns=[column]):
        coded = batch.column(0)
        known = coded.dictionary
        for number in coded.indices.to_pylist():
            value = None if number is None else known[number].as_buffer()
            yield b"" if value is None else value.to_pybytes()


def text_column(schema: Any, column: str | int | None) -> str | None:
    """The name of the string column for `column`, or None; also if two have this name."""
    names = [field.name for field in schema if is_text(field.type)]
    names = [name for name in names if schema.names.count(name) == 1]
    if isinstance(column, int):
        name = schema.names[column - 1] if column <= len(schema.names) else None
        return name if name in names else None
    name = column or DEFAULT_FIELD
    return name if name in names else None


def is_text(kind: Any) -> bool:
    """Whether a column contains strings, in any of parquet's types."""
    if arrow.types.is_dictionary(kind):
        kind = kind.value_type
    types = arrow.types
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def value_document(row: int, value: bytes, origin: Origin) -> Document | Reject:
    """One value of the column as a document."""
    if len(value) > MAX_DOCUMENT_BYTES:
        return origin.reject("too_long", too_long(len(value)), record=row, raw_bytes=len(value))
    try:
        return origin.document(row, value.decode(), raw_bytes=len(value), meta={})
    except UnicodeDecodeError:
        detail = f"row {row}: this is no UTF-8"
        return origin.reject("invalid_utf8", detail, record=row, raw=value)
