"""About how much text stands in raw files, before any is read whole."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from endonym.run.sources import RawSet
from endonym.text.config import Source
from endonym.text.document import Document, Reject
from endonym.text.files import RawFile
from endonym.text.reader import read_file

COMPRESSION = 3.5
"""Bytes of text in a byte of a compressed file, roughly."""
COMPRESSED = (".gz", ".zst", ".bz2", ".xz", ".zip", ".parquet", ".tgz")
TRIED_CHARS = 50_000
"""Of each source, so many tell how many bytes a letter takes."""


def file_text_bytes(path: Path) -> float:
    """About how much text a file holds, from its size and name alone."""
    is_packed = path.name.endswith(COMPRESSED)
    return path.stat().st_size * (COMPRESSION if is_packed else 1.0)


def text_bytes(raw: Sequence[RawSet]) -> int:
    """About how much text stands in raw files, from their sizes and names alone."""
    return int(sum(file_text_bytes(file.path) for each in raw for file in each.files))


def letters(raw: Sequence[RawSet]) -> int:
    """About how many characters that is: the first records of each source tell their width."""
    total = 0.0
    for each in raw:
        records = first_records(each.source, each.files[0], TRIED_CHARS)
        texts = [record.text for record in records if isinstance(record, Document)]
        total += text_bytes([each]) * letters_a_byte(texts)
    return int(total)


def letters_a_byte(texts: Sequence[str]) -> float:
    """Characters in a byte of UTF-8: 1 in French, a half in Tatar, a third in Khmer."""
    n_bytes = sum(len(text.encode("utf-8")) for text in texts)
    return sum(map(len, texts)) / n_bytes if n_bytes else 1.0


def first_records(source: Source, file: RawFile, chars: int) -> Iterator[Document | Reject]:
    """The first records of a file, up to so many characters."""
    seen = 0
    for each in read_file(source, file):
        yield each
        seen += len(each.text)
        if seen > chars:
            break
