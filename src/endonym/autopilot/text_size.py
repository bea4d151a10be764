"""Estimates how much text raw files hold, before they are read as a whole."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from endonym.text.config import Source
from endonym.text.document import Document, Reject
from endonym.text.files import RawFile, RawSet, size_on_disk

COMPRESSION = 3.5
"""Bytes of text in a byte of a compressed file, roughly."""
COMPRESSED = (".gz", ".zst", ".bz2", ".xz", ".zip", ".parquet", ".tgz")
TRIED_CHARS, TRIED_FILES = 50_000, 8
"""Characters and files of each source that are read to estimate the bytes per character."""


def file_text_bytes(path: Path) -> float:
    """Bytes of text in a file, estimated from its size and name."""
    is_packed = path.name.endswith(COMPRESSED)
    return size_on_disk(path) * (COMPRESSION if is_packed else 1.0)


def text_bytes(raw: Sequence[RawSet]) -> int:
    """Bytes of text in raw files, estimated from their sizes and names."""
    return int(sum(file_text_bytes(file.path) for each in raw for file in each.files))


def letters(raw: Sequence[RawSet]) -> int:
    """Characters in raw files, estimated from each source's first records.

    A character takes one byte in French, two in Tatar, three in Khmer. Files that are not in UTF-8
    are counted as if they were: half the characters, in an old Cyrillic encoding.
    """
    return int(sum(text_bytes([each]) * letters_a_byte(each) for each in raw))


def letters_a_byte(raw: RawSet) -> float:
    """Characters per byte of a source's unpacked files; 1 if no text was found."""
    chars = n_bytes = 0
    for file in raw.files[:TRIED_FILES]:
        for record in first_records(raw.source, file, TRIED_CHARS - chars):
            if isinstance(record, Document):
                chars += len(record.text)
                n_bytes += record.raw_bytes
        if chars >= TRIED_CHARS:
            break
    return chars / n_bytes if n_bytes else 1.0


def first_records(source: Source, file: RawFile, chars: int) -> Iterator[Document | Reject]:
    """The first records of a file, up to so many characters.

    Raises SourceError if the disk does not give the file.
    """
    from endonym.text.reader import read_file  # Parquet and others, which few commands need.

    seen = 0
    for each in read_file(source, file):
        yield each
        seen += len(each.text)
        if seen >= chars:
            break
