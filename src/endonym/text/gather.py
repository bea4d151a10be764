"""The first pass over raw files: read, clean, drop copies, write the rest to a temporary file.

The temporary file ("spool") is beside the corpus. In memory there is one digest per document if
copies are dropped (about a hundred bytes in Python), and sixteen bytes for the split.
"""

import itertools
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from endonym.text.clean.cleaning import Cleaning
from endonym.text.clean.corpus_rules import CorpusJudge
from endonym.text.config import Clean, Source
from endonym.text.corpus_stats import SourceStats
from endonym.text.document import Document, Reject
from endonym.text.document_files import Dropped, document_line
from endonym.text.files import RawFile
from endonym.text.io.origin import SHOWN_CHARS
from endonym.text.reader import read_file, size_of
from endonym.text.reasons import is_reported
from endonym.text.split import Blocks, Chosen, Keys, digest, split_keys
from endonym.text.waiting import Waited, Waiting

JUDGED_AT_ONCE = 64
"""Documents whose language is looked at together."""
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

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path.open("wb")
        self.names: list[tuple[array[int], array[int]]] = []
        self.blocks = Blocks()
        self.position = 0

    def begin_source(self) -> None:
        """The following documents belong to the next source."""
        self.names.append((array("Q"), array("Q")))

    def begin_file(self) -> None:
        """The following documents are from another raw file, so not neighbours of earlier ones."""
        self.blocks.end()
        self.position += 1

    def write(self, document: Document, size: int, text_bytes: int, name: bytes) -> None:
        """Add one document; `name` is its digest."""
        block = self.blocks.add(name, text_bytes)
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
    """The state of the first pass, shared by all sources.

    waiting: where documents wait for the facts of the whole corpus, if a rule needs them; then
    `judge` is called after all sources. removed: gets the parts that are taken out of documents.
    """

    def __init__(
        self,
        clean: Clean,
        seed: int,
        spool: Spool,
        dropped: Dropped,
        *,
        waiting: Waiting | None = None,
        removed: Dropped | None = None,
    ) -> None:
        self.clean, self.seed = clean, seed
        self.spool, self.dropped, self.waiting = spool, dropped, waiting
        self.cleaning = Cleaning(clean, removed.write) if removed else Cleaning(clean)
        self.sources = 0
        self.known: set[int] = set()

    def source(
        self, source: Source, files: Sequence[RawFile], advance: Callable[[int], None]
    ) -> SourceStats:
        """Read one source; returns its counts, before the split."""
        stats = SourceStats(source.name, files=len(files))
        self.cleaning.tally, self.sources = stats.tally, self.sources + 1
        if self.waiting is None:
            self.spool.begin_source()
        for file in files:
            if self.waiting is None:
                self.spool.begin_file()
            progress = Progress(advance, size_of(file))
            encodings: dict[str, str] = {}
            for record in read_file(source, file, progress.read):
                self.record(record, stats, file.name)
                if isinstance(record, Document):
                    member = record.id.rpartition("#")[0]
                    encodings[member] = record.meta.get("encoding", "utf-8")
            stats.encodings.update(encodings.values())
            progress.read(progress.left)
        return stats

    def record(self, record: Document | Reject, stats: SourceStats, file: str) -> None:
        """Normalize one record, and judge it or let it wait."""
        size = stats.take(record)
        if isinstance(record, Reject):
            if is_reported(record.reason) and len(stats.damages) < MAX_DAMAGES:
                stats.damages.append(f"{record.id}: {record.detail}")
            self.drop(record, size, stats, file)
            return
        document = self.cleaning.normalized(record)
        if isinstance(document, Reject):
            self.drop(document, size, stats, file)
            return
        stats.changed_documents += document is not record
        if self.waiting is not None:
            self.waiting.write(Waited(self.sources - 1, file, size, document))
        else:
            self.decide(document, size, stats, file)

    def judge(
        self, all_stats: Sequence[SourceStats], contrast: Mapping[str, Sequence[str]]
    ) -> None:
        """Judge the documents that waited, by the facts of the whole corpus."""
        if self.waiting is None:
            return
        corpus, last = CorpusJudge(self.clean, self.waiting.settle(contrast)), ""
        for source, file, size, document in self.prepared(corpus, self.waiting.read()):
            while len(self.spool.names) <= source:
                self.spool.begin_source()
                last = ""
            if file != last:
                self.spool.begin_file()
                last = file
            self.cleaning.tally = all_stats[source].tally
            self.decide(document, size, all_stats[source], file, corpus)
        while len(self.spool.names) < len(all_stats):
            self.spool.begin_source()

    def prepared(self, corpus: CorpusJudge, waited: Iterator[Waited]) -> Iterator[Waited]:
        """The documents, of which the judge has looked at many at once."""
        while batch := list(itertools.islice(waited, JUDGED_AT_ONCE)):
            corpus.prepare([each.document.text for each in batch])
            yield from batch

    def decide(
        self,
        document: Document,
        size: int,
        stats: SourceStats,
        file: str,
        corpus: CorpusJudge | None = None,
    ) -> None:
        """Keep a normalized document, or drop it for the reason that is found."""
        judged = self.cleaning.judged(document, size, corpus)
        if isinstance(judged, Reject):
            self.drop(judged, size, stats, file)
        else:
            self.keep(judged, size, stats, file)

    def keep(self, document: Document, size: int, stats: SourceStats, file: str) -> None:
        """Write a document to the spool, unless it is a copy and copies are dropped."""
        text = document.text.encode()
        name = digest(text, self.seed)
        if "exact" in self.clean.dedup:
            number = int.from_bytes(name, "big")
            if number in self.known:
                detail = "a text that reads the same came before"
                shown = document.text[:SHOWN_CHARS]
                stats.tally.dropped("exact", document.text, detail, size)
                copy = Reject("exact", document.id, document.source, detail, shown)
                self.drop(copy, size, stats, file)
                return
            self.known.add(number)
        stats.warn(document.text)
        self.spool.write(document, size, len(text), name)

    def drop(self, reject: Reject, size: int, stats: SourceStats, file: str) -> None:
        """Count and write a reject."""
        stats.drop(reject, size, file)
        self.dropped.write(replace(reject, raw_bytes=size))
