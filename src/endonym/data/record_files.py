"""Files of records: JSON lines, plain or compressed, and parquet.

Bad records become rejects. A file that is cut off or damaged is an error: nobody wants to train on
the part of some answers that came through.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as arrow
import pyarrow.parquet as parquet

from endonym.errors import SourceError, printable
from endonym.formats.document import Reject
from endonym.formats.files import not_a_file, size_on_disk
from endonym.formats.io.content import MAX_DOCUMENT_BYTES, Origin
from endonym.formats.io.encoding import utf8_stream
from endonym.formats.io.formats import COMPRESSIONS
from endonym.formats.io.lines import readable_lines
from endonym.formats.io.streams import (
    ZSTD_PIECE_BYTES,
    Damage,
    Expansion,
    Stream,
    uncompressed,
    unpacked,
)
from endonym.formats.readers.records import LARGE_BYTES, json_value, too_many


class Record(NamedTuple):
    """A record, its id (`file#line`), the name of its source, and its raw text."""

    id: str
    source: str
    value: Any
    raw: str


LINES, TABLES = (".jsonl", ".ndjson"), (".parquet",)
BATCH_ROWS = 1024
MOST_UNPACKED = 64 << 20
"""Bytes of lines that are unpacked to estimate how many a compressed file holds."""
LONG_LINE = (
    f"a record may have {MAX_DOCUMENT_BYTES >> 20} MiB: a line is one JSON object with one "
    "conversation. A JSON list of them becomes such lines by jq -c '.[]' FILE.json > FILE.jsonl"
)


def require_format(path: Path) -> None:
    """Raise SourceError for a file whose name does not say that it can be read."""
    name = path.name.lower()
    for ending in COMPRESSIONS:
        name = name.removesuffix(ending)
    is_known = name.endswith(LINES) or path.name.lower().endswith(TABLES)
    if not is_known:
        raise SourceError(
            "conversations are read from .jsonl (also .gz, .zst, .bz2, .xz) and .parquet",
            where=printable(str(path)),
            do="Write one JSON object a line; of a JSON list: jq -c '.[]' FILE.json > FILE.jsonl",
        )


def read_records(path: Path, source: str) -> Iterator[Record | Reject]:
    """The records of a file, and rejects. Raises SourceError if the disk does not give them all."""
    require_format(path)
    origin = Origin(source, printable(path.name), size_on_disk(path))
    try:
        if refusal := not_a_file(path):
            yield origin.whole_file("not_a_file", refusal)
        elif not origin.raw_bytes:
            yield origin.whole_file("empty_file", "empty file: it holds 0 bytes")
        elif path.name.lower().endswith(TABLES):
            yield from _rows(path, origin)
        else:
            yield from _lines(path, origin)
    except OSError as error:
        raise SourceError(
            f"the file cannot be read: {error.strerror or error}",
            where=printable(str(path)),
            do="Check the disk and the file's permissions.",
        ) from error


def share_read(path: Path, records: int, line_bytes: int) -> float:
    """The share of a file that its first records are, 0 to 1; line_bytes: of their lines.

    A parquet file says how many rows it has. Of compressed lines the first MOST_UNPACKED bytes say
    how many all of them are. Raises SourceError for damaged compressed lines.
    """
    name, total = path.name.lower(), size_on_disk(path)
    if name.endswith(TABLES):
        return min(1.0, records / max(1, parquet.read_metadata(path).num_rows))
    unpacked_bytes = 0
    if compression := COMPRESSIONS.get(path.suffix.lower(), ""):
        with path.open("rb") as raw:
            # In small pieces, so that little is read that is not unpacked yet.
            packed: Stream = iter(lambda: raw.read(ZSTD_PIECE_BYTES), b"")
            for piece in _whole(unpacked(packed, compression), path):
                unpacked_bytes += len(piece)
                if unpacked_bytes > MOST_UNPACKED:
                    break
            total = unpacked_bytes * total / max(1, raw.tell())
    return min(1.0, line_bytes / max(1, total))


def _lines(path: Path, origin: Origin) -> Iterator[Record | Reject]:
    """The records of JSON lines. Blank lines are none."""
    with path.open("rb") as raw:
        stream: Stream = uncompressed(raw)
        compression = COMPRESSIONS.get(path.suffix.lower(), "")
        if compression:
            stream = Expansion(origin.raw_bytes).bounded(unpacked(stream, compression))
        _, stream = utf8_stream(stream, "utf-8")
        for item in readable_lines(_whole(stream, path), origin, "utf-8"):
            if isinstance(item, Reject):
                yield replace(item, detail=LONG_LINE) if item.reason == "too_long" else item
            elif item[1].strip():
                yield _line(*item, origin)


def _whole(stream: Stream, path: Path) -> Iterator[bytes]:
    """The stream. Raises SourceError where it is damaged."""
    for piece in stream:
        if isinstance(piece, Damage):
            raise _damaged(path, piece.detail)
        yield piece


def _damaged(path: Path, why: str) -> SourceError:
    """The error of a file of which only a part can be read."""
    return SourceError(
        f"the file cannot be read to its end: {why}",
        where=printable(str(path)),
        do="Fetch or write the file again. If nothing but this part is left of it, write its "
        "records to a new file.",
    )


def _line(number: int, line: str, origin: Origin) -> Record | Reject:
    """One line of JSON as a record, or why it is none."""
    raw = line.encode()
    if len(raw) > LARGE_BYTES and (what := too_many(line)):
        detail = f"line {number}: more than {what} in one record"
        return origin.reject("too_deep", detail, record=number, raw=raw)
    try:
        return Record(f"{origin.name}#{number}", origin.source, json_value(line), line)
    except RecursionError:
        detail = f"line {number}: the JSON is too deep, objects within objects without end"
        return origin.reject("too_deep", detail, record=number, raw=raw)
    except ValueError as error:
        return origin.reject("bad_json", f"line {number}: {error}", record=number, raw=raw)


def _rows(path: Path, origin: Origin) -> Iterator[Record | Reject]:
    """The rows of a parquet table, in small batches."""
    number = 0
    try:
        with parquet.ParquetFile(path) as table:
            metadata, kept = table.metadata, Expansion(origin.raw_bytes)
            groups = [metadata.row_group(n) for n in range(metadata.num_row_groups)]
            if not kept.has_room(sum(each.total_byte_size for each in groups)):
                raise _damaged(path, kept.message())
            for batch in table.iter_batches(batch_size=BATCH_ROWS):
                if not kept.has_room(batch.nbytes):
                    raise _damaged(path, f"after {number:,} rows {kept.message()}")
                for row in batch.to_pylist():
                    number += 1
                    yield Record(f"{origin.name}#{number}", origin.source, row, str(row))
    except (arrow.ArrowException, ValueError, IndexError, OverflowError) as error:
        why = next(iter(str(error).splitlines()), type(error).__name__)[:200]
        raise _damaged(path, f"no whole parquet file, after {number:,} rows: {why}") from error
