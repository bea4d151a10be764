"""Characters of no width: kept where a script needs them, removed elsewhere.

U+200C and U+200D join letters in Arabic and Indic scripts (and U+200D emoji), U+200B ends words in
Khmer, Thai, Lao and Burmese, marks of direction belong to scripts that run to the left. Elsewhere
they are dirt, as are U+FEFF, the word joiner, the soft hyphen and the strike-through overlay
everywhere. If a recipe names the script, it decides; otherwise the letters beside a mark do.
"""

import functools

import regex

from endonym.text.scripts import BREAK_SCRIPTS, JOINER_SCRIPTS, RIGHT_TO_LEFT

JOINERS = "\u200c\u200d"
BREAK = "\u200b"
DIRECTION = "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
NOWHERE = "\ufeff\u2060\u00ad\u0336"

ANY = regex.compile(f"[{JOINERS}{BREAK}{DIRECTION}{NOWHERE}]")
RUN = regex.compile(f"[{JOINERS}{BREAK}{DIRECTION}{NOWHERE}]+")
REPEATED = regex.compile(f"([{JOINERS}{BREAK}])\\1+")
EMOJI = regex.compile(r"[\p{Extended_Pictographic}\p{Emoji_Modifier}\uFE0F]")


def without_zero_width(text: str, script: str | None) -> str:
    """The text without the marks of no width that its script does not need."""
    if not ANY.search(text):
        return text
    if script is None:
        return RUN.sub(lambda run: kept_marks(text, run.start(), run.end()), text)
    text = REPEATED.sub(r"\1", text)
    return unwanted(script).sub("", text)


@functools.cache
def unwanted(script: str) -> "regex.Pattern[str]":
    """The marks that a script does not need. U+200D between emoji is wanted in any."""
    marks = "".join(set(JOINERS + BREAK + DIRECTION + NOWHERE) - set(wanted_marks(script)))
    if "\u200d" not in marks:
        return regex.compile(f"[{marks}]")
    marks = marks.replace("\u200d", "")
    joiner = r"(?<![\p{Extended_Pictographic}\p{Emoji_Modifier}\uFE0F])\u200D"
    joiner += r"|\u200D(?!\p{Extended_Pictographic})"
    return regex.compile(f"[{marks}]|{joiner}")


def wanted_marks(script: str) -> str:
    """The marks of no width that a script needs."""
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
    """The characters that a script uses, its marks and its own signs among them."""
    return regex.compile(rf"\p{{Script_Extensions={script}}}")


def kept_marks(text: str, start: int, end: int) -> str:
    """What stays of a run of marks, each at most once in a row, by the characters beside it."""
    before = marks_beside(text[start - 1]) if start else ""
    after = marks_beside(text[end]) if end < len(text) else ""
    kept = "".join(mark for mark in text[start:end] if mark in before or mark in after)
    return REPEATED.sub(r"\1", kept)
