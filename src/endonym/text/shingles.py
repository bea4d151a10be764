"""Which texts share runs of thirteen characters: how near copies are found.

A shingle is thirteen characters of the case-folded text with blanks collapsed; a shorter text is
one shingle. Shingles are compared by 64-bit hashes, computed for a whole batch of texts at once. Of
a long text about two thousand are kept, those whose hash is divisible by a power of two that
depends on the text's length alone, so that the same two texts always compare the same way.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import regex

WIDTH = 13
KEPT_SHINGLES = 2_000
BATCH_CHARS = 1 << 18
MAX_PAIRS = 1 << 22
"""How many pairs of a text and a candidate are counted at a time; bounds memory."""

BLANKS = regex.compile(r"[^\S ]\s*| \s+")
"""All runs of blanks but a single space."""

FACTOR = 0x9E3779B97F4A7C15
MIXER = 0xD6E8FEB86659FD93

Numbers = np.ndarray[tuple[int], np.dtype[np.uint64]]
Places = np.ndarray[tuple[int], np.dtype[np.int64]]


def folded(text: str) -> str:
    """A text as it is compared: no capitals, one blank at a time, thirteen characters at least."""
    return BLANKS.sub(" ", text.casefold()).strip().ljust(WIDTH, "\0")


def shingle_hashes(text: str) -> Numbers:
    """The hashes of all shingles of a folded text, in order.

    h = sum of c[i] * FACTOR^(12 - i) mod 2^64 over thirteen characters, by doubling, then mixed so
    that all bits depend on all characters.
    """
    one = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    one = one.astype(np.uint64) + np.uint64(1)
    two = one[:-1] * power(1) + one[1:]
    four = two[:-2] * power(2) + two[2:]
    eight = four[:-4] * power(4) + four[4:]
    twelve = eight[:-4] * power(4) + four[8:]
    hashes = twelve[:-1] * power(1) + one[12:]
    hashes ^= hashes >> np.uint64(32)
    hashes *= np.uint64(MIXER)
    hashes ^= hashes >> np.uint64(32)
    return hashes


def power(exponent: int) -> np.uint64:
    """FACTOR to a power, modulo 2^64."""
    return np.uint64(pow(FACTOR, exponent, 1 << 64))


def portions(text: str) -> Iterator[str]:
    """A folded text in pieces that bound memory; together they have its shingles."""
    for start in range(0, max(1, len(text) - WIDTH + 1), BATCH_CHARS):
        yield text[start : start + BATCH_CHARS + WIDTH - 1]


def kept_shingles(text: str) -> Numbers:
    """The different shingles that stand for a folded text when others are compared with it."""
    step = 1 << (len(text) // KEPT_SHINGLES).bit_length()
    hashes = [shingle_hashes(portion) for portion in portions(text)]
    kept = np.concatenate([each[each % np.uint64(step) == 0] for each in hashes])
    return np.unique(kept) if len(kept) else np.unique(hashes[0])[:1]


@dataclass(frozen=True, slots=True)
class Batch:
    """The shingles of several texts: `documents[i]` is the place in the batch of the i-th hash."""

    hashes: Numbers
    documents: Places


def batches(texts: Iterator[str]) -> Iterator[list[str]]:
    """Folded texts, many at a time: one call hashes thousands of sentences."""
    gathered: list[str] = []
    size = 0
    for text in texts:
        gathered.append(folded(text))
        size += len(gathered[-1])
        if size >= BATCH_CHARS:
            yield gathered
            gathered, size = [], 0
    if gathered:
        yield gathered


def hashed(texts: list[str]) -> Iterator[Batch]:
    """The shingles of folded texts, a long one in several pieces."""
    *short, last = texts
    if short:
        yield batch(short, 0)
    for portion in portions(last):
        yield batch([portion], len(short))


def batch(texts: list[str], first: int) -> Batch:
    """The shingles of folded texts, without those that cross from one text into the next."""
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    hashes = shingle_hashes("".join(texts))
    whole = np.ones(len(hashes), dtype=np.bool_)
    ends = np.cumsum(lengths)[:-1]
    crossing = (ends[:, None] - np.arange(1, WIDTH)).ravel()
    whole[crossing] = False
    documents = np.repeat(np.arange(first, first + len(texts)), lengths - WIDTH + 1)
    return Batch(hashes[whole], documents)


class Index:
    """The shingles of the candidates, and which of them training text has been seen to share.

    contaminated[c]: some text shares more than half of the shingles of candidate c.
    """

    def __init__(self, candidates: Iterator[str]) -> None:
        kept = [kept_shingles(folded(text)) for text in candidates]
        self.sizes = np.array([len(shingles) for shingles in kept], dtype=np.int64)
        hashes = np.concatenate([*kept, np.empty(0, dtype=np.uint64)])
        owners = np.repeat(np.arange(len(kept)), self.sizes)
        order = np.argsort(hashes, kind="stable")
        self.hashes, firsts = np.unique(hashes[order], return_index=True)
        self.firsts = np.append(firsts, len(hashes))
        self.owners = owners[order]
        self.contaminated = np.zeros(len(kept), dtype=np.bool_)
        self.seen = np.zeros(len(self.hashes), dtype=np.bool_)
        self.shift = np.uint64(64 - min(27, max(16, (8 * len(self.hashes)).bit_length())))
        self.filter = np.zeros(1 << (64 - int(self.shift)), dtype=np.bool_)
        self.filter[self.hashes >> self.shift] = True

    def compare(self, texts: Iterator[str]) -> None:
        """Note what training texts share with the candidates."""
        if not len(self.hashes):
            return
        for gathered in batches(texts):
            found = np.unique(np.concatenate([self.shared(each) for each in hashed(gathered)]))
            documents, shingles = found // len(self.hashes), found % len(self.hashes)
            self.seen[shingles] = True
            for start, end in self.ranges(documents, shingles):
                self.count(documents[start:end], shingles[start:end])

    def shared(self, each: Batch) -> Places:
        """Which text holds which candidate shingle, as text * shingles + shingle, each once."""
        likely = np.nonzero(self.filter[each.hashes >> self.shift])[0]
        hashes = each.hashes[likely]
        places = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        same = self.hashes[places] == hashes
        return np.unique(each.documents[likely[same]] * len(self.hashes) + places[same])

    def ranges(self, documents: Places, shingles: Places) -> Iterator[tuple[int, int]]:
        """Ranges of whole texts that make about so many pairs with candidates, or are one text."""
        pairs = np.cumsum(self.firsts[shingles + 1] - self.firsts[shingles])
        ends = np.append(np.nonzero(np.diff(documents))[0] + 1, len(documents))
        start, done = 0, 0
        for end, following in zip(ends, [*ends[1:], None], strict=True):
            if following is None or pairs[following - 1] - done > MAX_PAIRS:
                yield start, int(end)
                start, done = int(end), int(pairs[end - 1]) if end else 0

    def count(self, documents: Places, shingles: Places) -> None:
        """Mark the candidates of which one of these texts holds more than half."""
        counts = self.firsts[shingles + 1] - self.firsts[shingles]
        inner = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        owners = self.owners[np.repeat(self.firsts[shingles], counts) + inner]
        documents = np.repeat(documents, counts)
        open_still = ~self.contaminated[owners]
        keys = documents[open_still] * len(self.sizes) + owners[open_still]
        pairs, shared = np.unique(keys, return_counts=True)
        owners = pairs % len(self.sizes)
        self.contaminated[owners[shared * 2 > self.sizes[owners]]] = True

    def overlap(self, candidates: Places) -> float:
        """The share of these candidates' shingles that stand in training text."""
        chosen = np.isin(self.owners, candidates)
        shingles = np.repeat(np.arange(len(self.hashes)), np.diff(self.firsts))[chosen]
        return float(self.seen[shingles].mean()) if len(shingles) else 0.0
