"""An index from hashes of 64 bits to what holds them, and arrays of numbers."""

from collections.abc import Iterable, Iterator, Sized
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from endonym.formats.chunks import read_arrays, write_arrays
from endonym.formats.document_files import Whole

MAX_PAIRS = 1 << 20
"""How many pairs of a text and a candidate are in memory at a time."""


Hashes = np.ndarray[tuple[int], np.dtype[np.uint64]]
Indices = np.ndarray[tuple[int], np.dtype[np.int64]]
Marks = np.ndarray[tuple[int], np.dtype[np.bool_]]
Kind = TypeVar("Kind", bound=np.generic)


def distinct(numbers: NDArray[Kind]) -> NDArray[Kind]:
    """The distinct numbers, ascending.

    Asked for counts too, np.unique sorts; else it hashes, which takes ten times as long.
    """
    return np.unique(numbers, return_counts=True)[0]


PARTS = ("hashes", "firsts", "owners", "filter")
"""The arrays of Postings."""


class Postings:
    """Which owners have a hash: `owners[firsts[i] : firsts[i + 1]]` have `hashes[i]`.

    filter: for the first bits of a hash, whether one of the index begins so.
    """

    def __init__(
        self, hashes: Hashes, firsts: Indices, owners: Indices, filter: Marks | None = None
    ) -> None:
        self.hashes = hashes
        self.firsts = firsts
        self.owners = owners
        bits = min(27, max(16, (8 * len(hashes)).bit_length()))
        self.shift = np.uint64(64 - bits)
        if filter is None:
            filter = unmarked(1 << bits)
            filter[hashes >> self.shift] = True
        self.filter = filter

    @classmethod
    def made(cls, hashes: Hashes, owners: Indices) -> "Postings":
        """From hashes in any order, each with the owner that has it."""
        order = np.argsort(hashes, kind="stable")
        distinct_hashes, firsts = np.unique(hashes[order], return_index=True)
        return cls(distinct_hashes, np.append(firsts, len(hashes)), owners[order])

    @classmethod
    def load(cls, folder: Path, name: str) -> "Postings":
        """What was saved, of which only what is used is read."""
        return cls(*read_arrays(folder, (f"{name}-{part}" for part in PARTS)))

    def save(self, folder: Path, name: str) -> list[Whole]:
        """Write it to files that can be mapped."""
        return write_arrays(folder, {f"{name}-{part}": getattr(self, part) for part in PARTS})

    def keep(self, stays: Marks) -> None:
        """Drop all other `owners`; the hashes keep their numbers."""
        self.firsts = np.append(0, np.cumsum(stays))[self.firsts]
        self.owners = self.owners[stays]

    def matches(self, hashes: Hashes) -> tuple[Indices, Indices]:
        """The places of those of these hashes that are in the index, and their numbers in it.

        Both are in the order of the hashes themselves.
        """
        maybe_present = np.nonzero(self.filter[hashes >> self.shift])[0]
        # In order, so that the search below walks forward.
        maybe_present = maybe_present[np.argsort(hashes[maybe_present])]
        wanted = hashes[maybe_present]
        numbers = np.minimum(np.searchsorted(self.hashes, wanted), len(self.hashes) - 1)
        same = self.hashes[numbers] == wanted
        return maybe_present[same], numbers[same]

    def holders(self, numbers: Indices) -> tuple[Indices, Indices]:
        """The owners of hashes with these numbers, one after the other; and how many each has."""
        counts = self.firsts[numbers + 1] - self.firsts[numbers]
        return self.owners[spread(self.firsts[numbers], counts)], counts

    def find(self, hashes: Hashes, documents: Indices) -> Indices:
        """Which document has which hash: document * len(self.hashes) + number, each once.

        documents[i]: the number of the document that contains hashes[i].
        """
        which, numbers = self.matches(hashes)
        return distinct(documents[which] * len(self.hashes) + numbers)

    def pairs(self, found: Indices) -> Iterator[tuple[Indices, Indices]]:
        """Each document with each owner of a hash that it has, in portions of whole documents.

        found: what `find` gives.
        """
        documents = found // len(self.hashes)
        numbers = found % len(self.hashes)
        for start, end in ranges(documents, self.firsts[numbers + 1] - self.firsts[numbers]):
            owners, counts = self.holders(numbers[start:end])
            yield np.repeat(documents[start:end], counts), owners


def unmarked(count: int) -> Marks:
    """Marks of so many things, of which none is set."""
    return np.zeros(count, dtype=np.bool_)


def owners_of(counts: Indices) -> Indices:
    """The number of each owner, as often as it has things. counts: how many each has."""
    return np.repeat(np.arange(len(counts)), counts)


def lengths_of(rows: Iterable[Sized]) -> Indices:
    """The length of each of some texts, arrays or lists."""
    return np.fromiter(map(len, rows), dtype=np.int64)


def spread(firsts: Indices, counts: Indices) -> Indices:
    """The numbers first, first + 1, … of several ranges, concatenated."""
    return places_within(counts) + np.repeat(firsts, counts)


def places_within(counts: Indices) -> Indices:
    """The numbers 0, 1, … below each count, concatenated."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def ranges(documents: Indices, counts: Indices) -> Iterator[tuple[int, int]]:
    """Ranges of whole documents with about MAX_PAIRS pairs, or with one document."""
    if not len(documents):
        return
    ends = np.append(np.nonzero(documents[1:] != documents[:-1])[0] + 1, len(documents))
    groups = np.cumsum(counts)[ends - 1] // MAX_PAIRS
    start = 0
    for end in ends[np.append(groups[1:] != groups[:-1], True)].tolist():
        yield start, end
        start = end
