"""The counts of a corpus: what was read, what was kept, what was dropped and why.

Law 21: read = kept + dropped, in records and in bytes. Bytes here are those of the text as the
reader returned it, in UTF-8; for a reject of the reader, the raw bytes. `text_bytes` is the size of
kept documents after cleaning. Signs of errors in kept texts are counted and reported, and never a
reason to drop one.
"""

import functools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import regex

from endonym.cleaning.packs import packs
from endonym.cleaning.tally import RuleCount, Tally
from endonym.copies.held_out.split import SIDES, Side
from endonym.disk import Json
from endonym.errors import CorpusError
from endonym.formats.broken import has_lost_letters
from endonym.formats.document import Reject
from endonym.formats.readable import Reading
from endonym.formats.reasons import is_one_record, is_reported, is_unread, is_unreadable

Counts = Counter[str]
SAMPLES = 5
KEPT = ("documents", "bytes", "text_bytes", "chars")
MAX_DAMAGES = 20
"""How many damaged files of a source are reported one by one."""

SYLLABLE = r"[\u1780-\u17b3](?:\u17d2[\u1780-\u17b3]|[\u17b4-\u17d3\u17dd])*"
EXAMPLES = {
    "lost_letters": regex.compile(r"\w*\p{L}\?+\p{L}[\w?]*"),
    "replacement": regex.compile("\\w*\ufffd[\\w\ufffd]*"),
    "khmer_order": regex.compile(SYLLABLE),
}
LONGEST_EXAMPLE = 40


@dataclass(slots=True)
class SourceStats:
    """The counts of one source.

    read, dropped: records and their bytes, of what is dropped by reason. kept: of each split the
    documents, their bytes as read, and their text after cleaning.
    of_articles: sentences whose article is known.
    """

    name: str
    files: int = 0
    read: Counts = field(default_factory=lambda: Counter(records=0, bytes=0))
    kept: dict[Side, Counts] = field(
        default_factory=lambda: {side: Counter(dict.fromkeys(KEPT, 0)) for side in SIDES}
    )
    dropped: dict[str, Counts] = field(default_factory=dict)
    encodings: Counts = field(default_factory=Counts)
    changed_documents: int = 0
    tally: Tally = field(default_factory=Tally)
    near_copies: int = 0
    of_articles: int = 0
    warnings: Counts = field(default_factory=Counts)
    examples: dict[str, str] = field(default_factory=dict)
    unreadable: Counts = field(default_factory=Counts)
    damages: list[str] = field(default_factory=list)
    samples: dict[str, list[str]] = field(default_factory=dict)

    def drop(self, reject: Reject, size: int, file: str = "") -> None:
        """Count a reject. size: its bytes as read. file: its raw file, if that is known."""
        reason = reject.reason
        self.dropped.setdefault(reason, Counter()).update(records=1, bytes=size)
        if is_reported(reason) and len(self.damages) < MAX_DAMAGES:
            self.damages.append(f"{reject.id}: {reject.detail}")
        if is_unreadable(reason):
            file = file or reject.id.rpartition("#")[0]
            self.unreadable[f"{reason}  {file}"] += size

    def counts(self) -> Json:
        """What was read and dropped, as JSON; `add` reads it."""
        return {
            "read": dict(self.read),
            "dropped": {reason: dict(each) for reason, each in self.dropped.items()},
            "changed_documents": self.changed_documents,
            "unreadable": dict(self.unreadable),
            "damages": self.damages,
            "rules": self.tally.as_dict(),
        }

    def add(self, counts: Mapping[str, Any]) -> None:
        """Add the counts of records that come after these."""
        self.read.update(counts["read"])
        for reason, each in counts["dropped"].items():
            self.dropped.setdefault(reason, Counter()).update(each)
        self.changed_documents += counts["changed_documents"]
        self.unreadable.update(counts["unreadable"])
        self.damages += counts["damages"][: MAX_DAMAGES - len(self.damages)]
        self.tally.add(counts["rules"])

    def reading(self) -> Reading:
        """How much of what should be read could not be read."""
        meant = self.read.copy()
        n_bad = 0
        for reason, each in self.dropped.items():
            n_bad += each["records"] * is_one_record(reason)
            if is_unread(reason):
                meant.subtract(each)
        return Reading(self.name, meant["records"], meant["bytes"], n_bad, lost=self.unreadable)

    def balance(self) -> None:
        """Raise CorpusError unless read = kept + dropped, in records and in bytes."""
        kept, dropped = (sum(each.values(), Counts()) for each in (self.kept, self.dropped))
        read = (self.read["records"], self.read["bytes"])
        counted = (kept["documents"] + dropped["records"], kept["bytes"] + dropped["bytes"])
        if counted != read:
            raise CorpusError(
                "the counts do not balance: {:,} records of {:,} bytes were read, {:,} of {:,} "
                "kept or dropped".format(*read, *counted),
                where=f'source "{self.name}"',
                do="This is a fault of endonym: please report it with the files.",
            )

    def as_dict(self) -> Json:
        """The counts as they stand in card.json."""
        return {
            "files": self.files,
            "read": dict(self.read),
            "kept": {side: dict(kept) for side, kept in self.kept.items()},
            "dropped": {reason: dict(each) for reason, each in sorted(self.dropped.items())},
            "encodings": dict(sorted(self.encodings.items())),
            "changed_documents": self.changed_documents,
            "near_copies_moved": self.near_copies,
            "of_articles": self.of_articles,
            "samples": self.samples,
            "rules": rules_table(self.tally.rules, self.read["records"]),
        }


def rules_table(rules: dict[str, RuleCount], read: int) -> Json:
    """The work of each rule as it stands in card.json. read: records of which it is a share."""
    return {name: rule.as_dict(read) for name, rule in sorted(rules.items())}


def added(values: list[Any]) -> Any:
    """The sum of numbers; of tables, key by key."""
    if isinstance(values[0], dict):
        keys = sorted({key for value in values for key in value})
        return {key: added([value[key] for value in values if key in value]) for key in keys}
    return sum(values)


def total(all_stats: list[SourceStats]) -> Json:
    """The counts of all sources together."""
    tables = [stats.as_dict() for stats in all_stats or [SourceStats("")]]
    tally = Tally()
    for table in tables:
        del table["samples"], table["rules"]
    for stats in all_stats:
        tally.add(stats.tally.as_dict())
    sums = added(tables)
    sums["rules"] = rules_table(tally.rules, sums["read"]["records"])
    return sums


def reasons_table(all_stats: list[SourceStats]) -> str:
    """Dropped records by reason, one line each, the most frequent first."""
    dropped = Counts()
    for stats in all_stats:
        dropped.update({reason: each["records"] for reason, each in stats.dropped.items()})
    return "\n".join(f"    {count:>12,}  {reason}" for reason, count in dropped.most_common())


@functools.cache
def khmer_disorder() -> "regex.Pattern[str]":
    """What the language pack puts in order."""
    return packs()["khmer_order"].pattern()


def text_warnings(text: str) -> dict[str, str]:
    """The warnings about a text, by their names in warnings.toml, each with an example of it."""
    is_khmer = "\u17d2" in text or "\u17c1" in text
    has_sign = {
        "lost_letters": has_lost_letters(text),
        "replacement": "\ufffd" in text,
        "khmer_order": is_khmer and khmer_disorder().search(text) is not None,
    }
    return {name: warning_example(text, name) for name, is_found in has_sign.items() if is_found}


def warning_example(text: str, warning: str) -> str:
    """The first word or syllable to which a warning refers; of Khmer, also as it should be."""
    for found in EXAMPLES[warning].finditer(text):
        word = found[0][:LONGEST_EXAMPLE]
        if warning != "khmer_order":
            return word
        if khmer_disorder().search(word):
            return f"{word} for {packs()['khmer_order'].changer()(word)}"
    return "…"
