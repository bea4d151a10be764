"""Parquet: one string column, read in small batches, and what stands beside it of its origin.

Only these columns are decoded, strings as dictionaries, so that a value that is repeated a million
times is in memory once. A parquet file is read from its end, so one that is compressed or in an
archive is first written to a temporary file, up to a size limit.
"""

from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow.parquet as parquet

from endonym.formats.config import Source
from endonym.formats.document import Document, Reject
from endonym.formats.io.content import Content
from endonym.formats.io.origin import Origin
from endonym.formats.io.streams import Expansion
from endonym.formats.readers.columns import (
    Row,
    is_text,
    no_column,
    note_columns,
    notes,
    table_documents,
    text_column,
    texts,
)

BATCH_ROWS, BATCH_BYTES = 1 << 16, 16 << 20
"""How much is decoded at a time: so many rows, fewer if they are long. Each batch comes with a copy
of the whole dictionary, so that small batches of many values would take quadratic time."""

MAX_NOTE_BYTES = 4_096
"""On the mean, in a group of rows: a longer column is not read for its notes."""


def read_parquet_content(
    content: Content, origin: Origin, source: Source
) -> Iterator[Document | Reject]:
    """The documents of a parquet file on disk, compressed, or in an archive."""

    def rows(file: BinaryIO) -> Iterator[Row | Reject]:
        table = parquet.ParquetFile(file)
        column = text_column(table.schema_arrow, source.column)
        if column is None:
            yield no_column(table.schema_arrow, origin, source)
            return
        allowed = Expansion(origin.raw_bytes)
        if not allowed.has_room(declared_bytes(table.metadata, column)):
            yield origin.whole_file("bomb", allowed.message())
            return
        yield from text_rows(file, column, batch_rows(table))

    return table_documents(content, origin, "parquet", rows)


def declared_bytes(metadata: Any, column: str) -> int:
    """What a column says that it unpacks to. Its pages, which may lie, have 2 GiB each at most."""
    groups = [metadata.row_group(n) for n in range(metadata.num_row_groups)]
    chunks = (group.column(n) for group in groups for n in range(group.num_columns))
    return sum(each.total_uncompressed_size for each in chunks if each.path_in_schema == column)


def batch_rows(table: parquet.ParquetFile) -> int:
    """How many rows of a table are decoded at a time."""
    groups = [table.metadata.row_group(n) for n in range(table.num_row_groups)]
    largest = max((each.total_byte_size / max(1, each.num_rows) for each in groups), default=0)
    return max(1, min(BATCH_ROWS, int(BATCH_BYTES / max(1, largest))))


def text_rows(file: BinaryIO, column: str, n_rows: int) -> Iterator[Row]:
    """The values of a column of strings in their order, null as empty ones, with their notes."""
    whole = parquet.ParquetFile(file)
    schema, large = whole.schema_arrow, large_columns(whole.metadata)
    beside = {k: name for k, name in note_columns(schema, column).items() if name not in large}
    names = [column, *beside.values()]
    coded = [name for name in names if is_text(schema.field(name).type)]
    table = parquet.ParquetFile(file, read_dictionary=coded)
    for batch in table.iter_batches(batch_size=n_rows, columns=names):
        said = notes({key: batch.column(name) for key, name in beside.items()}, batch.num_rows)
        for value, meta in zip(texts(batch.column(column)), said, strict=True):
            yield Row(value, meta, len(value))


def large_columns(metadata: Any) -> set[str]:
    """The columns whose values are too long for notes."""
    groups = [metadata.row_group(n) for n in range(metadata.num_row_groups)]
    chunks = (group.column(n) for group in groups for n in range(group.num_columns))
    return {
        each.path_in_schema
        for each in chunks
        if each.total_uncompressed_size > MAX_NOTE_BYTES * max(1, each.num_values)
    }
