"""Folded texts, for comparison: two spellings of one sentence become the same.

A folded text is case-folded and has only letters, their marks and digits. Punctuation, spaces and
zero-width characters are removed, and so are the accents U+0300 to U+036F after canonical
decomposition: ţ, ț and t are one letter, and so are й and и. Vowel signs of Khmer, Devanagari or
Arabic stay. A lower-case Cyrillic letter that looks like a Latin one becomes that one (а, е, о, р,
с; not в or н, of which only the capitals look alike). The yeh and the kaf of Arabic and of Persian
keyboards are one letter each, tatweel is none, and digits of any script are those from 0 to 9.
"""

import functools
import itertools
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from endonym.script.scripts import CODE_POINTS, PORTION_CHARS, code_points, table

LETTERS = r"(?V1)[\p{L}\p{M}\p{N}--\p{Default_Ignorable_Code_Point}--[\u0300-\u036f]]"
CYRILLIC = "авеікмоӏрстухһәјѕԁԛԝ"
LATIN = "abeikmoipctyxhəjsdqw"
ARABIC = "يىك"
PERSIAN = "ییک"
"""Yeh with dots and without, and kaf: keyboards and old encodings have one or the other."""
TATWEEL = "\u0640"
"""A stroke that makes a word longer. Unicode calls it a letter."""
DOTLESS = "ı"
"""Its capital is I, and the small letter of that is i."""

BETWEEN = "\0"
"""Is no letter, so it is removed, and stays apart from letters beside it."""

Codes = np.ndarray[tuple[int], np.dtype[np.uint32]]
"""Code points."""


@functools.cache
def replacements() -> Codes:
    """For every code point its replacement; 0 for those that are removed."""
    found = np.arange(CODE_POINTS, dtype=np.uint32)
    found[~table(LETTERS)] = 0
    for letters, others in ((CYRILLIC, LATIN), (ARABIC, PERSIAN), (DOTLESS, "i")):
        found[[ord(letter) for letter in letters]] = [ord(letter) for letter in others]
    found[ord(TATWEEL)] = 0
    digits = np.flatnonzero(table(r"\p{Nd}"))  # Rows of ten, from 0 on (Unicode, 4.6).
    found[digits] = ord("0") + np.arange(len(digits), dtype=np.uint32) % 10
    return found


def folded(texts: Sequence[str]) -> list[str]:
    """Folded texts.

    A text without letters and digits keeps everything but its spaces; blank texts become empty.
    """
    short = _letters([text if len(text) <= PORTION_CHARS else "" for text in texts])
    return [
        letters
        or "".join(_letters([portion])[0] for portion in portions(text))
        or "".join("".join(decomposed(portion).split()) for portion in portions(text))
        for letters, text in zip(short, texts, strict=True)
    ]


def _letters(texts: Sequence[str]) -> list[str]:
    """The letters and digits of texts, replaced."""
    _, _, letters, firsts = folding(texts)
    joined = letters.tobytes().decode("utf-32-le", "surrogatepass")
    return [joined[first:last] for first, last in itertools.pairwise(firsts.tolist())]


def decomposed(text: str) -> str:
    """A text in lower case, its letters and accents apart."""
    return unicodedata.normalize("NFD", text.casefold())


class Folding(NamedTuple):
    """Texts one after the other, and what folding leaves of them.

    codes: code points in lower case, accents apart, with a zero between two texts. places: which of
    them stay. letters: what these become; those of text i are `letters[firsts[i] : firsts[i + 1]]`.
    """

    codes: Codes
    places: np.ndarray[tuple[int], np.dtype[np.int64]]
    letters: Codes
    firsts: np.ndarray[tuple[int], np.dtype[np.int64]]


def folding(texts: Sequence[str], replaced: Codes | None = None) -> Folding:
    """Fold texts. One call folds thousands of sentences: nothing is reordered across a zero.

    replaced: what becomes of each code point, 0 for those that are removed; by default
    `replacements()`.
    """
    joined = BETWEEN.join(texts)
    if joined.count(BETWEEN) != max(0, len(texts) - 1):  # one of them holds it
        joined = BETWEEN.join(text.replace(BETWEEN, " ") for text in texts)
    codes = code_points(decomposed(joined))
    letters = (replacements() if replaced is None else replaced)[codes]
    places = np.flatnonzero(letters)
    ends = np.searchsorted(places, np.flatnonzero(codes == ord(BETWEEN)))
    firsts = np.concatenate(([0], ends, [len(places)]))[: len(texts) + 1]
    return Folding(codes, places, letters[places], firsts)


def portions(text: str) -> Iterator[str]:
    """A text in parts that can be folded one by one: a letter and its marks stay together.

    A letter with more marks than a portion is cut.
    """
    start = 0
    while start < len(text):
        first = start + PORTION_CHARS
        places = range(first, min(first + PORTION_CHARS, len(text)))
        # A character whose decomposition begins with no mark, so that marks before it stay there.
        begins = (n for n in places if not unicodedata.combining(decomposed(text[n])[0]))
        end = next(begins, places.stop)
        yield text[start:end]
        start = end
