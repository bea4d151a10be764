"""Sets of shingles on disk, and the similarity of pairs: the Jaccard similarity of their sets.

Short texts that both have digits, and not the same ones, have the similarity 0: "in 2010" and "in
2011" share most of their runs, but tell of two years.

Of a text with more than 1,024 distinct shingles the 1,024 smallest hashes are kept. The similarity
of two texts is then estimated on the 1,024 smallest hashes of both together, with a standard
deviation of at most 0.016; of shorter texts it is exact. Source: Broder 1997, section 3.
"""

from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from endonym.copies.hashes import Indices, Numbers, ranges, spread
from endonym.copies.keys import batches
from endonym.copies.letters import letters_of, numbers_in
from endonym.copies.shingles import LONG_CHARS, shingles
from endonym.script.fold import portions

KEPT = 1_024
BITS = np.uint64(48)
"""Of each hash; the other 16 bits number the pairs that are compared at once."""
PAIRS_AT_ONCE = 1 << 16

SHORT_LETTERS = 100
"""Shorter texts must have the same numbers. Of longer ones often the dates alone differ."""

Shares = np.ndarray[tuple[int], np.dtype[np.float32]]


def smallest(hashes: Numbers) -> Numbers:
    """The distinct hashes, ascending, or the smallest of them."""
    return np.unique(hashes >> (np.uint64(64) - BITS))[:KEPT]


class TextSet(NamedTuple):
    """The set of a text. numbers: of a short text a hash of its digits; 0 without, or if long."""

    hashes: Numbers
    numbers: int = 0


def text_sets(texts: Iterable[str]) -> Iterator[TextSet]:
    """The set of each text."""
    for batch in batches(texts):
        if len(batch) == 1 and len(batch[0]) > LONG_CHARS:
            found = np.zeros(0, dtype=np.uint64)
            for portion in portions(batch[0]):
                here = shingles(letters_of([portion])).hashes >> (np.uint64(64) - BITS)
                found = np.unique(np.concatenate((found, here)))[:KEPT]
            yield TextSet(found)
            continue
        letters = letters_of(batch)
        made = shingles(letters)
        is_short = np.diff(letters.firsts) < SHORT_LETTERS
        numbers = np.where(is_short, numbers_in(letters), np.uint64(0))
        ends = zip(made.firsts[:-1].tolist(), made.firsts[1:].tolist(), strict=True)
        for (first, last), number in zip(ends, numbers.tolist(), strict=True):
            yield TextSet(smallest(made.hashes[first:last]), number)


class Sets:
    """The sets of some documents, in one file; a set is asked for by its number."""

    def __init__(self, path: Path, texts: Iterable[str]) -> None:
        sizes, numbers = array("q"), array("Q")
        with path.open("wb") as file:
            for each in text_sets(texts):
                file.write(each.hashes.tobytes())
                sizes.append(len(each.hashes))
                numbers.append(each.numbers)
        self.sizes = np.array(sizes, dtype=np.int64)
        self.numbers = np.array(numbers, dtype=np.uint64)
        self.firsts = np.cumsum(self.sizes) - self.sizes
        empty = not self.sizes.sum()
        self.hashes: Numbers = (
            np.zeros(0, dtype=np.uint64) if empty else np.memmap(path, dtype=np.uint64, mode="r")
        )

    def similarity(self, first: Indices, second: Indices) -> Shares:
        """The similarity of the pairs first[i], second[i]."""
        found = np.zeros(len(first), dtype=np.float32)
        for start in range(0, len(first), PAIRS_AT_ONCE):
            some = slice(start, start + PAIRS_AT_ONCE)
            one, two = first[some], second[some]
            pairs = np.arange(len(one))
            for a, b in ranges(pairs, self.sizes[one] + self.sizes[two]):
                found[start + a : start + b] = self._of(one[a:b], two[a:b])
        one, two = self.numbers[first], self.numbers[second]
        found[(one != two) & (one != 0) & (two != 0)] = 0
        return found

    def _of(self, first: Indices, second: Indices) -> Shares:
        """The Jaccard similarity of so few pairs that all their hashes are in memory at once."""
        pairs = np.arange(len(first), dtype=np.uint64) << BITS
        sides = [
            self.hashes[spread(self.firsts[side], self.sizes[side])]
            + np.repeat(pairs, self.sizes[side])
            for side in (first, second)
        ]
        both = np.sort(np.concatenate(sides))
        is_new = np.ones(len(both), dtype=np.bool_)
        is_new[1:] = both[1:] != both[:-1]
        owners = (both[is_new] >> BITS).astype(np.int64)
        counts = np.diff(np.append(np.flatnonzero(is_new), len(both)))
        distinct = np.bincount(owners, minlength=len(first))
        places = np.arange(len(owners)) - np.repeat(np.cumsum(distinct) - distinct, distinct)
        is_cut = (self.sizes[first] == KEPT) | (self.sizes[second] == KEPT)
        limits = np.where(is_cut, KEPT, len(both))
        counted = places < limits[owners]
        common = np.bincount(owners[counted & (counts == 2)], minlength=len(first))
        return (common / np.maximum(1, np.minimum(distinct, limits))).astype(np.float32)
