"""Shingles of texts, by which near copies are told, and their MinHash signatures.

A shingle is a run of six letters, of three in scripts with a letter for each word or syllable. Runs
of words would be fewer, but an error in a letter or another ending spoils three of them: of lines
with one wrong letter they find half as many (docs/cleaning.md).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from rensa import RMinHash  # pyright: ignore[reportAttributeAccessIssue]

from endonym.copies.hashes import FACTOR, Indices, Numbers
from endonym.copies.letters import (
    DENSE,
    SPACED,
    UNSPACED,
    Letters,
    digests,
    letters_of,
    mixed,
    runs,
    single_letters,
)
from endonym.script.fold import portions

WIDTHS = {(SPACED, UNSPACED): 6, (DENSE,): 3}
"""Letters in a shingle, by the kind of their script."""

PERMUTATIONS = 64
SEED = 1
RENSA = 2
"""The version of rensa's signatures that this was tried with; another makes other ones."""

LONG_CHARS = 1 << 20
"""Of a longer text only some shingles are taken, the same ones of all texts of such a length."""

MISSED = 0.01
"""Share of the pairs at the very threshold that bands may miss."""


class Shingled(NamedTuple):
    """Shingles of texts: `hashes[firsts[i] : firsts[i + 1]]` are those of text i."""

    hashes: Numbers
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
        """The longest bands, and so the fewest false pairs, that miss at most one true pair of a
        hundred at this similarity."""
        for rows in range(PERMUTATIONS, 1, -1):
            bands = cls(PERMUTATIONS // rows, rows)
            if bands.missed(similarity) <= MISSED:
                return bands
        return cls(PERMUTATIONS, 1)

    def missed(self, similarity: float) -> float:
        """The share of pairs of this similarity that share no band."""
        return float((1 - similarity**self.rows) ** self.count)


def shingles(texts: Letters) -> Shingled:
    """The shingles of texts; a text too short for one has its digest instead, if it has letters."""
    found = [runs(single_letters(texts, *kinds), texts, width) for kinds, width in WIDTHS.items()]
    hashes = np.concatenate([each.hashes for each in found])
    letters = np.concatenate([each.firsts for each in found])
    owners = np.searchsorted(texts.firsts, letters, side="right") - 1
    counts = np.bincount(owners, minlength=len(texts.firsts) - 1)
    short = np.flatnonzero((counts == 0) & (np.diff(texts.firsts) > 0))
    if len(short):
        hashes = np.concatenate((hashes, digests(texts)[0][short]))
        owners = np.concatenate((owners, short))
        counts[short] = 1
    order = np.argsort(owners, kind="stable")
    return Shingled(hashes[order], np.append(0, np.cumsum(counts)))


def level(text: str) -> int:
    """Of a text with this level, one shingle in 2^level is taken."""
    return (len(text) // LONG_CHARS).bit_length()


def sampled_hashes(hashes: Numbers, level: int) -> Numbers:
    """One in 2^level of all shingles, the same ones in every text."""
    if level == 0:
        return hashes
    # The lowest bits of a hash choose; the highest ones order the sets that are compared.
    return hashes[hashes & np.uint64((1 << level) - 1) == 0]


def long_shingles(text: str, level: int) -> Numbers:
    """The distinct shingles of a long text at a level, with memory for a portion of it."""
    found = np.zeros(0, dtype=np.uint64)
    for portion in portions(text):
        here = sampled_hashes(shingles(letters_of([portion])).hashes, level)
        found = np.unique(np.concatenate((found, here)))
    return found


def signatures(texts: Shingled) -> "np.ndarray[tuple[int, int], np.dtype[np.uint32]]":
    """The MinHash signatures of texts, (texts, PERMUTATIONS)."""
    rows = RMinHash.digest_matrix_from_flat_token_hashes(
        texts.hashes, texts.firsts.astype(np.uint64), PERMUTATIONS, SEED
    ).to_rows()
    return np.array(rows, dtype=np.uint32).reshape(-1, PERMUTATIONS)


def band_keys(texts: Shingled, bands: Bands, level: int = 0) -> Iterator[Numbers]:
    """For each band its key of each text: equal where all its values and the level are."""
    found = signatures(texts).astype(np.uint64)
    for band in range(bands.count):
        keys = np.full(len(found), band + (level << 32) + 1, dtype=np.uint64)
        for row in range(bands.rows):
            keys *= FACTOR
            keys += found[:, band * bands.rows + row] + np.uint64(1)
        yield mixed(keys)
