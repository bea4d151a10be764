"""Shingles (runs of a few letters): their hashes, and an index of the texts that contain them.

Shingles are compared by 64-bit hashes, computed for many texts at once. Nothing here depends on the
order of texts or on Python's own hash.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from endonym.script.fold import folded

BATCH_CHARS = 1 << 18
MAX_PAIRS = 1 << 20
"""How many pairs of a text and a candidate are in memory at a time."""

FACTOR = np.uint64(0x9E3779B97F4A7C15)
MIXER = np.uint64(0xD6E8FEB86659FD93)
HALF = np.uint64(32)

Numbers = np.ndarray[tuple[int], np.dtype[np.uint64]]
Indices = np.ndarray[tuple[int], np.dtype[np.int64]]


def shingle_hashes(text: str, width: int) -> Numbers:
    """The hashes of all shingles of a text, in order; none of a text shorter than one.

    h = sum of c[i] * FACTOR^(width - 1 - i) mod 2^64, mixed so that all bits depend on all letters.
    """
    letters = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    letters = letters.astype(np.uint64) + np.uint64(1)
    size = max(0, len(letters) - width + 1)
    hashes = letters[:size].copy()
    for offset in range(1, width):
        hashes *= FACTOR
        hashes += letters[offset : offset + size]
    hashes ^= hashes >> HALF
    hashes *= MIXER
    hashes ^= hashes >> HALF
    return hashes


def batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """Folded texts in batches: one call hashes thousands of sentences."""
    return map(folded, unfolded(texts))


def unfolded(texts: Iterable[str]) -> Iterator[list[str]]:
    """The texts of these batches as they are."""
    gathered: list[str] = []
    size = 0
    for text in texts:
        gathered.append(text)
        size += len(text)
        if size >= BATCH_CHARS:
            yield gathered
            gathered, size = [], 0
    if gathered:
        yield gathered


def portions(text: str, width: int) -> Iterator[str]:
    """A folded text in overlapping pieces that bound memory.

    Together they have its runs of `width`. A text shorter than a run is padded to one run.
    """
    for start in range(0, max(1, len(text) - width + 1), BATCH_CHARS):
        yield text[start : start + BATCH_CHARS + width - 1].ljust(width, "\0")


def runs_of(texts: Sequence[str], width: int) -> Iterator[tuple[Numbers, Indices]]:
    """The hashes of the runs of folded texts, and the indices of their texts."""
    *short, last = texts
    if short:
        filled = [text.ljust(width, "\0") for text in short]
        lengths = np.array([len(text) for text in filled], dtype=np.int64)
        hashes = shingle_hashes("".join(filled), width)
        whole = np.ones(len(hashes), dtype=np.bool_)
        crossing = np.cumsum(lengths)[:-1, None] - np.arange(1, width)
        whole[crossing.ravel()] = False
        yield hashes[whole], np.repeat(np.arange(len(short)), lengths - width + 1)
    for portion in portions(last, width):
        hashes = shingle_hashes(portion, width)
        yield hashes, np.full(len(hashes), len(short), dtype=np.int64)


def counted(numbers: Indices) -> tuple[Indices, Indices]:
    """The distinct numbers, ascending, and their counts.

    np.unique does the same, but hashes first, which takes many times as long.
    """
    ordered = np.sort(numbers)
    starts = np.append(0, np.nonzero(ordered[1:] != ordered[:-1])[0] + 1)[: len(ordered)]
    return ordered[starts], np.diff(starts, append=len(ordered))


class Postings:
    """Which candidates have a shingle: `owners[firsts[i]:firsts[i + 1]]` have `hashes[i]`."""

    def __init__(self, hashes: Numbers, firsts: Indices, owners: Indices) -> None:
        self.hashes, self.firsts, self.owners = hashes, firsts, owners
        self.shift = np.uint64(64 - min(27, max(16, (8 * len(self.hashes)).bit_length())))
        self.filter = np.zeros(1 << (64 - int(self.shift)), dtype=np.bool_)
        self.filter[self.hashes >> self.shift] = True

    @classmethod
    def made(cls, hashes: Numbers, owners: Indices) -> "Postings":
        """From shingles in any order, each with the candidate that has it."""
        order = np.argsort(hashes, kind="stable")
        distinct, firsts = np.unique(hashes[order], return_index=True)
        return cls(distinct, np.append(firsts, len(hashes)), owners[order])

    def keep(self, stays: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> None:
        """Drop all other `owners`; the shingles keep their numbers."""
        self.firsts = np.append(0, np.cumsum(stays))[self.firsts]
        self.owners = self.owners[stays]

    def find(self, hashes: Numbers, documents: Indices) -> Indices:
        """Which document has which shingle: document * len(self.hashes) + shingle, each once.

        documents[i]: the number of the document that contains hashes[i].
        """
        likely = np.nonzero(self.filter[hashes >> self.shift])[0]
        likely = likely[np.argsort(hashes[likely])]  # so that the search below walks forward
        wanted = hashes[likely]
        indices = np.minimum(np.searchsorted(self.hashes, wanted), len(self.hashes) - 1)
        same = self.hashes[indices] == wanted
        return counted(documents[likely[same]] * len(self.hashes) + indices[same])[0]

    def pairs(self, found: Indices) -> Iterator[tuple[Indices, Indices]]:
        """Documents and owners of each shingle found, in portions of whole documents."""
        documents, shingles = found // len(self.hashes), found % len(self.hashes)
        counts = self.firsts[shingles + 1] - self.firsts[shingles]
        for start, end in ranges(documents, counts):
            each = counts[start:end]
            indices = spread(self.firsts[shingles[start:end]], each)
            yield np.repeat(documents[start:end], each), self.owners[indices]


def spread(firsts: Indices, counts: Indices) -> Indices:
    """The numbers first, first + 1, … of several ranges, concatenated."""
    return np.arange(counts.sum()) + np.repeat(firsts - np.cumsum(counts) + counts, counts)


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
