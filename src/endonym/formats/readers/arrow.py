"""Folders of Hugging Face `datasets` on disk (Arrow): one string column, batch by batch, and what
stands beside it of its origin."""

from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as arrow

from endonym.formats.config import Source
from endonym.formats.document import Document, Reject
from endonym.formats.io.content import Content
from endonym.formats.io.origin import Origin
from endonym.formats.io.streams import Expansion
from endonym.formats.readers.arrow_sizes import declared_bytes
from endonym.formats.readers.columns import (
    Row,
    no_column,
    note_columns,
    notes,
    table_documents,
    text_column,
    texts,
)

MOST_BATCH_BYTES = 2 << 30
"""Of a compressed batch, which is unpacked as a whole."""


def read_arrow(content: Content, origin: Origin, source: Source) -> Iterator[Document | Reject]:
    """The documents of a file in Arrow's format for streams, or in its format for files."""

    def rows_of(file: BinaryIO) -> Iterator[Row | Reject]:
        return rows(file, content, origin, source)

    return table_documents(content, origin, "Arrow", rows_of)


def rows(
    file: BinaryIO, content: Content, origin: Origin, source: Source
) -> Iterator[Row | Reject]:
    """The rows of an open file. Each takes its share of all columns of its batch."""
    if (bomb := too_large(file, Expansion(origin.raw_bytes))) is not None:
        yield origin.whole_file("bomb", bomb)
        return
    schema, batches = opened(file)
    column = text_column(schema, source.column)
    if column is None:
        yield no_column(schema, origin, source)
        return
    beside = note_columns(schema, column)
    for batch in batches:
        row_bytes = batch.nbytes // max(1, batch.num_rows)
        said = notes({key: batch.column(name) for key, name in beside.items()}, batch.num_rows)
        for value, meta in zip(texts(batch.column(column)), said, strict=True):
            yield Row(value, meta, row_bytes)
        content.advance(batch.nbytes)


def too_large(file: BinaryIO, kept: Expansion) -> str | None:
    """Why a file is not unpacked, by what its compressed batches say; None if it may be."""
    total, largest = declared_bytes(file)
    if total > kept.limit:
        return kept.message()
    if largest > MOST_BATCH_BYTES:
        return f"a batch of it unpacks to {largest:,} bytes; {MOST_BATCH_BYTES >> 30} GiB are read"
    return None


def opened(file: BinaryIO) -> tuple[Any, Iterator[Any]]:
    """The schema of a file, and its batches. `datasets` writes the format for streams."""
    try:
        stream = arrow.ipc.open_stream(file)
        return stream.schema, iter(stream)
    except arrow.ArrowInvalid:
        file.seek(0)
        found = arrow.ipc.open_file(file)
        return found.schema, (found.get_batch(n) for n in range(found.num_record_batches))
