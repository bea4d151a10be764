"""Chunks: the records of a corpus on disk while it is made, as Arrow files of about 8 MB of text.

A chunk holds documents and rejects of one source in their order. Where chunks begin depends on the
raw files alone, so they are the same for any number of workers. Columns lie apart: what needs only
the numbers of documents reads no text.
"""

import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as arrow
import pyarrow.compute as compute
import pyarrow.ipc as ipc

from endonym.disk import packaged_tables
from endonym.formats.document import Reject
from endonym.formats.document_files import Whole, write_file

CHUNK_CHARS = 4 << 20
"""A chunk is full when it holds so many characters: 4 to 12 MB in UTF-8."""
RECORD_CHARS = 64
"""What a record counts beside its text, so that tiny ones do not make a chunk too large."""
COMPRESSION = "lz4"
DIGEST_BYTES = 16

COLUMNS = packaged_tables("endonym.formats", "chunks.toml")
NUMBERS = {"int32": arrow.int32(), "int64": arrow.int64()}
TYPES = {"string": arrow.string(), "digest": arrow.binary(DIGEST_BYTES), **NUMBERS}
RAW, CLEAN = (
    arrow.schema({name: TYPES[kind] for name, kind in columns.items()})
    for columns in (COLUMNS["raw"], COLUMNS["raw"] | COLUMNS["cleaned"])
)

Lengths = np.ndarray[tuple[int], np.dtype[np.int64]]
Keys = np.ndarray[tuple[int, int], np.dtype[np.uint64]]
Marks = np.ndarray[tuple[int], np.dtype[np.bool_]]


def write_chunk(
    folder: Path,
    name: str,
    schema: arrow.Schema,
    columns: Sequence[Any],
    *,
    compression: str | None = COMPRESSION,
) -> Whole:
    """Write the columns of a chunk in the schema's order. What is not compressed can be mapped."""
    arrays: list[arrow.Array] = []
    for field, column in zip(schema, columns, strict=True):
        if isinstance(column, arrow.Array):
            arrays.append(column)
        elif arrow.types.is_string(field.type):
            arrays.append(strings(column))
        else:
            arrays.append(arrow.array(column, type=field.type))
    batch = arrow.RecordBatch.from_arrays(arrays, schema=schema)
    sink = arrow.BufferOutputStream()
    options = ipc.IpcWriteOptions(compression=compression, use_threads=False)
    with ipc.new_file(sink, schema, options=options) as writer:
        writer.write_batch(batch)
    return write_file(folder, name, memoryview(sink.getvalue()))


def read_chunk(
    path: Path, names: Sequence[str] | None = None, schema: arrow.Schema = CLEAN
) -> arrow.Table:
    """A chunk, or some of its columns, in the order of its schema."""
    with arrow.memory_map(os.fsencode(path)) as file:
        fields = [schema.get_field_index(name) for name in names] if names else None
        options = ipc.IpcReadOptions(included_fields=fields, use_threads=False)
        return ipc.open_file(file, options=options).read_all()


def is_document(table: arrow.Table) -> Marks:
    """Which rows are documents. The table has the column `reason`."""
    return table["reason"].is_null().to_numpy()


def reject_of(row: Mapping[str, Any], source: str) -> Reject:
    """The reject in a row of a chunk. row: by column; `stayed` may be left out."""
    detail = row["detail"] or ""
    stayed = row.get("stayed") or ""
    return Reject(row["reason"], row["id"], source, detail, row["text"], row["size"], stayed)


def strings(values: Sequence[str | None]) -> arrow.Array:
    """A column of strings. Halves of characters, which UTF-8 cannot hold, become escapes."""
    try:
        return arrow.array(values, type=arrow.string())
    except UnicodeEncodeError:
        escaped = [each and each.encode("utf-8", "backslashreplace").decode() for each in values]
        return arrow.array(escaped, type=arrow.string())


def byte_lengths(texts: arrow.Array) -> Lengths:
    """The length of each text in UTF-8."""
    return _measured("binary_length", texts)


def char_lengths(texts: arrow.Array) -> Lengths:
    """The number of characters of each text."""
    return _measured("utf8_length", texts)


def _measured(function: str, texts: arrow.Array) -> Lengths:
    """What a function of pyarrow says of each text."""
    found = compute.call_function(function, [texts])
    return found.to_numpy(zero_copy_only=False).astype(np.int64)


def digests(table: arrow.Table, column_name: str = "digest") -> tuple[Lengths, Keys]:
    """The rows that have a digest, as all documents have, and the digests as two numbers each."""
    column = table[column_name].combine_chunks()
    rows = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
    data = column.buffers()[1]
    pairs = np.frombuffer(data or b"", dtype=">u8").reshape(-1, 2)[column.offset :]
    return rows, pairs[rows].astype(np.uint64)


def write_array(folder: Path, name: str, array: np.ndarray[Any, Any]) -> Whole:
    """Write an array of numpy, which can be read in parts."""
    sink = io.BytesIO()
    np.save(sink, array, allow_pickle=False)
    return write_file(folder, name, sink.getbuffer())


def write_arrays(folder: Path, arrays: Mapping[str, np.ndarray[Any, Any]]) -> list[Whole]:
    """Write each array as NAME.npy; `read_arrays` finds them by their names."""
    return [write_array(folder, f"{name}.npy", array) for name, array in arrays.items()]


def memory_mapped(path: Path) -> Any:
    """An array of numpy, of which only what is used is read."""
    return np.load(path, mmap_mode="r", allow_pickle=False)


def read_arrays(folder: Path, names: Iterable[str]) -> list[Any]:
    """Several arrays by their names, memory-mapped."""
    return [memory_mapped(folder / f"{name}.npy") for name in names]
