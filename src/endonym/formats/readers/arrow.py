"""Tables of Arrow: parquet, and folders of Hugging Face `datasets` on disk.

The column of texts is read, and the columns that say where each text comes from. Texts are taken
as bytes, so that invalid UTF-8 rejects one value alone. A column that is coded as a dictionary is
never decoded as a whole: a value that is repeated a million times is in memory once.

Of parquet only these columns are decoded, strings as dictionaries, in small batches. Such a file is
read from its end, so one that is compressed or in an archive is first written to a temporary file,
up to a size limit.
"""

import codecs
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice, repeat
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pyarrow as arrow
from pyarrow import parquet, types

from endonym.errors import first_line
from endonym.formats.config import Source
from endonym.formats.document import MAX_CHARS, Document, Records, Reject, columns_noted, noted
from endonym.formats.io.content import MAX_DOCUMENT_BYTES, Content, Origin, too_long
from endonym.formats.io.streams import Expansion
from endonym.formats.parsers.unit import Refused
from endonym.formats.readers.other_kinds import records_on_disk
from endonym.formats.readers.records import DEFAULT_FIELD
from endonym.limited.frames import readable, sendable
from endonym.limited.process import Failure, LimitedProcess, Limits

SHOWN_BYTES = 4 * MAX_CHARS
"""Of a note, as no character has more than four bytes."""
ERRORS = (arrow.ArrowException, OSError, ValueError, IndexError, OverflowError)
"""What pyarrow raises for files that are broken."""


class Row(NamedTuple):
    """A text, what the other columns say of it, and about how many bytes of the file it takes."""

    text: bytes
    meta: dict[str, str]
    raw_bytes: int


RowsOf = Callable[[BinaryIO, Content, Source], Iterator[Row]]


def read_columns(
    content: Content, origin: Origin, source: Source, *, rows_of: RowsOf, kind: str
) -> Records:
    """The documents of a table on disk, compressed, or in an archive.

    rows_of: its rows; raises Refused if the file is none of those that are read. kind: its format
    in words.
    """

    def read(path: Path) -> Records:
        n_rows = 0
        expansion = Expansion(origin.raw_bytes)
        try:
            with path.open("rb") as file:
                for n_rows, row in enumerate(rows_of(file, content, source), 1):
                    if not expansion.has_room(len(row.text)):
                        raise Refused("bomb", f"after {n_rows - 1:,} rows {expansion.message()}")
                    yield row_document(n_rows, row, origin)
        except Refused as refusal:
            size = 0 if n_rows else origin.raw_bytes
            yield origin.reject(refusal.reason, refusal.detail, record=None, raw_bytes=size)
        except ERRORS as error:
            detail = f"not a whole {kind} file, after {n_rows:,} rows: {first_line(error)}"
            yield origin.whole_file("damaged", detail)

    return records_on_disk(content, origin, read)


def text_column(schema: Any, column: str | int | None) -> str:
    """The name of the string column for `column`. Raises Refused; also if two have this name."""
    names = text_columns(schema)
    name = column or DEFAULT_FIELD
    if isinstance(name, int):
        name = schema.names[name - 1] if name <= len(schema.names) else ""
    if name in names and schema.names.count(name) == 1:
        return name
    columns = ", ".join(f"{field.name} ({field.type})"[:60] for field in list(schema)[:12])
    wanted = column or DEFAULT_FIELD
    raise Refused("no_column", f'there is no column "{wanted}" of strings; it has: {columns}')


def note_columns(schema: Any, text: str) -> dict[str, str]:
    """The columns that say where a text comes from: the key of `meta` -> the column's name.

    Those of strings, numbers and dates can be shown.
    """
    shown = (is_text, types.is_integer, types.is_floating, types.is_date, types.is_timestamp)
    names = [field.name for field in schema if any(each(field.type) for each in shown)]
    return columns_noted((name for name in names if schema.names.count(name) == 1), text=text)


def text_columns(schema: Any) -> list[str]:
    """The names of the columns that contain strings."""
    return [field.name for field in schema if is_text(field.type)]


def is_text(kind: Any) -> bool:
    """Whether a column contains strings, in any of Arrow's types."""
    if types.is_dictionary(kind):
        kind = kind.value_type
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def strings(column: Any) -> Iterator[Any]:
    """The values of a column of strings as buffers of Arrow, null as None.

    Offsets and indices may point anywhere in a stranger's file: they are checked before.
    Raises ArrowException or IndexError if they do.
    """
    if types.is_dictionary(column.type):
        values = as_bytes(column.dictionary)
        column.indices.validate(full=True)
        for number in column.indices.to_pylist():
            yield None if number is None else values[number].as_buffer()
        return
    for value in as_bytes(column):
        yield value.as_buffer()


def as_bytes(column: Any) -> Any:
    """The same values as bytes, whose offsets are valid. Copies nothing."""
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


def noted_texts(batch: Any, column: str, beside: dict[str, str]) -> Iterator[tuple[bytes, Any]]:
    """Each text of a batch, and what its row says of where it comes from.

    beside: key of `meta` -> name of the column that says it.
    """
    shown = {key: list(shown_values(batch.column(name))) for key, name in beside.items()}
    rows = zip(*shown.values(), strict=True) if shown else repeat((), batch.num_rows)
    for text, row in zip(texts(batch.column(column)), rows, strict=True):
        yield text, noted(dict(zip(shown, row, strict=True))) if row else {}


def shown_values(column: Any) -> Sequence[str | None] | Iterator[str | None]:
    """The values of a column as text; None for one that cannot be shown."""
    if is_text(column.type):
        return (None if value is None else shown_bytes(value) for value in strings(column))
    try:
        column.validate(full=True)
        if types.is_timestamp(column.type):
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


def row_document(number: int, row: Row, origin: Origin) -> Document | Reject:
    """One row as a document."""
    text = row.text
    raw_bytes = row.raw_bytes
    if len(text) > MAX_DOCUMENT_BYTES:
        detail = too_long(len(text))
        return origin.reject("too_long", detail, record=number, raw_bytes=raw_bytes)
    try:
        return origin.document(number, text.decode(), raw_bytes=raw_bytes, meta=row.meta)
    except UnicodeDecodeError:
        detail = f"row {number}: this is no UTF-8"
        return origin.reject("invalid_utf8", detail, record=number, raw=text, raw_bytes=raw_bytes)


MOST_BATCH_BYTES = 2 << 30
"""Of a compressed batch, which is unpacked as a whole."""
SECONDS = 60.0
SECONDS_PER_GB = 60.0
_unpacking = LimitedProcess("endonym.formats.readers.arrow:unpacked_bytes")


def arrow_rows(file: BinaryIO, content: Content, source: Source) -> Iterator[Row]:
    """The rows of a file in Arrow's format for streams, or in its format for files.

    Each takes its share of all columns of its batch.
    """
    if (bomb := too_large(Path(file.name), Expansion(content.raw_bytes))) is not None:
        raise Refused("bomb", bomb)
    schema, batches = open_batches(file)
    column = text_column(schema, source.column)
    beside = note_columns(schema, column)
    for batch in batches:
        row_bytes = batch.nbytes // max(1, batch.num_rows)
        for text, meta in noted_texts(batch, column, beside):
            yield Row(text, meta, row_bytes)
        content.advance(batch.nbytes)


def too_large(path: Path, allowed: Expansion, batches: int | None = None) -> str | None:
    """Why a file is not unpacked here; None if it may be. batches: how many will be read.

    pyarrow makes room for as much as a compressed batch says. So all are first unpacked in a
    process with limits.
    """
    size = path.stat().st_size
    seconds = SECONDS + SECONDS_PER_GB * (allowed.limit + size) / 1e9
    limits = Limits(MOST_BATCH_BYTES + size, seconds, 4 * seconds)
    question = {"file": sendable(path), "most": allowed.limit, "batches": batches}
    try:
        total = _unpacking.ask(question, limits)["total"]
    except Failure as failure:
        return f"it cannot be unpacked: {failure}"
    return allowed.message() if total > allowed.limit else None


def unpacked_bytes(question: Mapping[str, Any]) -> dict[str, int]:
    """Runs in the process with limits: the bytes of the first whole batches of a file, unpacked.

    It ends above "most". What is damaged is told where the file is read.
    """
    total = 0
    try:
        with readable(question["file"]) as name, arrow.memory_map(name) as file:
            for batch in islice(open_batches(file)[1], question["batches"]):
                # Batches share a dictionary: of it only the memory is limited.
                total += sum(getattr(column, "indices", column).nbytes for column in batch.columns)
                if total > question["most"]:
                    break
    except MemoryError:
        raise
    except ERRORS:
        pass
    return {"total": total}


def open_batches(file: Any) -> tuple[Any, Iterator[Any]]:
    """The schema of a file, and its batches. `datasets` writes the format for streams."""
    try:
        stream = arrow.ipc.open_stream(file)
        return stream.schema, iter(stream)
    except arrow.ArrowInvalid:
        file.seek(0)
        reader = arrow.ipc.open_file(file)
        return reader.schema, (reader.get_batch(n) for n in range(reader.num_record_batches))


BATCH_ROWS = 1 << 16
BATCH_BYTES = 16 << 20
"""How much is decoded at a time: so many rows, fewer if they are long. Each batch comes with a copy
of the whole dictionary, so that small batches of many values would take quadratic time."""

MAX_NOTE_BYTES = 4_096
"""On the mean, in a group of rows: a longer column is not read for its notes."""


def parquet_rows(file: BinaryIO, content: Content, source: Source) -> Iterator[Row]:
    """The rows of a parquet file."""
    table = parquet.ParquetFile(file)
    schema = table.schema_arrow
    groups = row_groups(table)
    column = text_column(schema, source.column)
    declared = 0
    large = set[str]()
    for chunk in [group.column(n) for group in groups for n in range(group.num_columns)]:
        # What the column says that it unpacks to. Its pages, which may lie, have 2 GiB at most.
        declared += chunk.total_uncompressed_size if chunk.path_in_schema == column else 0
        if chunk.total_uncompressed_size > MAX_NOTE_BYTES * max(1, chunk.num_values):
            large.add(chunk.path_in_schema)
    allowed = Expansion(content.raw_bytes)
    if not allowed.has_room(declared):
        raise Refused("bomb", allowed.message())
    beside = {k: name for k, name in note_columns(schema, column).items() if name not in large}
    names = [column, *beside.values()]
    dictionaries = [name for name in names if is_text(schema.field(name).type)]
    decoding = parquet.ParquetFile(file, read_dictionary=dictionaries)
    for batch in decoding.iter_batches(batch_size=batch_rows(table), columns=names):
        for text, meta in noted_texts(batch, column, beside):
            yield Row(text, meta, len(text))


def row_groups(table: parquet.ParquetFile) -> list[Any]:
    """What a file says of its groups of rows."""
    return [table.metadata.row_group(n) for n in range(table.num_row_groups)]


def batch_rows(table: parquet.ParquetFile) -> int:
    """How many rows of a table are decoded at a time."""
    sizes = [group.total_byte_size / max(1, group.num_rows) for group in row_groups(table)]
    return max(1, min(BATCH_ROWS, int(BATCH_BYTES / max([1, *sizes]))))
