"""The first pass over raw files: read, clean, write what is kept to a temporary file.

There the documents wait until it is known which of them are copies (`text/sifting.py`). Those that
stay go to a second temporary file ("spool"). In memory there are sixteen bytes per document, for
the split.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from endonym.text.broken import broken
from endonym.text.clean.filters import cleaner
from endonym.text.config import BLOCK_BYTES, Clean, Source
from endonym.text.corpus_stats import SourceStats
from endonym.text.document import Document, Reject
from endonym.text.document_files import Dropped, document_line
from endonym.text.files import RawFile
from endonym.text.io.origin import SHOWN_CHARS
from endonym.text.reader import read_file, size_of
from endonym.text.reasons import is_reported
from endonym.text.split import Blocks, Chosen, Keys, split_keys
from endonym.text.waiting import Waiting, WaitingDocument

MAX_DAMAGES = 20
"""How many damaged files of a source are reported one by one."""


class Spooled(NamedTuple):
    """A kept document: its bytes as read and as cleaned, its characters, its JSON line."""

    size: int
    text_bytes: int
    chars: int
    line: bytes


class Spool:
    """The kept documents of all sources, in order, with the keys for the split."""

    def __init__(self, path: Path, block_bytes: int = BLOCK_BYTES) -> None:
        self.path = path
        self.file = path.open("wb")
        self.names: list[tuple[array[int], array[int]]] = []
        self.blocks = Blocks(block_bytes)
        self.files = self.position = 0

    def begin_source(self) -> None:
        """The following documents belong to the next source."""
        self.names.append((array("Q"), array("Q")))

    def begin_file(self) -> None:
        """The following documents are from another raw file, so not neighbours of earlier ones."""
        self.blocks.end()
        self.files += 1
        self.position += 1

    def write(
        self,
        document: Document,
        size: int,
        text_bytes: int,
        name: bytes,
        *,
        article: bytes | None = None,
    ) -> None:
        """Add one document; `name` is its digest. article: the digest of the article it is from."""
        if article is None:
            block = self.blocks.add(name, text_bytes)
        else:
            block, name = self.blocks.add_of_article(article), article
        documents, blocks = self.names[-1]
        documents.append(int.from_bytes(name[:8], "big"))
        blocks.append(self.blocks.key)
        self.file.write(b"%d %d %d " % (size, text_bytes, len(document.text)))
        self.file.write(document_line(replace(document, block=block, position=self.position)))
        self.position += 1

    def all_keys(self) -> list[Keys]:
        """The split keys of every document, source by source."""
        arrays = ([np.array(each, dtype=np.uint64) for each in pair] for pair in self.names)
        return [split_keys(documents, blocks) for documents, blocks in arrays]

    def read(self, chosen: Chosen | None = None) -> Iterator[Spooled]:
        """All documents, or the chosen ones, in order."""
        self.file.flush()
        with self.path.open("rb") as lines:
            for number, line in enumerate(lines):
                if chosen is None or chosen[number]:
                    size, text_bytes, chars, record = line.split(b" ", 3)
                    yield Spooled(int(size), int(text_bytes), int(chars), record)

    def remove(self) -> None:
        """Delete the temporary file."""
        self.file.close()
        self.path.unlink(missing_ok=True)


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


class Gathering:
    """The state of the first pass, shared by all sources."""

    def __init__(self, clean: Clean, waiting: Waiting, dropped: Dropped) -> None:
        self.waiting, self.dropped = waiting, dropped
        self.cleaned = cleaner(clean)
        self.sources = self.files = 0

    def source(
        self, source: Source, files: Sequence[RawFile], advance: Callable[[int], None]
    ) -> SourceStats:
        """Read one source; returns its counts, before copies are dropped."""
        stats = SourceStats(source.name, files=len(files))
        for file in files:
            progress = Progress(advance, size_of(file))
            encodings: dict[str, str] = {}
            for record in read_file(source, file, progress.read):
                self.record(record, stats, file.name)
                if isinstance(record, Document):
                    member = record.id.rpartition("#")[0]
                    encodings[member] = record.meta.get("encoding", "utf-8")
            stats.encodings.update(encodings.values())
            progress.read(progress.left)
            self.files += 1
        self.sources += 1
        return stats

    def record(self, record: Document | Reject, stats: SourceStats, file: str) -> None:
        """Keep or drop one record."""
        size = stats.take(record)
        if isinstance(record, Document):
            kept = self.verdict(record, stats)
            if isinstance(kept, Document):
                self.waiting.write(WaitingDocument(self.sources, self.files, size, kept))
                return
            record = kept
        elif is_reported(record.reason) and len(stats.damages) < MAX_DAMAGES:
            stats.damages.append(f"{record.id}: {record.detail}")
        self.drop(record, size, stats, file)

    def verdict(self, document: Document, stats: SourceStats) -> Document | Reject:
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
        stats.changed_documents += 1
        return replace(document, text=text)

    def drop(self, reject: Reject, size: int, stats: SourceStats, file: str) -> None:
        """Count and write a reject."""
        stats.drop(reject, size, file)
        self.dropped.write(replace(reject, raw_bytes=size))
