"""Texts as arrays: batches of them, paragraphs, folded letters, words, runs of both, and hashes.

Letters are folded as in `script/fold.py`. A word ends at any character that is no letter, mark,
digit or apostrophe. Scripts that put no space between words have no words here: of them, runs of
letters are taken. Nothing depends on the order of texts or on Python's own hash.
"""

import functools
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import regex

from endonym.batching import in_batches
from endonym.copies.hashes import Hashes, Indices, Marks, places_within
from endonym.script.fold import LETTERS, Codes, folding
from endonym.script.scripts import DENSE_SCRIPTS, UNSPACED_SCRIPTS, code_points, table

APOSTROPHES = "'`´‘’"
SPACED, UNSPACED, DENSE = range(KINDS := 3)

FACTOR = np.uint64(0x9E3779B97F4A7C15)
MIXER = np.uint64(0xD6E8FEB86659FD93)
HALF = np.uint64(32)

BATCH_CHARS = 1 << 19

LONG_LINE_CHARS = 200
LINE = regex.compile(r"[^\n]+")
Span = tuple[int, int]
"""First character, and the one after the last."""


class Letters(NamedTuple):
    """The folded letters of several texts, one after the other.

    begins: whether a letter begins a word. Letters of text i: `codes[firsts[i] : firsts[i + 1]]`.
    """

    codes: Codes
    begins: Marks
    firsts: Indices

    def owners(self, letters: Indices) -> Indices:
        """The numbers of the texts in which these letters stand."""
        return np.searchsorted(self.firsts, letters, side="right") - 1


class Items(NamedTuple):
    """Words or letters, one after the other, as hashes. letters: the first letter of each.

    is_other: those that no run may hold, as they belong to a script of another kind.
    """

    hashes: Hashes
    letters: Indices
    is_other: Marks


class Runs(NamedTuple):
    """Hashes of runs, and the numbers of their first and last letters."""

    hashes: Hashes
    firsts: Indices
    lasts: Indices


@functools.cache
def separators() -> Marks:
    """For every code point, whether it divides words."""
    found = ~(table(LETTERS) | table(r"[\p{M}\p{Default_Ignorable_Code_Point}]"))
    found[[ord(sign) for sign in APOSTROPHES]] = False
    return found


@functools.cache
def kinds() -> "np.ndarray[tuple[int], np.dtype[np.uint8]]":
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


def batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """Texts in batches that are folded and hashed together; a long text is alone."""
    return in_batches(texts, len, BATCH_CHARS, is_within=True)


def folded_letters(texts: Sequence[str], replaced: Codes | None = None) -> Letters:
    """The folded letters of texts. replaced: what becomes of each code point; see `folding`."""
    codes, places, letters, firsts = folding(texts, replaced)
    # A word begins where a separator stands between a letter and the one before, or a text begins.
    divided = np.cumsum(separators()[codes], dtype=np.int32)[places]
    begins = np.ones(len(letters), dtype=np.bool_)
    begins[1:] = divided[1:] != divided[:-1]
    begins[firsts[:-1][firsts[:-1] < len(letters)]] = True
    return Letters(letters, begins, firsts)


def scrambled(hashes: Hashes) -> Hashes:
    """The same numbers with all bits depending on all bits, distinct ones distinct."""
    hashes = hashes ^ (hashes >> HALF)
    hashes *= MIXER
    hashes ^= hashes >> HALF
    return hashes


def mixed(hashes: Hashes) -> Hashes:
    """As `scrambled`, with one more round: the finalizer of MurmurHash3."""
    hashes = scrambled(hashes)
    hashes *= FACTOR
    hashes ^= hashes >> HALF
    return hashes


def run_sums(numbers: Hashes, width: int) -> Hashes:
    """For each run of `width` numbers the sum of numbers[i] * FACTOR^(width - 1 - i) mod 2^64."""
    count = max(0, len(numbers) - width + 1)
    sums = numbers[:count].copy()
    for offset in range(1, width):
        sums *= FACTOR
        sums += numbers[offset : offset + count]
    return sums


def placed(codes: Codes, places: Indices, seed: int) -> Hashes:
    """A hash of each letter and its place. Sums of them tell texts apart.

    So the hash of a long text is a sum over its portions.
    """
    numbers = codes.astype(np.uint64) * FACTOR
    numbers += places.astype(np.uint64) * MIXER
    numbers += mixed(np.array([seed + 1], dtype=np.uint64))
    return mixed(numbers)


def sums(numbers: Hashes, firsts: Indices) -> Hashes:
    """The sum modulo 2^64 of `numbers[firsts[i] : firsts[i + 1]]` for each i."""
    totals = np.concatenate((np.zeros(1, dtype=np.uint64), np.cumsum(numbers, dtype=np.uint64)))
    return totals[firsts[1:]] - totals[firsts[:-1]]


def digests(texts: Letters, *, before: int = 0) -> tuple[Hashes, Hashes]:
    """128 bits for each text, in two halves: equal for texts that are folded to the same letters.

    before: letters of the portions before this one. The digest of a text is the sum of those of its
    portions.
    """
    places = places_within(np.diff(texts.firsts)) + before
    first, second = (sums(placed(texts.codes, places, seed), texts.firsts) for seed in (1, 2))
    return first, second


def numbers_in(texts: Letters) -> Hashes:
    """A hash of the digits of each text in their order; 0 for a text without digits."""
    at = np.flatnonzero(table(r"\p{N}")[texts.codes])
    firsts = np.searchsorted(at, texts.firsts)
    return sums(placed(texts.codes[at], places_within(np.diff(firsts)), seed=4), firsts)


def words(texts: Letters) -> Items:
    """The words of texts. Other: those with letters of a script that does not divide words."""
    starts = np.flatnonzero(texts.begins)
    ends = np.append(starts, len(texts.codes))
    places = places_within(np.diff(ends))
    others_before = np.append(0, np.cumsum(kinds()[texts.codes] != SPACED))
    holds_other = others_before[ends[1:]] != others_before[ends[:-1]]
    return Items(sums(placed(texts.codes, places, seed=3), ends), starts, holds_other)


def single_letters(texts: Letters, *wanted: int) -> Items:
    """The letters of texts. Other: those whose script is of no wanted kind."""
    is_other = ~np.isin(np.arange(KINDS), wanted)[kinds()[texts.codes]]
    hashes = texts.codes.astype(np.uint64) + np.uint64(1)
    return Items(hashes, np.arange(len(texts.codes)), is_other)


def runs(items: Items, texts: Letters, width: int) -> Runs:
    """All runs of so many items within one text, without those that hold an item of another kind.

    A hash is that of the items in their order, mixed so that all bits depend on all items.
    """
    if items.is_other.all():
        nothing = np.zeros(0, dtype=np.int64)
        return Runs(nothing.astype(np.uint64), nothing, nothing)
    hashes = run_sums(items.hashes, width)
    count = len(hashes)
    owners = np.repeat(np.arange(len(texts.firsts) - 1), np.diff(texts.firsts))[items.letters]
    whole = owners[:count] == owners[width - 1 :][:count]
    if items.is_other.any():
        others_before = np.append(0, np.cumsum(items.is_other))
        whole &= others_before[width:][:count] == others_before[:count]
    numbers = np.flatnonzero(whole)
    after = np.append(items.letters, len(texts.codes))
    return Runs(mixed(hashes[numbers]), items.letters[numbers], after[numbers + width] - 1)


def run_hashes(text: str, width: int) -> Hashes:
    """The hashes of all runs of a folded text, in order; none of a text shorter than one."""
    return scrambled(run_sums(code_points(text).astype(np.uint64) + np.uint64(1), width))


def overlapping_portions(text: str, width: int) -> Iterator[str]:
    """A folded text in pieces that bound memory; together they have its runs.

    A text shorter than a run is padded to one run.
    """
    for start in range(0, max(1, len(text) - width + 1), BATCH_CHARS):
        yield text[start : start + BATCH_CHARS + width - 1].ljust(width, "\0")


def padded_runs(texts: Sequence[str], width: int) -> Iterator[tuple[Hashes, Indices]]:
    """The hashes of the runs of a batch of folded texts, and the indices of their texts."""
    if len(texts) == 1:
        for portion in overlapping_portions(texts[0], width):
            hashes = run_hashes(portion, width)
            yield hashes, np.zeros(len(hashes), dtype=np.int64)
        return
    filled = [text.ljust(width, "\0") for text in texts]
    hashes = run_hashes("".join(filled), width)
    owners = np.repeat(np.arange(len(filled)), [len(text) for text in filled])
    whole = owners[: len(hashes)] == owners[width - 1 :]
    yield hashes[whole], owners[: len(hashes)][whole]


def paragraphs(text: str) -> list[Span]:
    """Where the paragraphs of a text stand; blank lines belong to none.

    A paragraph ends at an empty line. A line of more than 200 characters is a paragraph of its own:
    such texts have one line a paragraph, while shorter lines are verses, or a page's lines, and
    stay together.
    """
    found = list[Span]()
    is_open = False
    end = 0
    for line in LINE.finditer(text):
        first, last = line.span()
        if line[0].isspace():
            is_open = False
            continue
        is_long = last - first > LONG_LINE_CHARS
        if is_open and not is_long and first == end + 1:
            found[-1] = (found[-1][0], last)
        else:
            found.append((first, last))
        is_open = not is_long
        end = last
    return found


def without(text: str, spans: Sequence[Span], removed: Collection[int]) -> str:
    """The text without some of its paragraphs, by number; each goes with what follows it."""
    kept = list[str]()
    start = 0
    for number, (first, _) in enumerate(spans):
        if number in removed:
            kept.append(text[start:first])
            start = spans[number + 1][0] if number + 1 < len(spans) else len(text)
    return "".join([*kept, text[start:]]).strip("\n")
