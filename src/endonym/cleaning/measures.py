"""What rules measure in a text: lengths, shares of characters, shares of lines.

Nothing here knows a language. A word is a run of letters, marks and digits; an apostrophe or a
hyphen divides words. Scripts that write no blanks between words have runs as long as a phrase, so
rules about words are not recommended for them (`survey/cleaning.py`). A measure is None where
a text is too short for it, and then its rule does not apply.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import regex

from endonym.script import scripts

LEAST_LINES = 5
"""Fewer lines, and no share of lines is measured."""
LEAST_LETTERS = 40
"""Fewer visible characters, and no share of characters is measured."""
SHORT_LINE = 30
"""Characters of the longest line that counts as short, as in FineWeb."""
NGRAM = 5
NGRAM_UNBROKEN = 15
"""Words of a group, and letters with their marks where words are not divided."""

OTHER, LETTER, DIGIT, BLANK, POINT = range(5)
"""Kinds of characters. A point is a sign of punctuation that prose is full of."""

POINTS = r"[.,;:!?…'’\"“”„«»‹›()—–\-]|\p{Sentence_Terminal}|\p{Terminal_Punctuation}"
LIST_LINE = regex.compile(r"(?:[*•‣▪●◦·◆►→✓]|\(?\d{1,3}[.)]|\(?\p{L}\))\s")
"""A bullet or a number. A dash is none: it begins direct speech in many languages."""
TABLE_LINE = regex.compile(r"[^|\t]*[|\t][^|\t]*[|\t]")
CODE_LINE = regex.compile(
    r"[{}]|=>|[=!<>]=|&&|\|\||\(\)|</?[a-zA-Z][^<>]{0,200}>|\w\([^()]{0,200}\)\s*[;:]"
    r"|^\s*(?:#include|import\s+\w+[.;]|def\s+\w+\(|//|/\*)|\w\s?=\s?[^\s;]{1,200};"
)
ENDED = regex.compile(
    rf"(?:[{scripts.SENTENCE_ENDS}:;]|\.\.)[\s\p{{Quotation_Mark}}\p{{Close_Punctuation}}]*$"
)
WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")
UNBROKEN = regex.compile("|".join(map(scripts.script_class, sorted(scripts.BREAK_SCRIPTS))))
LETTERS = regex.compile(r"\p{L}\p{M}*|\p{N}+")


class Kinds(NamedTuple):
    """How many characters of each kind a text has, and how many words."""

    letters: int
    digits: int
    points: int
    others: int
    words: int

    @property
    def visible(self) -> int:
        """All but blanks."""
        return self.letters + self.digits + self.points + self.others


@functools.cache
def kind_table() -> "np.ndarray[tuple[int], np.dtype[np.uint8]]":
    """For every code point its kind."""
    kinds = np.full(scripts.CODE_POINTS, OTHER, dtype=np.uint8)
    kinds[scripts.table(POINTS)] = POINT
    kinds[scripts.table(r"[\p{L}\p{M}]")] = LETTER
    kinds[scripts.table(r"\p{N}")] = DIGIT
    kinds[scripts.table(r"[\p{Z}\p{C}]")] = BLANK
    return kinds


@functools.lru_cache(maxsize=2)
def kinds_of(text: str) -> Kinds:
    """The characters of a text by kind. Remembered, as several rules ask for the same text."""
    counts = np.zeros(5, dtype=np.int64)
    words = 0
    was_word = False
    for start in range(0, len(text), scripts.PORTION_CHARS):
        portion = text[start : start + scripts.PORTION_CHARS]
        kinds = kind_table()[scripts.code_points(portion)]
        counts += np.bincount(kinds, minlength=5)
        is_word = (kinds == LETTER) | (kinds == DIGIT)
        words += int(np.count_nonzero(is_word[1:] & ~is_word[:-1]))
        words += int(is_word[0] and not was_word)  # one that goes on from the portion before is not
        was_word = bool(is_word[-1])
    letters, digits, points, others = counts[[LETTER, DIGIT, POINT, OTHER]].tolist()
    return Kinds(letters, digits, points, others, words)


@functools.lru_cache(maxsize=2)
def lines_of(text: str) -> tuple[str, ...]:
    """The lines of a text that are not blank, without blanks at their ends."""
    return tuple(line for each in text.split("\n") if (line := each.strip()))


def is_unbroken(text: str) -> bool:
    """Whether most letters are of scripts that write no blanks between words."""
    return 2 * len(UNBROKEN.findall(text)) > kinds_of(text).letters


def words(text: str) -> float:
    """How many words."""
    return kinds_of(text).words


def word_length(text: str) -> float | None:
    """The mean length of words, in letters and digits."""
    kinds = kinds_of(text)
    if kinds.visible < LEAST_LETTERS or not kinds.words:
        return None
    return (kinds.letters + kinds.digits) / kinds.words


def symbol_share(text: str) -> float | None:
    """The share of visible characters that are no letter, digit or punctuation of prose."""
    kinds = kinds_of(text)
    return kinds.others / kinds.visible if kinds.visible >= LEAST_LETTERS else None


def digit_share(text: str) -> float | None:
    """The share of visible characters that are digits."""
    kinds = kinds_of(text)
    return kinds.digits / kinds.visible if kinds.visible >= LEAST_LETTERS else None


def line_share(text: str, is_counted: Callable[[str], object]) -> float | None:
    """The share of lines for which a function gives something true."""
    lines = lines_of(text)
    if len(lines) < LEAST_LINES:
        return None
    return sum(1 for line in lines if is_counted(line)) / len(lines)


def is_row(line: str) -> bool:
    """Whether a line is a row of a table."""
    if ("|" in line or "\t" in line) and TABLE_LINE.match(line):
        return True
    digits = sum(map(str.isdigit, line))
    return digits > 3 and 2 * digits > len(line) - line.count(" ")


ended_share = functools.partial(line_share, is_counted=lambda line: ENDED.search(line[-12:]))
"""The share of lines that end with punctuation."""
short_share = functools.partial(line_share, is_counted=lambda line: len(line) <= SHORT_LINE)
"""The share of lines that are short."""
list_share = functools.partial(line_share, is_counted=LIST_LINE.match)
"""The share of lines that begin with a bullet or a number."""
table_share = functools.partial(line_share, is_counted=is_row)
"""The share of lines that are rows: of cells divided by bars or tabs, or mostly of digits."""
code_share = functools.partial(line_share, is_counted=CODE_LINE.search)
"""The share of lines that look like a program or markup."""


def repeated_line_share(text: str) -> float | None:
    """The share of lines that stood before in the text."""
    lines = lines_of(text)
    return 1 - len(set(lines)) / len(lines) if len(lines) >= 2 else None


def repeated_ngram_share(text: str) -> float | None:
    """The share of words that are part of five words in a row that stood before in the text.

    Where half of its letters are of scripts without blanks between words, of letters in fifteen
    letters that stood before.
    """
    n = NGRAM
    units = WORD.findall(text)
    if units and is_unbroken(text[:2000]):
        n = NGRAM_UNBROKEN
        units = LETTERS.findall(text)
    if len(units) < 2 * n:
        return None
    ids: dict[str, int] = {}
    numbers = np.array([ids.setdefault(unit, len(ids)) for unit in units], dtype=np.uint64)
    # A hash of the n units that begin at each place.
    ngrams = np.zeros(len(units) - n + 1, dtype=np.uint64)
    for place in range(n):
        ngrams *= np.uint64(0x9E3779B97F4A7C15)
        ngrams += numbers[place : place + len(ngrams)] + np.uint64(1)
        ngrams ^= ngrams >> np.uint64(29)
    is_first = np.zeros(len(ngrams), dtype=np.bool_)
    is_first[np.unique(ngrams, return_index=True)[1]] = True
    repeats = np.nonzero(~is_first)[0]
    change = np.zeros(len(units) + 1, dtype=np.int32)  # in how many repeats a unit stands
    change[repeats] += 1
    change[repeats + n] -= 1
    return float(np.count_nonzero(np.cumsum(change[:-1])) / len(units))
