"""Zero-width characters: kept where a script needs them, removed elsewhere.

U+200C and U+200D join letters in Arabic and Indic scripts (and U+200D emoji), U+200B ends words in
Khmer, Thai, Lao and Burmese, direction marks belong to right-to-left scripts. Elsewhere they are
noise, as are U+FEFF, the word joiner, the soft hyphen and the strike-through overlay everywhere.
The script is the recipe's if it names one; otherwise that of the letters beside the character.
"""

import functools
import re

import regex

from endonym.script.scripts import BREAK_SCRIPTS, JOINER_SCRIPTS, RIGHT_TO_LEFT

JOINERS = "\u200c\u200d"
BREAK = "\u200b"
DIRECTION = "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
NOWHERE = "\ufeff\u2060\u00ad\u0336"

ANY = re.compile(f"[{JOINERS}{BREAK}{DIRECTION}{NOWHERE}]")
RUN = regex.compile(f"[{JOINERS}{BREAK}{DIRECTION}{NOWHERE}]+")
REPEATED = regex.compile(f"([{JOINERS}{BREAK}])\\1+")
TURNS = regex.compile(f"[{JOINERS}{BREAK}\u200e\u200f\u061c]{{4,}}")
"""Marks by turns are a hidden message: no script needs more than U+200D U+200C U+200D."""
EMOJI = regex.compile(r"[\p{Extended_Pictographic}\p{Emoji_Modifier}\uFE0F]")


def without_zero_width(text: str, script: str | None) -> str:
    """The text without the zero-width characters that its script does not need."""
    if not ANY.search(text):
        return text
    if script is None:
        return RUN.sub(lambda run: kept_marks(text, run.start(), run.end()), text)
    text = REPEATED.sub(r"\1", text)
    return without_turns(unwanted(script).sub("", text))


def without_turns(text: str) -> str:
    """The text without marks by turns; of a run of one mark, or with the end of a word, that."""

    def left(run: "regex.Match[str]") -> str:
        return run[0][0] if len(set(run[0])) == 1 else BREAK * (BREAK in run[0])

    return TURNS.sub(left, text)


@functools.cache
def unwanted(script: str) -> "regex.Pattern[str]":
    """A pattern of the marks that a script does not need. U+200D between emoji always stays."""
    marks = "".join(set(JOINERS + BREAK + DIRECTION + NOWHERE) - set(wanted_marks(script)))
    if "\u200d" not in marks:
        return regex.compile(f"[{marks}]")
    marks = marks.replace("\u200d", "")
    joiner = r"(?<![\p{Extended_Pictographic}\p{Emoji_Modifier}\uFE0F])\u200D"
    joiner += r"|\u200D(?!\p{Extended_Pictographic})"
    return regex.compile(f"[{marks}]|{joiner}")


def wanted_marks(script: str) -> str:
    """The zero-width characters that a script needs."""
    joiners = JOINERS if script in JOINER_SCRIPTS else ""
    breaks = BREAK if script in BREAK_SCRIPTS else ""
    direction = DIRECTION if script in RIGHT_TO_LEFT else ""
    return joiners + breaks + direction


@functools.cache
def marks_beside(character: str) -> str:
    """The marks that may stand beside a character, by its script."""
    marks = "\u200d" if EMOJI.match(character) else ""
    for script in sorted(JOINER_SCRIPTS | BREAK_SCRIPTS | RIGHT_TO_LEFT):
        if belongs(script).match(character):
            return wanted_marks(script)
    return marks


@functools.cache
def belongs(script: str) -> "regex.Pattern[str]":
    """A pattern of the characters of a script, with those it shares with others."""
    return regex.compile(rf"\p{{Script_Extensions={script}}}")


def kept_marks(text: str, start: int, end: int) -> str:
    """The marks of a run that stay, each at most once in a row, by the characters beside it."""
    before = marks_beside(text[start - 1]) if start else ""
    after = marks_beside(text[end]) if end < len(text) else ""
    kept = "".join(mark for mark in text[start:end] if mark in before or mark in after)
    return without_turns(REPEATED.sub(r"\1", kept))
