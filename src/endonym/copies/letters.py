"""Texts as arrays: folded letters, words, runs of either, and hashes of all three.

Letters are folded as in `script/fold.py`. A word ends at any character that is no letter, mark,
digit or apostrophe. Scripts that put no space between words have no words here: of them, runs of
letters are taken. Nothing depends on the order of texts or on Python's own hash.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from endonym.copies.hashes import FACTOR, HALF, MIXER, Indices, Numbers
from endonym.script.fold import LETTERS, decomposed, replacements
from endonym.script.scripts import BREAK_SCRIPTS, table

APOSTROPHES = "'`´‘’"
DENSE_SCRIPTS = ("han", "hiragana", "katakana", "yi")
"""Scripts in which a word has one letter or two."""
UNSPACED_SCRIPTS = (*sorted(BREAK_SCRIPTS), "tibetan", "javanese", "balinese")
"""Other scripts without a space after each word."""

SPACED, UNSPACED, DENSE = range(KINDS := 3)

Codes = np.ndarray[tuple[int], np.dtype[np.uint32]]
Marks = np.ndarray[tuple[int], np.dtype[np.bool_]]
Kinds = np.ndarray[tuple[int], np.dtype[np.uint8]]


class Letters(NamedTuple):
    """The folded letters of several texts, one after the other.

    begins: whether a letter begins a word. Letters of text i: `codes[firsts[i] : firsts[i + 1]]`.
    """

    codes: Codes
    begins: Marks
    firsts: Indices


class Items(NamedTuple):
    """Words or letters, one after the other, as hashes. letters: the first letter of each.

    is_other: those that no run may hold, as they belong to a script of another kind.
    """

    hashes: Numbers
    letters: Indices
    is_other: Marks


class Runs(NamedTuple):
    """Hashes of runs, and the numbers of their first and last letters."""

    hashes: Numbers
    firsts: Indices
    lasts: Indices


@functools.cache
def separators() -> Marks:
    """For every code point, whether it divides words."""
    found = ~(table(LETTERS) | table(r"[\p{M}\p{Default_Ignorable_Code_Point}]"))
    found[[ord(sign) for sign in APOSTROPHES]] = False
    return found


@functools.cache
def kinds() -> Kinds:
    """For every code point: SPACED, or the kind of a script that does not divide words."""
    found = np.zeros(len(separators()), dtype=np.uint8)
    for kind, scripts in ((UNSPACED, UNSPACED_SCRIPTS), (DENSE, DENSE_SCRIPTS)):
        for script in scripts:
            found[table(rf"\p{{Script={script}}}")] = kind
    return found


@functools.cache
def spelling() -> Codes:
    """For every code point itself, or 0 if it is no letter, mark or digit."""
    kept = table(r"(?V1)[\p{L}\p{M}\p{N}--\p{Default_Ignorable_Code_Point}]")
    return np.where(kept, np.arange(len(kept), dtype=np.uint32), np.uint32(0))


def letters_of(texts: Sequence[str], replaced: Codes | None = None) -> Letters:
    """The folded letters of texts. All texts are folded at once: most of them are short.

    replaced: what becomes of each code point in small letters with their accents apart; by default
    what `script/fold.py` makes of it.
    """
    joined = "\0".join(texts)
    if joined.count("\0") != max(0, len(texts) - 1):
        joined = "\0".join(text.replace("\0", " ") for text in texts)
    codes = np.frombuffer(decomposed(joined).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    letters = (replacements() if replaced is None else replaced)[codes]
    kept = np.flatnonzero(letters)
    ends = np.flatnonzero(codes == 0)
    firsts = np.concatenate(([0], np.searchsorted(kept, ends), [len(kept)]))
    divided = np.cumsum(separators()[codes], dtype=np.int32)[kept]
    begins = np.ones(len(kept), dtype=np.bool_)
    begins[1:] = divided[1:] != divided[:-1]
    begins[firsts[:-1][firsts[:-1] < len(kept)]] = True
    return Letters(letters[kept], begins, firsts[: len(texts) + 1])


def mixed(numbers: Numbers) -> Numbers:
    """The same numbers with all bits depending on all bits (the finalizer of MurmurHash3)."""
    numbers = numbers ^ (numbers >> HALF)
    numbers *= MIXER
    numbers ^= numbers >> HALF
    numbers *= FACTOR
    numbers ^= numbers >> HALF
    return numbers


def placed(codes: Codes, places: Indices, seed: int) -> Numbers:
    """A hash of each letter and its place. Sums of them tell texts apart.

    So the hash of a long text is a sum over its portions.
    """
    numbers = codes.astype(np.uint64) * FACTOR
    numbers += places.astype(np.uint64) * MIXER
    numbers += np.uint64(mixed_int(seed))
    return mixed(numbers)


def mixed_int(number: int) -> int:
    """A number of 64 bits from a small one."""
    return int(mixed(np.array([number + 1], dtype=np.uint64))[0])


def sums(numbers: Numbers, firsts: Indices) -> Numbers:
    """The sum modulo 2^64 of `numbers[firsts[i] : firsts[i + 1]]` for each i."""
    totals = np.concatenate((np.zeros(1, dtype=np.uint64), np.cumsum(numbers, dtype=np.uint64)))
    return totals[firsts[1:]] - totals[firsts[:-1]]


def digests(texts: Letters, *, before: int = 0) -> tuple[Numbers, Numbers]:
    """128 bits for each text, in two halves: equal for texts that are folded to the same letters.

    before: letters of the portions before this one. The digest of a text is the sum of those of its
    portions.
    """
    places = np.arange(len(texts.codes)) - np.repeat(texts.firsts[:-1], np.diff(texts.firsts))
    places += before
    first, second = (sums(placed(texts.codes, places, seed), texts.firsts) for seed in (1, 2))
    return first, second


def numbers_in(texts: Letters) -> Numbers:
    """A hash of the digits of each text in their order; 0 for a text without digits."""
    at = np.flatnonzero(table(r"\p{N}")[texts.codes])
    firsts = np.searchsorted(at, texts.firsts)
    places = np.arange(len(at)) - np.repeat(firsts[:-1], np.diff(firsts))
    return sums(placed(texts.codes[at], places, 4), firsts)


def words(texts: Letters) -> Items:
    """The words of texts. Other: those with letters of a script that does not divide words."""
    starts = np.flatnonzero(texts.begins)
    ends = np.append(starts, len(texts.codes))
    places = np.arange(len(texts.codes)) - np.repeat(starts, np.diff(ends))
    is_other = np.append(0, np.cumsum(kinds()[texts.codes] != SPACED))
    return Items(
        sums(placed(texts.codes, places, 3), ends),
        starts,
        is_other[ends[1:]] != is_other[ends[:-1]],
    )


def single_letters(texts: Letters, *wanted: int) -> Items:
    """The letters of texts. Other: those whose script is of no wanted kind."""
    is_other = ~np.isin(np.arange(KINDS), wanted)[kinds()[texts.codes]]
    hashes = texts.codes.astype(np.uint64) + np.uint64(1)
    return Items(hashes, np.arange(len(texts.codes)), is_other)


def runs(items: Items, texts: Letters, width: int) -> Runs:
    """All runs of so many items within one text, without those that hold an item of another kind.

    A hash is that of the items in their order, mixed so that all bits depend on all items.
    """
    count = max(0, len(items.hashes) - width + 1)
    if items.is_other.all():
        nothing = np.zeros(0, dtype=np.int64)
        return Runs(nothing.astype(np.uint64), nothing, nothing)
    hashes = items.hashes[:count].copy()
    for offset in range(1, width):
        hashes *= FACTOR
        hashes += items.hashes[offset : offset + count]
    owners = np.repeat(np.arange(len(texts.firsts) - 1), np.diff(texts.firsts))[items.letters]
    whole = owners[:count] == owners[width - 1 :][:count]
    if items.is_other.any():
        others = np.append(0, np.cumsum(items.is_other))
        whole &= others[width:][:count] == others[:count]
    numbers = np.flatnonzero(whole)
    after = np.append(items.letters, len(texts.codes))
    return Runs(mixed(hashes[numbers]), items.letters[numbers], after[numbers + width] - 1)
