"""Folders of Hugging Face `datasets` on disk (Arrow): one string column, batch by batch, and what
stands beside it of its origin."""

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as arrow

from endonym.formats.config import Source
from endonym.formats.document import Document, Reject
from endonym.formats.io.content import Content
from endonym.formats.io.origin import Origin
from endonym.formats.io.streams import Expansion
from endonym.formats.readers.columns import (
    ERRORS,
    Row,
    no_column,
    note_columns,
    notes,
    table_documents,
    text_column,
    texts,
)
from endonym.limited.frames import readable, sendable
from endonym.limited.process import Failure, LimitedProcess, Limits

MOST_BATCH_BYTES = 2 << 30
"""Of a compressed batch, which is unpacked as a whole."""
SECONDS, SECONDS_PER_GB = 60.0, 60.0
_unpacking = LimitedProcess("endonym.formats.readers.arrow:unpacked_bytes")


def read_arrow(content: Content, origin: Origin, source: Source) -> Iterator[Document | Reject]:
    """The documents of a file in Arrow's format for streams, or in its format for files."""

    def rows_of(file: BinaryIO) -> Iterator[Row | Reject]:
        return rows(file, content, origin, source)

    return table_documents(content, origin, "Arrow", rows_of)


def rows(
    file: BinaryIO, content: Content, origin: Origin, source: Source
) -> Iterator[Row | Reject]:
    """The rows of an open file. Each takes its share of all columns of its batch."""
    if (bomb := too_large(Path(file.name), Expansion(origin.raw_bytes))) is not None:
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


def too_large(path: Path, kept: Expansion, batches: int | None = None) -> str | None:
    """Why a file is not unpacked here; None if it may be. batches: how many will be read.

    pyarrow makes room for as much as a compressed batch says. So all are first unpacked in a
    process with limits.
    """
    size = path.stat().st_size
    seconds = SECONDS + SECONDS_PER_GB * (kept.limit + size) / 1e9
    limits = Limits(MOST_BATCH_BYTES + size, seconds, 4 * seconds)
    question = {"file": sendable(str(path)), "most": kept.limit, "batches": batches}
    try:
        total = _unpacking.ask(question, limits)["total"]
    except Failure as failure:
        return f"it cannot be unpacked: {failure}"
    return kept.message() if total > kept.limit else None


def unpacked_bytes(question: Mapping[str, Any]) -> dict[str, int]:
    """Runs in the process with limits: the bytes of the first whole batches of a file, unpacked.

    It ends above "most". What is damaged is told where the file is read.
    """
    total = 0
    try:
        with readable(question["file"]) as name, arrow.memory_map(name) as file:
            for batch in islice(opened(file)[1], question["batches"]):
                # Batches share a dictionary: of it only the memory is limited.
                total += sum(getattr(each, "indices", each).nbytes for each in batch.columns)
                if total > question["most"]:
                    break
    except MemoryError:
        raise
    except ERRORS:
        pass
    return {"total": total}


def opened(file: Any) -> tuple[Any, Iterator[Any]]:
    """The schema of a file, and its batches. `datasets` writes the format for streams."""
    try:
        stream = arrow.ipc.open_stream(file)
        return stream.schema, iter(stream)
    except arrow.ArrowInvalid:
        file.seek(0)
        found = arrow.ipc.open_file(file)
        return found.schema, (found.get_batch(n) for n in range(found.num_record_batches))
