"""How much of raw texts cannot be read, and when that is too much: one rule for new, check and run.

A few bad records, such as rows of a table with a column too many, are rejects that are counted, and
end nothing. A large share of the bytes of all texts tells that a setting is wrong (`encoding`,
`column`, `document`) or that files are damaged, and so does a source of which nothing can be read.
Sources are judged together: `new` makes a source of each file, and a small file with two bad rows
says nothing about a corpus.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil

from endonym.errors import SourceError
from endonym.formats.reasons import is_one_record, is_unread, is_unreadable
from endonym.formats.source_errors import source_error

FEW_RECORDS = 10
"""Up to so many bad records end nothing, however long; `max_unreadable = 0` allows none."""
TOLD_SHARE = 0.01
"""A person is told of a source of which more than this share cannot be read."""
SHOWN = 5
LEAST_DOCUMENTS = 4
"""Two for train, one each for dev and test: at most half is held out."""
DIVIDE = 'Divide it with document = "part", "blank_lines" or "line" in [[source]], or add texts.'
"""What to do about fewer."""


@dataclass(slots=True)
class Reading:
    """What was read of a source: counted, or estimated from a sample.

    records, bytes: those that are meant to be read. bad_records: of these. lost: bytes that cannot
    be read, by "REASON  FILE". example: why the first one cannot be read.
    """

    source: str
    records: float = 0.0
    bytes: float = 0.0
    bad_records: float = 0.0
    lost: Counter[str] = field(default_factory=Counter)
    example: str = ""

    def add(self, size: int, reason: str = "", file: str = "", detail: str = "") -> None:
        """Add a record of so many bytes; one that was refused has a reason."""
        if is_unread(reason):
            return
        self.records += 1
        self.bytes += size
        if is_unreadable(reason):
            self.bad_records += is_one_record(reason)
            self.lost[f"{reason}  {file}"] += size
            self.example = self.example or detail

    def include(self, other: "Reading", times: float = 1.0) -> None:
        """Add the counts of another reading, each multiplied by `times`."""
        self.records += times * other.records
        self.bytes += times * other.bytes
        self.bad_records += times * other.bad_records
        for what, size in other.lost.items():
            self.lost[what] += round(times * size)
        self.example = self.example or other.example

    @property
    def damaged_bytes(self) -> int:
        """Bytes lost in damaged files, not record by record."""
        return sum(
            size for what, size in self.lost.items() if not is_one_record(what.partition("  ")[0])
        )

    @property
    def share(self) -> float:
        """The share of its bytes that cannot be read."""
        return self.lost.total() / self.bytes if self.bytes else 0.0


def judged_share(readings: Sequence[Reading], limit: float) -> float:
    """The share of all bytes that is judged: without bad records if these are few.

    They are few if they are at most FEW_RECORDS, or at most this limit's share of all records.
    """
    bad = sum(reading.bad_records for reading in readings)
    few = max(FEW_RECORDS if limit else 0, limit * sum(reading.records for reading in readings))
    lost = sum(reading.lost.total() if bad > few else reading.damaged_bytes for reading in readings)
    return lost / max(1.0, sum(reading.bytes for reading in readings))


def is_lost(reading: Reading) -> bool:
    """Whether nothing of a source can be read, and that is more than a few bad records."""
    is_more = reading.bad_records > FEW_RECORDS or reading.damaged_bytes > 0
    return is_more and reading.lost.total() >= reading.bytes > 0


def too_much(readings: Sequence[Reading], limit: float) -> SourceError | None:
    """The error of a corpus too much of which cannot be read; None if it may be made.

    limit: clean.max_unreadable.
    """
    lost = [reading for reading in readings if limit < 1 and is_lost(reading)]
    share = judged_share(readings, limit)
    if share > limit:
        problem = f"{share:.1%} of all bytes cannot be read, above clean.max_unreadable = {limit:g}"
        setting = f"max_unreadable = {allowance(readings, limit):g}"
    elif lost:
        problem = "nothing of this source can be read"
        setting = "max_unreadable = 1"
    else:
        return None
    shown = worst(readings if share > limit else lost)
    names = list(dict.fromkeys(name for _, name, _ in shown))
    where = f"source{'s' * (len(names) > 1)} " + ", ".join(f'"{name}"' for name in names)
    files = "\n".join(f"    {size:>12,} bytes  {what}" for size, _, what in shown)
    return source_error("too_much_unreadable", where, found=problem, files=files, go_on=setting)


def too_few(documents: float) -> str:
    """Why a corpus of so few documents cannot be made, for people; empty if it can."""
    if documents >= LEAST_DOCUMENTS:
        return ""
    return (
        f"documents left: {round(documents)}; to hold out one to choose by and one to judge by, "
        f"{LEAST_DOCUMENTS} are the least"
    )


def worst(readings: Iterable[Reading]) -> list[tuple[int, str, str]]:
    """The largest losses: the bytes, the source, and "REASON  FILE", of each."""
    losses = [(size, each.source, what) for each in readings for what, size in each.lost.items()]
    # The largest first; of equal ones by source, then by reason and file.
    return sorted(losses, key=lambda loss: (-loss[0], loss[1:]))[:SHOWN]


def allowance(readings: Sequence[Reading], limit: float) -> float:
    """The least clean.max_unreadable, in whole percent, with which these texts can be read.

    It allows twice what was found, as that is mostly an estimate.
    """
    share = judged_share(readings, limit)
    return limit if 2 * share <= limit else min(1.0, ceil(200 * share) / 100)


def loss_in_words(reading: Reading) -> str:
    """How much of a source cannot be read, for people; empty if it is little."""
    if reading.share <= TOLD_SHARE:
        return ""
    (_, _, what), *_ = worst([reading])
    why = f"; the first: {reading.example}" if reading.example else ""
    return f"{reading.share:.1%} of its bytes cannot be read, and are left out: {what}{why}"
