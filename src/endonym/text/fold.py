"""Texts as they are compared with one another: what two spellings of one sentence share.

A folded text is case-folded and holds only letters, their marks and digits. Punctuation, blanks and
zero-width characters are gone, and so are the accents U+0300 to U+036F after canonical
decomposition: ţ, ț and t are one letter, and so are й and и. Vowel signs of Khmer, Devanagari or
Arabic stay. A Cyrillic letter that looks like a Latin one as a small letter becomes that one (а, е,
о, р, с; not в or н, which only their capitals resemble).
"""

import functools
import unicodedata
from collections.abc import Sequence

import numpy as np

from endonym.text.scripts import CODE_POINTS, table

LETTERS = r"(?V1)[\p{L}\p{M}\p{N}--\p{Default_Ignorable_Code_Point}--[\u0300-\u036f]]"
CYRILLIC, LATIN = "авеікмоӏрстухһәјѕԁԛԝ", "abeikmoipctyxhəjsdqw"
DOTLESS = "ı"
"""Its capital is I, and the small letter of that is i."""


@functools.cache
def replacements() -> "np.ndarray[tuple[int], np.dtype[np.uint32]]":
    """For every code point, the one that stands for it; 0 for what is left out."""
    found = np.arange(CODE_POINTS, dtype=np.uint32)
    found[~table(LETTERS)] = 0
    found[[ord(letter) for letter in CYRILLIC]] = [ord(letter) for letter in LATIN]
    found[ord(DOTLESS)] = ord("i")
    return found


def folded(texts: Sequence[str]) -> list[str]:
    """Texts as they are compared.

    A text without letters and digits keeps everything but its blanks; blank texts become empty.
    """
    plain = [unicodedata.normalize("NFD", text.casefold()) for text in texts]
    codes = np.frombuffer("".join(plain).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    letters = replacements()[codes]
    is_letter = letters != 0
    ends = np.cumsum([0, *map(len, plain)])
    places = np.append(0, np.cumsum(is_letter))[ends].tolist()
    joined = letters[is_letter].tobytes().decode("utf-32-le", "surrogatepass")
    return [
        joined[start:end] or "".join(text.split())
        for start, end, text in zip(places, places[1:], plain, strict=False)
    ]
