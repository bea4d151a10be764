"""The counts of a corpus: what was read, what was kept, what was dropped and why.

Law 21: read = kept + dropped, in records and in bytes. Bytes here are those of the text as the
reader returned it, in UTF-8; for a reject of the reader, the raw bytes. `text_bytes` is the size of
kept documents after cleaning.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from endonym.errors import CorpusError
from endonym.text.document import Document, Reject
from endonym.text.reasons import is_unread, is_unreadable
from endonym.text.split import SIDES, Side
from endonym.text.text_warnings import example, text_warnings

SAMPLES = 5


@dataclass(slots=True)
class RecordStats:
    """A number of records, and their bytes."""

    records: int = 0
    bytes: int = 0

    def add(self, size: int) -> None:
        """Add one record."""
        self.records += 1
        self.bytes += size


@dataclass(slots=True)
class Kept:
    """The counts of one split: documents, bytes as read, and the text after cleaning."""

    documents: int = 0
    bytes: int = 0
    text_bytes: int = 0
    chars: int = 0


@dataclass(slots=True)
class CutStats:
    """What was taken out of documents that stay: paragraphs, and their characters."""

    documents: int = 0
    paragraphs: int = 0
    chars: int = 0


@dataclass(slots=True)
class SourceStats:
    """The counts of one source. of_articles: sentences whose article is known."""

    name: str
    files: int = 0
    read: RecordStats = field(default_factory=RecordStats)
    kept: dict[Side, Kept] = field(default_factory=lambda: {side: Kept() for side in SIDES})
    dropped: dict[str, RecordStats] = field(default_factory=dict[str, RecordStats])
    cuts: dict[str, CutStats] = field(default_factory=dict[str, CutStats])
    encodings: Counter[str] = field(default_factory=Counter[str])
    changed_documents: int = 0
    near_copies: int = 0
    of_articles: int = 0
    warnings: Counter[str] = field(default_factory=Counter[str])
    examples: dict[str, str] = field(default_factory=dict[str, str])
    unreadable: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    damages: list[str] = field(default_factory=list[str])
    samples: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def warn(self, text: str) -> None:
        """Count the warnings about a kept text, with an example of each."""
        for warning in text_warnings(text):
            self.warnings[warning] += 1
            if warning not in self.examples:
                self.examples[warning] = example(text, warning)

    def take(self, record: Document | Reject) -> int:
        """Count a record from the reader; returns its size."""
        size = len(record.text.encode()) if isinstance(record, Document) else record.raw_bytes
        self.read.add(size)
        return size

    def drop(self, reject: Reject, size: int, file: str) -> None:
        """Count a reject."""
        self.dropped.setdefault(reject.reason, RecordStats()).add(size)
        if is_unreadable(reject.reason):
            self.unreadable[file, reject.reason] += size

    def cut(self, reason: str, removed: Sequence[str]) -> None:
        """Count the paragraphs that were taken out of a document for a reason."""
        found = self.cuts.setdefault(reason, CutStats())
        found.documents += 1
        found.paragraphs += len(removed)
        found.chars += sum(map(len, removed))

    def unreadable_share(self) -> float:
        """The share of bytes that could not be read, of those that should be read."""
        meant = self.read.bytes - sum(
            each.bytes for reason, each in self.dropped.items() if is_unread(reason)
        )
        return sum(self.unreadable.values()) / meant if meant else 0.0

    def balance(self) -> None:
        """Raise CorpusError unless read = kept + dropped, in records and in bytes."""
        dropped = self.dropped.values()
        kept = self.kept.values()
        records = sum(each.documents for each in kept) + sum(each.records for each in dropped)
        size = sum(each.bytes for each in [*kept, *dropped])
        if (records, size) != (self.read.records, self.read.bytes):
            raise CorpusError(
                f"the counts do not balance: {self.read.records:,} records of "
                f"{self.read.bytes:,} bytes were read, {records:,} of {size:,} kept or dropped",
                where=f'source "{self.name}"',
                do="This is a fault of endonym: please report it with the files.",
            )

    def as_dict(self) -> dict[str, Any]:
        """The counts as they stand in card.json."""
        return {
            "files": self.files,
            "read": asdict(self.read),
            "kept": {side: asdict(kept) for side, kept in self.kept.items()},
            "dropped": {reason: asdict(each) for reason, each in sorted(self.dropped.items())},
            "cut": {reason: asdict(each) for reason, each in sorted(self.cuts.items())},
            "encodings": dict(sorted(self.encodings.items())),
            "changed_documents": self.changed_documents,
            "near_copies_moved": self.near_copies,
            "of_articles": self.of_articles,
            "samples": self.samples,
        }


def added(values: list[Any]) -> Any:
    """The sum of numbers; of tables, key by key."""
    if isinstance(values[0], dict):
        keys = sorted({key for value in values for key in value})
        return {key: added([value[key] for value in values if key in value]) for key in keys}
    return sum(values)


def total(all_stats: list[SourceStats]) -> dict[str, Any]:
    """The counts of all sources together."""
    tables = [stats.as_dict() for stats in all_stats]
    for each in tables:
        del each["samples"]
    return added(tables)


def reasons_table(all_stats: list[SourceStats]) -> str:
    """Dropped records by reason, one line each, the most frequent first."""
    dropped = Counter[str]()
    for stats in all_stats:
        dropped.update({reason: each.records for reason, each in stats.dropped.items()})
    return "\n".join(f"    {count:>12,}  {reason}" for reason, count in dropped.most_common())
