"""Normalization of every text: Unicode composition, spaces, line ends."""

import re
import unicodedata

import regex

LINE_END = regex.compile(r"\r\n?|[\v\f\x85\u2028\u2029]")
BLANK = re.compile(r"[\t\0\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
ODD = re.compile(
    r"[\r\v\f\x85\u2028\u2029\x01-\x08\x0e-\x1f\x7f-\x9f"
    r"\t\0\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]"
)
"""All that the next patterns find, but runs of blanks; most texts have none, and `re` finds
characters of a set four times as fast as `regex`."""
BLANKS = regex.compile(r"[ \t\0\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+")
CONTROL = re.compile(r"[\x01-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
BESIDE_LINE_END = regex.compile(r" *\n *")
BLANK_LINES = regex.compile(r"\n{3,}")


MANY_MARKS = regex.compile(r"\P{Canonical_Combining_Class=0}{32,}")
"""More marks on one letter than any language writes (Unicode's stream-safe format allows 30)."""


def composed(text: str) -> str:
    """The text in NFC.

    Python sorts the marks of a letter in quadratic time, so that many of them are sorted before.
    """
    if not text.isascii():
        text = MANY_MARKS.sub(lambda run: "".join(sorted(run[0], key=unicodedata.combining)), text)
    return text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


def with_plain_spaces(text: str) -> str:
    """Single spaces, LF line ends, at most one empty line in a row, nothing at the edges.

    Every Unicode space and NUL become a space; other control characters are removed.
    """
    is_odd = ODD.search(text) is not None
    if is_odd:
        text = CONTROL.sub("", LINE_END.sub("\n", text))
    if "  " in text or (is_odd and BLANK.search(text)):
        text = BLANKS.sub(" ", text)
    if " \n" in text or "\n " in text:
        text = BESIDE_LINE_END.sub("\n", text)
    if "\n\n\n" in text:
        text = BLANK_LINES.sub("\n\n", text)
    return text.strip(" \n")
