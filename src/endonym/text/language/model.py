"""A model of characters that tells languages apart: one Markov chain a class, and Bayes' rule.

Each class is a language that texts are at hand of. The probability of a letter after the letters
before it is interpolated from five orders with a Dirichlet prior,

    p_k(c | h) = (count_k(hc) + s · p_{k-1}(c | shorter h)) / (count_{k-1}(h) + s),

down to a uniform p_0. Counts stand in tables of hashed n-grams, one column a class, so that all
classes of a whole document are computed at once; a few n-grams share a row, which blurs them alike
in every class. The last class stands for languages of which there are no texts: letters and pairs
of letters as frequent as in all classes together, and no habits beyond.
"""

import functools
from collections.abc import Mapping, Sequence

import numpy as np

from endonym.text.scripts import CODE_POINTS, table

Floats = "np.ndarray[tuple[int, int], np.dtype[np.float32]]"

ORDERS = 5
ROW_BITS = (12, 16, 17, 18, 19)
"""Rows of the tables of each order, as a power of two."""
STRENGTH = (50.0, 8.0, 4.0, 3.0, 3.0)
"""The prior's weight, in letters, for each order."""
LETTERS = 3_000
"""Letters that p_0 takes for equally likely."""
UNKNOWN_ORDERS = 2
"""Orders that languages without texts share with the others."""
SPACE = 32


@functools.cache
def letter_codes() -> "np.ndarray[tuple[int], np.dtype[np.uint32]]":
    """For every code point: itself if a letter or mark, 0 if ignorable, else a space."""
    codes = np.full(CODE_POINTS, SPACE, dtype=np.uint32)
    letters = table(r"[\p{L}\p{M}]")
    codes[letters] = np.nonzero(letters)[0]
    codes[table(r"\p{Default_Ignorable_Code_Point}")] = 0
    return codes


def coded(texts: Sequence[str]) -> "tuple[np.ndarray, np.ndarray]":
    """The letters of all texts as numbers, with spaces around words; and the text of each.

    Case is folded; digits and signs count as spaces.
    """
    plain = [f" {text} ".lower() for text in texts]
    raw = np.frombuffer("".join(plain).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    codes = letter_codes()[raw]
    owner = np.repeat(np.arange(len(plain)), [len(each) for each in plain])
    kept = codes != 0
    codes, owner = codes[kept], owner[kept]
    again = (codes[1:] == SPACE) & (codes[:-1] == SPACE) & (owner[1:] == owner[:-1])
    kept = np.append(True, ~again) if len(codes) else np.zeros(0, dtype=np.bool_)
    return codes[kept], owner[kept]


def rows(codes: "np.ndarray", owner: "np.ndarray") -> "list[np.ndarray]":
    """For each order, the row of the n-gram that ends at each letter.

    An n-gram that would begin in the text before is that of the text's own beginning.
    """
    found: list[np.ndarray] = []
    mixed = np.zeros(len(codes), dtype=np.uint64)
    start = np.append(True, owner[1:] != owner[:-1]) if len(owner) else np.zeros(0, dtype=np.bool_)
    here = codes.astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)
    for order in range(ORDERS):
        before = np.zeros_like(mixed)
        before[1:] = mixed[:-1]
        before[start] = 0
        mixed = (before * np.uint64(0x9E3779B97F4A7C15)) ^ here
        mixed ^= mixed >> np.uint64(31)
        spread = (mixed + np.uint64(order)) * np.uint64(0xD6E8FEB86659FD93)
        found.append((spread >> np.uint64(64 - ROW_BITS[order])).astype(np.int64))
    return found


class CharacterModel:
    """Counts of n-grams for each class, by its code; the last class is unknown languages."""

    def __init__(self, texts: Mapping[str, Sequence[str]]) -> None:
        self.codes = tuple(texts)
        width = len(self.codes) + 1
        self.counts = [np.zeros((1 << bits, width), dtype=np.float32) for bits in ROW_BITS]
        for column, code in enumerate(self.codes):
            ngrams = rows(*coded(texts[code]))
            for counts, row in zip(self.counts, ngrams, strict=True):
                counts[:, column] += np.bincount(row, minlength=len(counts)).astype(np.float32)
        for counts in self.counts[:UNKNOWN_ORDERS]:
            # Each class counts alike, however much text there is of it.
            sizes = counts[:, :-1].sum(axis=0)
            counts[:, -1] = (counts[:, :-1] / np.maximum(1, sizes)).mean(axis=1) * sizes.mean()
        self.totals = self.counts[0].sum(axis=0)

    def likelihoods(self, texts: Sequence[str]) -> "tuple[np.ndarray, np.ndarray]":
        """The log-probability of each text in each class, in nats; and how many letters it has."""
        codes, owner = coded(texts)
        sums = np.zeros((len(texts), len(self.codes) + 1), dtype=np.float64)
        letters = np.bincount(owner[codes != SPACE], minlength=len(texts))
        if not len(codes):
            return sums, letters
        start = np.append(True, owner[1:] != owner[:-1])
        p = np.full((len(codes), sums.shape[1]), 1 / LETTERS, dtype=np.float32)
        context = np.broadcast_to(self.totals, p.shape)
        for order, row in enumerate(rows(codes, owner)):
            count = self.counts[order][row]
            strength = np.float32(STRENGTH[order])
            p = np.minimum(1, (count + strength * p) / (context + strength))
            # The next order's context is the n-gram of this order that ends one letter before.
            context = np.empty_like(count)
            context[1:] = count[:-1]
            context[start] = 0
        places = np.nonzero(start)[0]
        sums[owner[places]] = np.add.reduceat(np.log(p), places, axis=0)
        return sums, letters
