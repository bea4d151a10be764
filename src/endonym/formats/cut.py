"""Cuts a large file while it is fetched, behind a whole record."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from endonym.formats.io.formats import FileFormat, unpacked_name
from endonym.formats.io.streams import Expansion

LINES = frozenset({"txt", "jsonl", "csv", "tsv", "leipzig"})
PIECE_BYTES = 1 << 20
BATCH_ROWS = 1_000


def can_be_cut(kind: FileFormat) -> bool:
    """Whether the beginning of such a file can be read alone."""
    is_table = kind.format == "parquet" and not kind.compression
    return not kind.archive and (kind.format in LINES or is_table)


def cut_name(name: str) -> str:
    """The name of what is cut from a file: it is not compressed."""
    name = unpacked_name(name)
    return f"{name}l" if name.endswith(".json") else name


def cut_to(path: Path, stream: Any, kind: FileFormat, *, most: int, n_bytes: int) -> None:
    """Write the whole records in about the first `most` of a file's bytes; of a table at least one.

    stream: the file, which is read no farther than need be. n_bytes: its size.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    if kind.format == "parquet":
        _cut_table(part, stream, most / n_bytes)
    else:
        _cut_lines(part, stream, kind, most)
    part.replace(path)


def _cut_table(path: Path, stream: Any, share: float) -> None:
    """The first rows of a parquet file."""
    from pyarrow import parquet

    table = parquet.ParquetFile(stream, buffer_size=PIECE_BYTES, pre_buffer=False)
    left = max(1, int(share * table.metadata.num_rows))
    with parquet.ParquetWriter(path, table.schema_arrow) as writer:
        for batch in table.iter_batches(min(left, BATCH_ROWS)):
            writer.write_batch(batch.slice(0, left))
            left -= min(left, batch.num_rows)
            if not left:
                return


def _cut_lines(path: Path, stream: Any, kind: FileFormat, most: int) -> None:
    """The whole lines in the first bytes of a file; of compressed bytes what they unpack to."""

    def pieces() -> Iterator[bytes]:
        left = most
        while left and (piece := stream.read(min(left, PIECE_BYTES))):
            left -= len(piece)
            yield piece

    end = 0
    with path.open("wb") as file:
        for piece in Expansion(most).unpacked(pieces(), kind.compression):
            if isinstance(piece, bytes):  # Damage stands where the bytes end.
                found = piece.rfind(b"\n") + 1
                end = file.tell() + found if found else end
                file.write(piece)
        file.truncate(end or None)
