"""Parquet: one string column, read in small batches.

Only the text column is decoded, and as bytes, so that invalid UTF-8 rejects one value alone. A
parquet file is read from its end, so one that is compressed or in an archive is first written to a
temporary file, up to a size limit.
"""

import tempfile
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

import pyarrow as arrow
import pyarrow.parquet as parquet

from endonym.text.config import Source
from endonym.text.document import Document, Reject
from endonym.text.io.origin import MAX_DOCUMENT_BYTES, Origin, too_long
from endonym.text.io.streams import Damage, Stream
from endonym.text.readers.records import DEFAULT_FIELD

MAX_UNPACKED_BYTES = 4 << 30
"""The largest parquet file that is extracted to a temporary file."""

BATCH_ROWS = 256


def read_packed_parquet(
    stream: Stream, origin: Origin, source: Source
) -> Iterator[Document | Reject]:
    """The documents of a parquet file that comes as a stream."""
    with tempfile.TemporaryFile() as file:
        size = 0
        for piece in stream:
            if isinstance(piece, Damage):
                detail = f"{piece.detail}; a parquet file cannot be read in part"
                yield origin.reject(piece.reason, detail, record=None, raw_bytes=size)
                return
            size += len(piece)
            if size > MAX_UNPACKED_BYTES:
                detail = f"it unpacks to more than {MAX_UNPACKED_BYTES >> 30} GiB"
                yield origin.whole_file("too_long", detail)
                return
            file.write(piece)
        file.seek(0)
        yield from read_parquet(cast(BinaryIO, file), origin, source)


def read_parquet(file: BinaryIO, origin: Origin, source: Source) -> Iterator[Document | Reject]:
    """The documents of a parquet file."""
    rows = 0
    try:
        table = parquet.ParquetFile(file)
        column = text_column(table.schema_arrow, source.column)
        if column is None:
            fields = list(table.schema_arrow)[:12]
            names = ", ".join(f"{field.name} ({field.type})"[:60] for field in fields)
            name = source.column or DEFAULT_FIELD
            detail = f'there is no column "{name}" of strings; it has: {names}'
            yield origin.whole_file("no_text_field", detail)
            return
        for batch in table.iter_batches(batch_size=BATCH_ROWS, columns=[column]):
            for value in batch.column(0).cast(arrow.large_binary()):
                rows += 1
                yield value_document(rows, value.as_py(), origin)
    except (arrow.ArrowException, OSError) as error:
        detail = (
            f"not a whole parquet file, after {rows:,} rows: {str(error).splitlines()[0][:200]}"
        )
        yield origin.reject("damaged", detail, record=None, raw_bytes=origin.raw_bytes)


def text_column(schema: Any, column: str | int | None) -> str | None:
    """The name of the string column for `column`, or None."""
    names = [field.name for field in schema if is_text(field.type)]
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


def value_document(row: int, value: bytes | None, origin: Origin) -> Document | Reject:
    """One value of the column as a document; null becomes an empty text."""
    value = value or b""
    if len(value) > MAX_DOCUMENT_BYTES:
        return origin.reject("too_long", too_long(len(value)), record=row, raw_bytes=len(value))
    try:
        return origin.document(row, value.decode(), raw_bytes=len(value), meta={})
    except UnicodeDecodeError:
        detail = f"row {row}: this is no UTF-8"
        return origin.reject("invalid_utf8", detail, record=row, raw=value)
