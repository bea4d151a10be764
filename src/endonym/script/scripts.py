"""Writing systems: which script a letter belongs to, and what scripts need.

Tables over all of Unicode are computed on first use and cached.
"""

import functools
import unicodedata
from collections import Counter

import numpy as np
import regex

from endonym.disk import packaged_tables

CODE_POINTS = 0x110000
PORTION_CHARS = 1 << 20
"""Longer texts are looked at in portions: that takes many times the memory of a text."""
LETTER = r"\p{L}"
SIGN = r"\p{L}|(?!\p{Script=Inherited})\p{M}"
"""Letters, and the marks of one script, such as vowel signs; accents of any script do not count."""

SENTENCE_ENDS = r"\p{Sentence_Terminal}…།༎"
"""Signs that end sentences, within a class. To Unicode, those of Tibetan only end sections."""


NAMES = {
    key: frozenset(names.split())
    for key, names in packaged_tables("endonym.script", "scripts.toml").items()
}
JOINER_SCRIPTS = NAMES["joiner"]
"""Scripts in which U+200C and U+200D control how letters join."""
BREAK_SCRIPTS = NAMES["break"]
"""Scripts without spaces between words, where U+200B marks the end of one."""
DENSE_SCRIPTS = ("han", "hiragana", "katakana", "yi")
"""Scripts in which a word has one letter or two."""
UNSPACED_SCRIPTS = (*sorted(BREAK_SCRIPTS), "tibetan", "javanese", "balinese")
"""Other scripts without a space after each word."""
BRIEF_SCRIPTS = BREAK_SCRIPTS | NAMES["brief"]
"""Scripts of short words, where a sentence may have three characters."""
RIGHT_TO_LEFT = NAMES["right_to_left"]
"""Scripts that need direction marks."""
COMMON_SCRIPTS = NAMES["common"]
"""The scripts that are counted in a sample of text."""


def is_right_to_left(text: str) -> bool:
    """Whether most letters of a text are written from right to left."""
    counts = Counter(map(unicodedata.bidirectional, text))
    return counts["R"] + counts["AL"] > counts["L"]


@functools.cache
def every_character() -> str:
    """All characters except surrogates."""
    return "".join(map(chr, range(0xD800))) + "".join(map(chr, range(0xE000, CODE_POINTS)))


@functools.cache
def table(pattern: str) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """For every code point, whether it matches a class such as `\\p{L}`."""
    found = np.zeros(CODE_POINTS, dtype=np.bool_)
    found[[ord(character) for character in regex.findall(pattern, every_character())]] = True
    return found


def is_script(name: str) -> bool:
    """Whether Unicode knows a script of this name."""
    try:
        regex.compile(script_class(name))
    except regex.error:
        return False
    return True


def script_class(name: str) -> str:
    """The regular expression for the letters and marks of a script."""
    return rf"(?=[\p{{L}}\p{{M}}])\p{{Script={name}}}"


def code_points(text: str) -> "np.ndarray[tuple[int], np.dtype[np.uint32]]":
    """The code points of a text."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def matches(text: str, pattern: str) -> int:
    """How many characters of a text match a class such as `\\p{L}`."""
    members = table(pattern)
    starts = range(0, len(text), PORTION_CHARS)
    portions = (code_points(text[start : start + PORTION_CHARS]) for start in starts)
    return sum(int(np.count_nonzero(members[portion])) for portion in portions)


def script_share(text: str, script: str) -> float:
    """The share of a text's letters and marks that belong to a script; 0 without letters."""
    letters = matches(text, SIGN)
    return matches(text, script_class(script)) / letters if letters else 0.0


def letters_share(text: str, wanted: str) -> float:
    """The share of a text's letters that are in `wanted`, ignoring case."""
    letters = matches(text, LETTER)
    count = sum(text.count(letter) for letter in set(wanted.lower() + wanted.upper()))
    return count / letters if letters else 0.0


def script_counts(text: str) -> Counter[str]:
    """How many letters and marks of a text belong to each script, by its lower-case name."""
    counts = Counter[str]()
    left = Counter(regex.findall(SIGN, text))
    for name in sorted(COMMON_SCRIPTS):
        members = regex.compile(script_class(name))
        letters = [letter for letter in left if members.match(letter)]
        counts[name] = sum(left.pop(letter) for letter in letters)
    counts["other"] = sum(left.values())
    return +counts
