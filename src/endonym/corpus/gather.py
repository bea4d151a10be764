"""The first two steps of a corpus: raw files are read to chunks, and chunks are cleaned.

Both are functions from files to files, which `endonym.workers` runs: any number of them side by
side. Reading takes a group of raw files of one source, cleaning one chunk. Nothing here knows of
other groups or chunks; what must know all of them (copies, the split) comes later.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from endonym.cleaning.cleaning import Cleaning
from endonym.cleaning.corpus_rules import rounds
from endonym.cleaning.tally import SAMPLES, Tally
from endonym.corpus.cleaned import Cleaned, Row
from endonym.corpus.corpus_stats import SourceStats
from endonym.formats.chunks import (
    CHUNK_CHARS,
    RAW,
    RECORD_CHARS,
    byte_lengths,
    read_chunk,
    strings,
    write_chunk,
)
from endonym.formats.config import Clean, Source
from endonym.formats.document import Document, Reject
from endonym.formats.document_files import Whole, json_text
from endonym.formats.files import RawFile
from endonym.formats.io.formats import file_format
from endonym.formats.reader import read_file, size_of

GROUP_BYTES, GROUP_FILES = 16 << 20, 1_000
"""A group of raw files is closed when it has so many bytes, or so many files."""


@dataclass(frozen=True, slots=True)
class Group:
    """Neighbouring raw files of one source, to be read to chunks in a folder.

    first: the number of the first file in its source. name: what its chunks' names begin with.
    most_bytes: about how much is read of each file that has more, if not all of it.
    """

    source: Source
    files: tuple[RawFile, ...]
    first: int
    folder: Path
    name: str
    most_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class RawChunk:
    """A chunk to be cleaned, the folder and the name of what is made of it.

    files: the names of all raw files in its group, whose first one has the number `first`.
    samples: of what each rule does.
    """

    raw: Path
    folder: Path
    name: str
    source: str
    clean: Clean
    seed: int
    files: tuple[str, ...]
    first: int
    samples: int = SAMPLES


@dataclass(slots=True)
class Progress:
    """Reports the bytes read of one file, its size in total."""

    advance: Callable[[int], None]
    left: int
    done: int = 0

    def read(self, raw_bytes: int) -> None:
        """So many more bytes were read."""
        self.done += raw_bytes
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
        size, taken = size_of(file), 0
        progress, most = Progress(advance, size), group.most_bytes
        for record in read_file(group.source, file, progress.read):
            chunks.add(record, number)
            # Readers fetch far more than one record; of a packed file a record has more bytes.
            taken += record.raw_bytes
            if most is not None and size > most and min(taken, progress.done) >= most:
                break
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
    """Clean the documents of a chunk; the chunk of what is kept and dropped, and the counts.

    If a rule needs to know the whole corpus, documents are only normalized (corpus/judging.py).
    """
    table, stats = read_chunk(chunk.raw), SourceStats(chunk.source, tally=Tally(chunk.samples))
    rows = Cleaned(chunk.source, chunk.seed)
    cleaning = Cleaning(chunk.clean, rows.remove)
    cleaning.tally, waits = stats.tally, rounds(chunk.clean) > 0
    for row in zip(*(table[name].to_pylist() for name in RAW.names), strict=True):
        text, place, meta, file, size, reason, detail = row
        stats.read.add(size)
        if reason is None:
            read = Document(text, place, chunk.source, rows.noted(meta))
            found = cleaning.normalized(read)
            stats.changed_documents += isinstance(found, Document) and found is not read
            if isinstance(found, Document) and not waits:
                found = cleaning.judged(found, size)
        else:
            found = Reject(reason, place, chunk.source, detail, text)
        found = rows.add(found, meta, file, size)
        if isinstance(found, Reject):
            stats.drop(found, size, chunk.files[file - chunk.first])
        advance(size)
    written = rows.write(chunk.folder, chunk.name)
    return {
        "source": chunk.source,
        "files": written,
        "documents": rows.documents,
        "counts": stats.counts(),
    }
