"""Documents that wait to be judged until the whole corpus is counted: a file, and counts by chunk.

Used if a rule needs the facts of the whole corpus (`clean/corpus_rules.py`).
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from endonym.text.clean.corpus_rules import Counted, Counts, Facts, combine, rounds
from endonym.text.config import Clean
from endonym.text.document import Document
from endonym.text.document_files import document_line

CHUNK_CHARS = 4_000_000
"""Characters of documents that are counted together."""


class Waited(NamedTuple):
    """A normalized document: its source by number, its raw file, its bytes as read."""

    source: int
    file: str
    size: int
    document: Document


class Waiting:
    """The normalized documents of all sources, in order, in a folder."""

    def __init__(self, clean: Clean, folder: Path) -> None:
        self.clean, self.folder = clean, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.file = (folder / "documents").open("wb")
        self.counts, self.chars, self.saved = Counts(clean), 0, list[Path]()
        self.facts: Facts | None = None

    def write(self, waited: Waited) -> None:
        """Add a document, and count it."""
        head = json.dumps([waited.source, waited.file, waited.size]).encode()
        self.file.write(head + b"\t" + document_line(waited.document))
        self.count(waited.document.text)

    def count(self, text: str) -> None:
        """Count a document; counts of a chunk are saved when it is full."""
        self.counts.add(text)
        self.chars += len(text)
        if self.chars >= CHUNK_CHARS:
            self.save()

    def save(self) -> None:
        """Save the counts of a chunk, and begin the next one."""
        self.saved.append(self.folder / f"counts-{len(self.saved):05d}")
        self.counts.counted().save(self.saved[-1])
        self.counts, self.chars = Counts(self.clean, self.facts), 0

    def settle(self, contrast: Mapping[str, Sequence[str]]) -> Facts:
        """The facts of the corpus, after as many rounds of counting as the rules need.

        contrast: texts in other languages, by language.
        """
        self.file.flush()
        self.save()
        self.facts = combine(self.clean, map(Counted.load, self.saved), None, contrast)
        for _ in range(1, rounds(self.clean)):
            self.saved, self.counts = [], Counts(self.clean, self.facts)
            for waited in self.read():
                self.count(waited.document.text)
            self.save()
            self.facts = combine(self.clean, map(Counted.load, self.saved), self.facts)
        return self.facts

    def read(self) -> Iterator[Waited]:
        """All documents, in order."""
        self.file.flush()
        with (self.folder / "documents").open("rb") as lines:
            for line in lines:
                head, _, record = line.partition(b"\t")
                source, file, size = json.loads(head)
                found = json.loads(record)
                document = Document(found["text"], found["id"], found["source"], found["meta"])
                yield Waited(source, file, size, replace(document, raw_bytes=size))

    def remove(self) -> None:
        """Delete the folder."""
        self.file.close()
        shutil.rmtree(self.folder, ignore_errors=True)
