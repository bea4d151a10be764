"""Shingles of texts: their MinHash signatures, which find near copies, and their sets, which prove.

A shingle is a run of six letters, of three in scripts with a letter for each word or syllable. Runs
of words would be fewer, but an error in a letter or another ending spoils three of them: of lines
with one wrong letter they find half as many (docs/cleaning.md).

The similarity of two texts is the Jaccard similarity of their sets. Of a text with more than 1,024
distinct shingles the 1,024 smallest hashes are kept. The similarity is then estimated on the 1,024
smallest hashes of both together, with a standard deviation of at most 0.016; of shorter texts it is
exact (source: Broder 1997, section 3). Short texts that both have digits, and not the same ones,
have the similarity 0: "in 2010" and "in 2011" share most of their runs, but tell of two years.
"""

import itertools
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rensa import RMinHash  # pyright: ignore[reportAttributeAccessIssue]

from endonym.copies import letters
from endonym.copies.hashes import Hashes, Indices, distinct, places_within, ranges, spread
from endonym.script.fold import portions

WIDTHS = {(letters.SPACED, letters.UNSPACED): 6, (letters.DENSE,): 3}
"""Letters in a shingle, by the kind of their script."""

PERMUTATIONS = 64
SEED = 1

LONG_CHARS = 1 << 20
"""Of a longer text only some shingles are taken, the same ones of all texts of such a length."""

MISSED = 0.01
"""Share of the pairs at the very threshold that bands may miss."""

KEPT = 1_024
BITS = np.uint64(48)
"""Of each hash; the other 16 bits number the pairs that are compared at once."""
LEAST_SIZE = 32
"""What a pair counts for at least where pairs are divided into ranges of MAX_PAIRS hashes."""

SHORT_LETTERS = 100
"""Shorter texts must have the same numbers. Of longer ones often the dates alone differ."""

Shares = np.ndarray[tuple[int], np.dtype[np.float32]]


class Shingled(NamedTuple):
    """Shingles of texts: `hashes[firsts[i] : firsts[i + 1]]` are those of text i."""

    hashes: Hashes
    firsts: Indices


@dataclass(frozen=True, slots=True)
class Bands:
    """Signatures are cut into `count` bands of `rows` values; similar texts share a band.

    Texts of similarity s share none with probability (1 - s^rows)^count.
    Source: Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, 3.4.
    """

    count: int
    rows: int

    @classmethod
    def for_similarity(cls, similarity: float) -> "Bands":
        """The longest bands, with the fewest false pairs, that miss at most MISSED of the true."""
        for rows in range(PERMUTATIONS, 1, -1):
            bands = cls(PERMUTATIONS // rows, rows)
            if bands.missed(similarity) <= MISSED:
                return bands
        return cls(PERMUTATIONS, 1)

    def missed(self, similarity: float) -> float:
        """The share of pairs of this similarity that share no band."""
        return float((1 - similarity**self.rows) ** self.count)


def shingles(texts: letters.Letters) -> Shingled:
    """The shingles of texts; a text too short for one has its digest instead, if it has letters."""
    found = [
        letters.runs(letters.single_letters(texts, *kinds), texts, width)
        for kinds, width in WIDTHS.items()
    ]
    hashes = np.concatenate([each.hashes for each in found])
    owners = texts.owners(np.concatenate([each.firsts for each in found]))
    counts = np.bincount(owners, minlength=len(texts.firsts) - 1)
    short = np.flatnonzero((counts == 0) & (np.diff(texts.firsts) > 0))
    if len(short):
        hashes = np.concatenate((hashes, letters.digests(texts)[0][short]))
        owners = np.concatenate((owners, short))
        counts[short] = 1
    order = np.argsort(owners, kind="stable")
    return Shingled(hashes[order], np.append(0, np.cumsum(counts)))


def level(text: str) -> int:
    """Of a text with this level, one shingle in 2^level is taken."""
    return (len(text) // LONG_CHARS).bit_length()


def long_shingles(text: str, level: int) -> Hashes:
    """The distinct shingles of a long text at a level, with memory for a portion of it."""
    found = np.zeros(0, dtype=np.uint64)
    for hashes in shingles_by_portion(text):
        # The lowest bits of a hash choose; the highest ones order the sets that are compared.
        chosen = hashes[hashes & np.uint64((1 << level) - 1) == 0]
        found = distinct(np.concatenate((found, chosen)))
    return found


def shingles_by_portion(text: str) -> Iterator[Hashes]:
    """The shingles of each portion of a long text."""
    return (shingles(letters.folded_letters([portion])).hashes for portion in portions(text))


def signatures(texts: Shingled) -> "np.ndarray[tuple[int, int], np.dtype[np.uint32]]":
    """The MinHash signatures of texts, (texts, PERMUTATIONS)."""
    rows = RMinHash.digest_matrix_from_flat_token_hashes(
        texts.hashes, texts.firsts.astype(np.uint64), PERMUTATIONS, SEED
    ).to_rows()
    return np.array(rows, dtype=np.uint32).reshape(-1, PERMUTATIONS)


def band_keys(texts: Shingled, bands: Bands, level: int = 0) -> Iterator[Hashes]:
    """For each band its key of each text: equal where all its values and the level are."""
    found = signatures(texts).astype(np.uint64)
    for band in range(bands.count):
        keys = np.full(len(found), band + (level << 32) + 1, dtype=np.uint64)
        for row in range(bands.rows):
            keys *= letters.FACTOR
            keys += found[:, band * bands.rows + row] + np.uint64(1)
        yield letters.mixed(keys)


def smallest_hashes(hashes: Hashes) -> Hashes:
    """The distinct hashes, ascending, of which the first bits are kept; of many the smallest."""
    return distinct(hashes >> (np.uint64(64) - BITS))[:KEPT]


def shingle_sets(texts: Iterable[str]) -> Iterator[tuple[Hashes, int]]:
    """The set of each text; of a short text also a hash of its digits, 0 without or if long."""
    for batch in letters.batches(texts):
        if len(batch) == 1 and len(batch[0]) > LONG_CHARS:
            parts = [smallest_hashes(some) for some in shingles_by_portion(batch[0])]
            yield distinct(np.concatenate(parts))[:KEPT], 0
            continue
        folded = letters.folded_letters(batch)
        made = shingles(folded)
        is_short = np.diff(folded.firsts) < SHORT_LETTERS
        numbers = np.where(is_short, letters.numbers_in(folded), np.uint64(0))
        ends = itertools.pairwise(made.firsts.tolist())
        for (first, last), number in zip(ends, numbers.tolist(), strict=True):
            yield smallest_hashes(made.hashes[first:last]), number


class ShingleSets:
    """The sets of some documents, in one file; a set is asked for by its number."""

    def __init__(self, path: Path, texts: Iterable[str]) -> None:
        sizes = array("q")
        numbers = array("Q")
        with path.open("wb") as file:
            for hashes, number in shingle_sets(texts):
                file.write(hashes.tobytes())
                sizes.append(len(hashes))
                numbers.append(number)
        self.sizes = np.array(sizes, dtype=np.int64)
        self.numbers = np.array(numbers, dtype=np.uint64)
        self.firsts = np.cumsum(self.sizes) - self.sizes
        empty = not self.sizes.sum()
        self.hashes: Hashes = (
            np.zeros(0, dtype=np.uint64) if empty else np.memmap(path, dtype=np.uint64, mode="r")
        )

    def similarity(self, first: Indices, second: Indices) -> Shares:
        """The similarity of the pairs first[i], second[i]."""
        found = np.zeros(len(first), dtype=np.float32)
        # So no range has more pairs than the bits beside a hash can number.
        sizes = np.maximum(self.sizes[first] + self.sizes[second], LEAST_SIZE)
        for start, end in ranges(np.arange(len(first)), sizes):
            found[start:end] = self._jaccard(first[start:end], second[start:end])
        one = self.numbers[first]
        two = self.numbers[second]
        found[(one != two) & (one != 0) & (two != 0)] = 0
        return found

    def _jaccard(self, first: Indices, second: Indices) -> Shares:
        """The Jaccard similarity of so few pairs that all their hashes are in memory at once."""
        # The number of the pair stands in the bits beside a hash: one sort compares all pairs.
        pairs = np.arange(len(first), dtype=np.uint64) << BITS
        sides = [
            self.hashes[spread(self.firsts[side], self.sizes[side])]
            + np.repeat(pairs, self.sizes[side])
            for side in (first, second)
        ]
        both, counts = np.unique(np.concatenate(sides), return_counts=True)
        owners = (both >> BITS).astype(np.int64)
        different = np.bincount(owners, minlength=len(first))
        places = places_within(different)
        is_cut = (self.sizes[first] == KEPT) | (self.sizes[second] == KEPT)
        limits = np.where(is_cut, KEPT, len(both))
        counted = places < limits[owners]
        common = np.bincount(owners[counted & (counts == 2)], minlength=len(first))
        return (common / np.maximum(1, np.minimum(different, limits))).astype(np.float32)
