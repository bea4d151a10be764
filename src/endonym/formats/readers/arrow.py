"""Folders of Hugging Face `datasets` on disk (Arrow): one string column, batch by batch, and what
stands beside it of its origin."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO

import pyarrow as arrow

from endonym.formats.config import Source
from endonym.formats.document import Document, Reject
from endonym.formats.io.content import Content, Unusable
from endonym.formats.io.origin import Origin
from endonym.formats.io.streams import Expansion
from endonym.formats.readers.arrow_sizes import declared_bytes
from endonym.formats.readers.columns import (
    no_column,
    note_columns,
    notes,
    text_column,
    texts,
    value_document,
)
from endonym.formats.readers.other_kinds import told, unusable

MOST_BATCH_BYTES = 2 << 30
"""Of a compressed batch, which is unpacked as a whole."""
ERRORS = (arrow.ArrowException, OSError, ValueError, IndexError, OverflowError)


def read_arrow(content: Content, origin: Origin, source: Source) -> Iterator[Document | Reject]:
    """The documents of a file in Arrow's format for streams, or in its format for files."""
    try:
        with content.on_disk() as path, path.open("rb") as file:
            yield from told(documents(file, content, origin, source), path, origin)
    except Unusable as error:
        yield unusable(error.damage, origin)


def documents(
    file: BinaryIO, content: Content, origin: Origin, source: Source
) -> Iterator[Document | Reject]:
    """The documents of an open file. A row takes its share of all columns of its batch."""
    rows, kept = 0, Expansion(origin.raw_bytes)
    try:
        if (bomb := too_large(file, kept)) is not None:
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
                rows += 1
                if not kept.has_room(len(value)):
                    detail = f"after {rows - 1:,} rows {kept.message()}"
                    yield origin.reject("bomb", detail, record=None, raw_bytes=0)
                    return
                found = value_document(rows, value, origin, meta)
                yield replace(found, raw_bytes=row_bytes)
            content.advance(batch.nbytes)
    except ERRORS as error:
        why = next(iter(str(error).splitlines()), type(error).__name__)[:200]
        detail = f"not a whole Arrow file, after {rows:,} rows: {why}"
        yield origin.reject("damaged", detail, record=None, raw_bytes=origin.raw_bytes)


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
