"""A model of characters that tells languages apart: naive Bayes on groups of one to four letters.

Each class is a language that there are texts of. Of a group g of letters, its share of the groups
of the same length in the class's texts is smoothed as by Witten and Bell, with a background for
groups that the class has not,

    P(g) = (1 - a) · count(g) / N   or, if that is more,   a · B(g),      a = T / (N + T),

where the class has N groups, T of them different. The background B is the same for all classes: a
chain of single letters and pairs, as frequent as in the first class, mixed with letters that are
all alike. It stands for languages that there are no texts of, too: a text in one of these has
groups that no class knows, and is likeliest by the background alone. The log-likelihood of a text
is the sum over its letters of the mean over the lengths.

Shares stand in tables of hashed groups, one column a class, so that all classes of many texts are
computed at once; a few groups share a row, which blurs them alike in every class.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from endonym.script.scripts import CODE_POINTS, code_points, table

Integers = NDArray[np.int64]
Floats = NDArray[np.float32]

ROW_BITS = (16, 17, 18, 19)
"""Rows of the tables of groups of one, two, three, four letters, as powers of two."""
FLAT_LETTERS = 200
FLAT = 0.3
"""Letters that a script may have, and how much of the background takes them for alike."""
LOOSE = 0.3
"""How much of the background takes a letter to be independent of the one before."""
RARE_LETTER = 1e-4
"""A letter of which a language's texts have a smaller share is none of its own."""
SPACE = 32
PORTION_CHARS = 30_000


@functools.cache
def letter_codes() -> NDArray[np.uint32]:
    """For every code point: itself if a letter or mark, 0 if ignorable, else a space."""
    codes = np.full(CODE_POINTS, SPACE, dtype=np.uint32)
    letters = table(r"[\p{L}\p{M}]")
    codes[letters] = np.nonzero(letters)[0]
    codes[table(r"\p{Default_Ignorable_Code_Point}")] = 0
    return codes


def coded(texts: Sequence[str]) -> tuple[NDArray[np.uint64], Integers]:
    """The letters of all texts as numbers, with spaces around words; and of each its text's number.

    Case is folded; digits and signs count as spaces.
    """
    plain = [f" {text} ".lower() for text in texts]
    codes = letter_codes()[code_points("".join(plain))]
    owner = np.repeat(np.arange(len(plain)), [len(each) for each in plain])
    kept = codes != 0
    codes = codes[kept]
    owner = owner[kept]
    is_second_space = (codes[1:] == SPACE) & (codes[:-1] == SPACE) & (owner[1:] == owner[:-1])
    kept = np.append(True, ~is_second_space)
    return codes[kept].astype(np.uint64), owner[kept]


def starts_of(owner: Integers) -> NDArray[np.bool_]:
    """Where each text begins."""
    return np.append(True, owner[1:] != owner[:-1])


def group_rows(codes: NDArray[np.uint64], start: NDArray[np.bool_]) -> list[Integers]:
    """For each length, the row in its table of the group that ends at each letter.

    A group that would begin in the text before begins with its own text.
    """
    rows: list[Integers] = []
    hashes = np.zeros(len(codes), dtype=np.uint64)
    of_letters = codes * np.uint64(0xC2B2AE3D27D4EB4F)
    for length, bits in enumerate(ROW_BITS):
        # The hash of a group: that of the group without its last letter, mixed with this letter.
        before = _shifted(hashes, start, np.uint64(0))
        hashes = (before * np.uint64(0x9E3779B97F4A7C15)) ^ of_letters
        hashes ^= hashes >> np.uint64(31)
        spread = (hashes + np.uint64(length)) * np.uint64(0xD6E8FEB86659FD93)
        rows.append((spread >> np.uint64(64 - bits)).astype(np.int64))
    return rows


def _shifted(values: NDArray[Any], start: NDArray[np.bool_], at_start: Any) -> NDArray[Any]:
    """The value of the letter before, within each text."""
    before = np.empty_like(values)
    before[1:] = values[:-1]
    before[start] = at_start
    return before


def _portions(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Texts in parts whose arrays fit into a processor's cache."""
    start = chars = 0
    for place, text in enumerate(texts):
        chars += len(text)
        if chars >= PORTION_CHARS:
            yield texts[start : place + 1]
            start = place + 1
            chars = 0
    if start < len(texts):
        yield texts[start:]


class CharacterModel:
    """The groups of letters of each class, as logarithms of their shares.

    codes: the classes; the background is one more.
    """

    def __init__(self, texts: Mapping[str, Sequence[str]]) -> None:
        self.codes = tuple(texts)
        self.shares: list[Floats] = []
        self.unseen: list[Floats] = []
        for counted in self._counted(texts):
            size = counted.sum(axis=0)
            different = np.count_nonzero(counted, axis=0)
            unseen = (different / np.maximum(1, size + different)).astype(np.float32)
            counted *= (1 - unseen) / np.maximum(1, size)
            with np.errstate(divide="ignore"):
                self.shares.append(np.log(counted, out=counted))
                self.unseen.append(np.log(unseen))

    def _counted(self, texts: Mapping[str, Sequence[str]]) -> list[Floats]:
        """For each length of groups a table: how often each (row) stands in each class (column)."""
        counts = [np.zeros((1 << bits, len(texts)), dtype=np.float32) for bits in ROW_BITS]
        for column, code in enumerate(self.codes):
            if not texts[code]:
                continue
            codes, owner = coded(texts[code])
            for counted, row in zip(counts, group_rows(codes, starts_of(owner)), strict=True):
                counted[:, column] += np.bincount(row, minlength=len(counted))
        return counts

    def arrays(self) -> dict[str, Floats]:
        """The arrays of the model, by name."""
        return {
            f"{name}-{length}": array
            for name, arrays in (("shares", self.shares), ("unseen", self.unseen))
            for length, array in enumerate(arrays)
        }

    @classmethod
    def of_arrays(cls, codes: Sequence[str], arrays: Mapping[str, Floats]) -> "CharacterModel":
        """A model of these classes from its arrays."""
        model = cls.__new__(cls)
        model.codes = tuple(codes)
        model.shares = [arrays[f"shares-{length}"] for length in range(len(ROW_BITS))]
        model.unseen = [arrays[f"unseen-{length}"] for length in range(len(ROW_BITS))]
        return model

    def known_letters(self, texts: Sequence[str], place: int) -> NDArray[np.float64]:
        """Of each text, the share of its letters that are no rarity in the class at a place."""
        if not texts:
            return np.zeros(0)
        codes, owner = coded(texts)
        rows = group_rows(codes, starts_of(owner))[0]
        is_letter = codes != SPACE
        is_known = self.shares[0][rows, place] > np.log(RARE_LETTER)
        n_known = np.bincount(owner[is_letter & is_known], minlength=len(texts))
        n_letters = np.bincount(owner[is_letter], minlength=len(texts))
        return n_known / np.maximum(1, n_letters)

    def likelihoods(self, texts: Sequence[str]) -> tuple[NDArray[np.float64], Integers]:
        """The log-likelihood of each text in each class and in the background; and its letters."""
        portions = [self._likelihoods(portion) for portion in _portions(texts)]
        if not portions:
            return np.zeros((0, len(self.codes) + 1)), np.zeros(0, dtype=np.int64)
        sums, letters = zip(*portions, strict=True)
        return np.concatenate(sums), np.concatenate(letters)

    def _likelihoods(self, texts: Sequence[str]) -> tuple[NDArray[np.float64], Integers]:
        """The log-likelihoods and letters of texts whose arrays are in memory at once."""
        sums = np.zeros((len(texts), len(self.codes) + 1), dtype=np.float64)
        codes, owner = coded(texts)
        start = starts_of(owner)
        rows = group_rows(codes, start)
        first, after = self._background(rows, start)
        found = np.zeros((len(codes), sums.shape[1]), dtype=np.float32)
        chain = first
        for length, row in enumerate(rows):
            if length:
                chain = np.where(start, first, _shifted(chain, start, 0) + after)
            shares = np.take(self.shares[length], row, axis=0)
            found[:, :-1] += np.maximum(shares, self.unseen[length] + chain[:, None], out=shares)
            found[:, -1] += chain
        found /= len(rows)
        places = np.nonzero(start)[0]
        sums[owner[places]] = np.add.reduceat(found, places, axis=0)
        return sums, np.bincount(owner[codes != SPACE], minlength=len(texts))

    def _background(self, rows: list[Integers], start: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """The logarithms of each letter's probability alone, and after the letter before it."""
        share, pairs = (np.exp(self.shares[length][rows[length], 0]) for length in (0, 1))
        alone = (1 - FLAT) * share + FLAT / FLAT_LETTERS
        before = _shifted(share, start, 1)
        pair = np.where(before > 1e-6, pairs / np.maximum(before, 1e-6), 0)
        after = (1 - LOOSE) * np.minimum(1, pair) + LOOSE * alone
        return np.log(alone).astype(np.float32), np.log(after).astype(np.float32)
