"""The first two steps of a corpus: raw files are read to chunks, and chunks are cleaned.

Both are functions from files to files, which `endonym.workers` runs: any number of them side by
side. Reading takes a group of raw files of one source, cleaning one chunk. Nothing here knows of
other groups or chunks; what must know all of them (copies, the split) comes later.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from endonym.text.broken import broken
from endonym.text.chunks import (
    CHUNK_CHARS,
    CLEAN,
    RAW,
    RECORD_CHARS,
    byte_lengths,
    char_lengths,
    read_chunk,
    strings,
    write_chunk,
)
from endonym.text.clean.filters import cleaner
from endonym.text.config import Clean, Source
from endonym.text.corpus_stats import SourceStats
from endonym.text.document import Document, Reject
from endonym.text.document_files import Whole, json_text
from endonym.text.files import RawFile
from endonym.text.io.formats import file_format
from endonym.text.io.origin import SHOWN_CHARS
from endonym.text.reader import read_file, size_of
from endonym.text.reasons import is_reported
from endonym.text.split import digest
from endonym.text.text_warnings import example, text_warnings

GROUP_BYTES, GROUP_FILES = 16 << 20, 1_000
"""A group of raw files is closed when it has so many bytes, or so many files."""

Row = tuple[str, str, str | None, int, int, str | None, str | None]
"""What stands in the columns of a raw chunk (text/chunks.py)."""


@dataclass(frozen=True, slots=True)
class Group:
    """Neighbouring raw files of one source, to be read to chunks in a folder.

    first: the number of the first file in its source. name: what its chunks' names begin with.
    """

    source: Source
    files: tuple[RawFile, ...]
    first: int
    folder: Path
    name: str


@dataclass(frozen=True, slots=True)
class RawChunk:
    """A chunk to be cleaned, the folder and the name of what is made of it.

    files: the names of all raw files in its group, whose first one has the number `first`.
    """

    raw: Path
    folder: Path
    name: str
    source: str
    clean: Clean
    seed: int
    files: tuple[str, ...]
    first: int


@dataclass(slots=True)
class Progress:
    """Reports the bytes read of one file, its size in total."""

    advance: Callable[[int], None]
    left: int

    def read(self, raw_bytes: int) -> None:
        """So many more bytes were read."""
        size = min(raw_bytes, self.left)
        self.left -= size
        self.advance(size)


def groups_of(files: Sequence[RawFile]) -> Iterator[tuple[int, int, int]]:
    """Neighbouring files in groups: the first one, the one after the last, and their bytes."""
    first = size = 0
    for number, file in enumerate(files):
        size += size_of(file)
        if size >= GROUP_BYTES or number + 1 - first >= GROUP_FILES:
            yield first, number + 1, size
            first, size = number + 1, 0
    if first < len(files):
        yield first, len(files), size


def read_group(group: Group, advance: Callable[[int], None]) -> dict[str, Any]:
    """Read raw files to chunks; which these are, and the encodings of the files."""
    chunks = RawChunks(group)
    for number, file in enumerate(group.files, group.first):
        progress = Progress(advance, size_of(file))
        for record in read_file(group.source, file, progress.read):
            chunks.add(record, number)
        progress.read(progress.left)
    chunks.write()
    source = group.source.name
    return {"source": source, "files": chunks.written, "encodings": dict(chunks.encodings)}


class RawChunks:
    """Gathers the records of a group, and writes them as chunks."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.written: list[Whole] = []
        self.encodings = Counter[str]()
        self.member, self.method = "", ""
        self.meta: dict[str, str] | None = None
        self.meta_text = ""
        self.rows: list[Row] = []
        self.chars = 0

    def add(self, record: Document | Reject, file: int) -> None:
        """Add a record of a file."""
        text, place = record.text, record.id
        if isinstance(record, Document):
            self.rows.append((text, place, self.noted(record), file, -1, None, None))
        else:
            why = (record.raw_bytes, record.reason, record.detail)
            self.rows.append((text, place, None, file, *why))
        self.chars += len(text) + len(place) + RECORD_CHARS
        if self.chars >= CHUNK_CHARS:
            self.write()

    def noted(self, document: Document) -> str:
        """The notes of the reader as JSON, with how the text was taken from its file.

        The encoding of a file, or of a member of an archive, is counted with its first document.
        """
        member = document.id.rpartition("#")[0]
        if member != self.member:
            self.member, self.meta = member, None
            self.method = file_format(member, self.group.source).format
            self.encodings[document.meta.get("encoding", "utf-8")] += 1
        # Documents of one file mostly share their notes.
        if document.meta is not self.meta:
            self.meta = document.meta
            self.meta_text = json_text({"method": self.method} | document.meta)
        return self.meta_text

    def write(self) -> None:
        """Write what was gathered, if anything was, and begin a new chunk."""
        if not self.rows:
            return
        texts, places, metas, files, sizes, reasons, details = zip(*self.rows, strict=True)
        column = strings(texts)
        lengths = np.array(sizes, dtype=np.int64)
        lengths = np.where(lengths < 0, byte_lengths(column), lengths)
        name = f"{self.group.name}-{len(self.written):05d}.arrow"
        columns = [column, places, metas, files, lengths, reasons, details]
        written = write_chunk(self.group.folder, name, RAW, columns)
        self.written.append(written | {"size": int(lengths.sum())})
        self.rows, self.chars = [], 0


def clean_chunk(chunk: RawChunk, advance: Callable[[int], None]) -> dict[str, Any]:
    """Clean the documents of a chunk; the chunk of what is kept and dropped, and the counts."""
    table = read_chunk(chunk.raw)
    cleaning = Cleaning(chunk)
    for row in zip(*(table[name].to_pylist() for name in RAW.names), strict=True):
        cleaning.record(row)
        advance(row[4])
    return cleaning.end()


class Cleaning:
    """The records of a chunk after cleaning, and their counts."""

    def __init__(self, chunk: RawChunk) -> None:
        self.chunk = chunk
        self.cleaned = cleaner(chunk.clean)
        self.stats = SourceStats(chunk.source)
        self.rows: list[Row] = []
        self.digests: list[bytes | None] = []
        self.warnings: list[str | None] = []
        self.meta, self.meta_text = dict[str, str](), "{}"

    def record(self, row: Row) -> None:
        """Keep or drop one record."""
        text, place, meta, file, size, reason, detail = row
        self.stats.read.add(size)
        if reason is None:
            document = Document(text, place, self.chunk.source, self.noted(meta or "{}"))
            kept = self.verdict(document)
            if isinstance(kept, Document):
                self.keep(kept, meta, file, size)
                return
            text, reason, detail = kept.text, kept.reason, kept.detail
        elif is_reported(reason):
            self.stats.damage(place, detail or "")
        self.stats.drop(reason, size, self.chunk.files[file - self.chunk.first])
        self.rows.append((text, place, None, file, size, reason, detail))
        self.digests.append(None)
        self.warnings.append(None)

    def noted(self, meta: str) -> dict[str, str]:
        """The notes of the reader; those of neighbours are mostly the same."""
        if meta != self.meta_text:
            self.meta, self.meta_text = json.loads(meta), meta
        return self.meta

    def verdict(self, document: Document) -> Document | Reject:
        """The cleaned document, or a reject."""
        refused = broken(document)
        if refused is not None:
            return refused
        text, verdict = self.cleaned(document.text)
        if verdict is not None:
            reason, detail = verdict
            shown = document.text[:SHOWN_CHARS]
            return Reject(reason, document.id, document.source, detail, shown)
        if text == document.text:
            return document
        self.stats.changed_documents += 1
        return replace(document, text=text)

    def keep(self, document: Document, meta: str | None, file: int, size: int) -> None:
        """Keep a cleaned document."""
        text = document.text
        found = {name: example(text, name) for name in text_warnings(text)}
        self.rows.append((text, document.id, meta, file, size, None, None))
        self.digests.append(digest(text.encode(), self.chunk.seed))
        self.warnings.append(json_text(found) if found else None)

    def end(self) -> dict[str, Any]:
        """Write the chunk; which it is, and its counts."""
        texts, places, metas, files, sizes, reasons, details = zip(*self.rows, strict=True)
        column = strings(texts)
        columns = [column, places, metas, files, sizes, reasons, details, self.digests]
        columns += [byte_lengths(column), char_lengths(column), self.warnings]
        written = write_chunk(self.chunk.folder, self.chunk.name, CLEAN, columns)
        kept = sum(each is not None for each in self.digests)
        counts = self.stats.counts()
        source = self.chunk.source
        return {"source": source, "files": [written], "documents": kept, "counts": counts}
