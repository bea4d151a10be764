"""How damaged a text is: signs that a copy was spoilt on its way. The less damaged one is better.

Counted are U+FFFD, neighbouring letters of Latin and Cyrillic (look-alikes within a word), and
capitals where most letters are capitals. Lost accents leave no sign: of copies of equal letters
the one with more accents is the better.
"""

import functools
import unicodedata
from collections.abc import Sequence

import numpy as np

from endonym.copies.hashes import Indices, Marks
from endonym.script.scripts import table

REPLACEMENT = 0xFFFD
LATIN, CYRILLIC = 1, 2


@functools.cache
def alphabets() -> "np.ndarray[tuple[int], np.dtype[np.uint8]]":
    """For every code point, whether it is a letter of Latin or of Cyrillic."""
    return LATIN * table(r"(?=\p{L})\p{Script=Latin}").astype(np.uint8) + CYRILLIC * table(
        r"(?=\p{L})\p{Script=Cyrillic}"
    ).astype(np.uint8)


def damage(texts: Sequence[str]) -> Indices:
    """Of each text, how many of a hundred characters are such signs, rounded down."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    firsts = np.append(0, np.cumsum(lengths))
    alphabet = alphabets()[codes]
    both = np.zeros(len(codes), dtype=np.bool_)
    both[1:] = alphabet[1:] + alphabet[:-1] == LATIN + CYRILLIC  # other characters are 0
    # A text does not mix with the one before it.
    both[firsts[:-1][lengths > 0]] = False
    capitals = _counted(table(r"\p{Lu}")[codes], firsts)
    small = _counted(table(r"\p{Ll}")[codes], firsts)
    signs = _counted(both | (codes == REPLACEMENT), firsts)
    signs += np.where(capitals > small, capitals, 0)
    return 100 * signs // np.maximum(lengths, 1)


ACCENTS = (0x300, 0x36F)
CEDILLA = 0x327
"""Romanian has commas below s and t, and cedillas for them in old fonts."""


def accents(texts: Sequence[str]) -> Indices:
    """Of each text, how many accents its letters have: two for each, but one for a cedilla.

    An accent that makes no letter of its own, as that of stress in Cyrillic, is none.
    """
    joined = "\0".join(text.replace("\0", " ") for text in texts)
    apart, composed = (_accents(unicodedata.normalize(form, joined)) for form in ("NFD", "NFC"))
    return (apart - composed)[: len(texts)]


def _accents(joined: str) -> Indices:
    """The same for accents that stand apart, of texts with a zero between them."""
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    firsts = np.concatenate(([0], np.flatnonzero(codes == 0), [len(codes)]))
    found = 2 * _counted((codes >= ACCENTS[0]) & (codes <= ACCENTS[1]), firsts)
    return found - _counted(codes == CEDILLA, firsts)


def _counted(marks: Marks, firsts: Indices) -> Indices:
    """How many marks each text has."""
    return np.diff(np.searchsorted(np.flatnonzero(marks), firsts))
