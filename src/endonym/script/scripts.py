"""Writing systems: which script a letter belongs to, and what scripts need.

Tables over all of Unicode are computed on first use and cached.
"""

import functools
from collections import Counter

import numpy as np
import regex

CODE_POINTS = 0x110000
PORTION_CHARS = 1 << 20
LETTER = r"\p{L}"
SIGN = r"\p{L}|(?!\p{Script=Inherited})\p{M}"
"""Letters, and the marks of one script, such as vowel signs; accents of any script do not count."""

SENTENCE_ENDS = r"\p{Sentence_Terminal}…།༎"
"""Signs that end sentences, within a class. To Unicode, those of Tibetan only end sections."""


def names(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


JOINER_SCRIPTS = names(
    "arabic syriac mandaic mongolian nko phags_pa devanagari bengali gurmukhi gujarati oriya tamil "
    "telugu kannada malayalam sinhala khmer thai lao myanmar tibetan balinese javanese sundanese "
    "limbu lepcha meetei_mayek newa tirhuta chakma kaithi grantha sharada brahmi"
)
"""Scripts in which U+200C and U+200D control how letters join."""

BREAK_SCRIPTS = names("khmer thai lao myanmar tai_tham new_tai_lue tai_le tai_viet")
"""Scripts without spaces between words, where U+200B marks the end of one."""

BRIEF_SCRIPTS = BREAK_SCRIPTS | names("tibetan han hangul hiragana katakana yi")
"""Scripts of short words, where a sentence may have three characters."""

RIGHT_TO_LEFT = names("arabic hebrew syriac thaana nko mandaic samaritan adlam hanifi_rohingya")
"""Scripts that need direction marks."""

COMMON_SCRIPTS = names(
    "latin cyrillic arabic devanagari bengali han greek hebrew armenian georgian ethiopic gurmukhi "
    "gujarati oriya tamil telugu kannada malayalam sinhala thai lao tibetan myanmar khmer hangul "
    "mongolian hiragana katakana thaana syriac nko tifinagh cherokee canadian_aboriginal javanese "
    "balinese sundanese ol_chiki adlam vai yi meetei_mayek chakma lepcha limbu tai_tham tai_le"
)
"""The scripts that are counted in a sample of text."""


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


def matches(text: str, pattern: str) -> int:
    """How many characters of a text match a class such as `\\p{L}`."""
    members, found = table(pattern), 0
    for start in range(0, len(text), PORTION_CHARS):
        portion = text[start : start + PORTION_CHARS].encode("utf-32-le")
        found += int(np.count_nonzero(members[np.frombuffer(portion, dtype=np.uint32)]))
    return found


def script_share(text: str, script: str) -> float:
    """The share of a text's letters and marks that belong to a script; 0 without letters."""
    letters = matches(text, SIGN)
    return matches(text, script_class(script)) / letters if letters else 0.0


def letters_share(text: str, wanted: str) -> float:
    """The share of a text's letters that are in `wanted`, ignoring case."""
    letters = matches(text, LETTER)
    found = sum(text.count(letter) for letter in set(wanted.lower() + wanted.upper()))
    return found / letters if letters else 0.0


def script_counts(text: str) -> Counter[str]:
    """How many letters and marks of a text belong to each script, by its lower-case name."""
    counts = Counter[str]()
    left = Counter(regex.findall(SIGN, text))
    for name in sorted(COMMON_SCRIPTS):
        members = regex.compile(script_class(name))
        here = [letter for letter in left if members.match(letter)]
        counts[name] = sum(left.pop(letter) for letter in here)
    counts["other"] = sum(left.values())
    return +counts
