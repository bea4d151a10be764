"""Puts a line of a PDF that mixes directions into the order in which it is read.

In which order the words of a line follow each other PDFium decides by a count, which is wrong for
many lines with Latin words or numbers; letters beyond U+FFFF, such as those of Adlam, it does not
turn. Here words are taken as they stand on paper (pdf_places.py), and read in the direction of the
line: the bidirectional algorithm of Unicode backwards, with one level of words that go the other
way.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import regex

from endonym.formats.parsers.pdf_places import NON_JOINER

RIGHT = "right to left"
LEFT = "left to right"
NUMBER = "number"
NEUTRAL = "neutral"
KINDS = {"R": RIGHT, "AL": RIGHT, "L": LEFT, "EN": NUMBER, "AN": NUMBER}
JOINED = ("NSM", "BN")
"""Marks, and signs without a width: they belong to what stands before them."""
NUMBERS = re.compile(r"[%$€£#°]?\d+(?:[.,:/+-]\d+)*[%$€£#°]?|.", re.DOTALL)
"""A number with what belongs to it, or another sign."""
ARABIC_NUMBERS = re.compile("\\d+(?:[.,:/\u060c\u066b\u066c]\\d+)*|.", re.DOTALL)
"""The same where digits follow Arabic letters: there "-" and "%" are no part of it."""
CLUSTER = regex.compile(r".[\p{M}\p{Cf}]*", regex.DOTALL)
BRACKETS = ("()", "[]", "{}", "«»", "‹›")
ENUMERATED = re.compile(r"\s[.()]$")


class LinePart(NamedTuple):
    """A word, a number or another sign, and where its middle stands on the line."""

    kind: str
    text: str
    middle: float


def in_order(text: str, places: Sequence[tuple[float, float]], *, is_to_left: bool) -> str:
    """The text of a line in the order in which it is read.

    places: the left and the right side of each character. is_to_left: whether
    it is read from right to left.
    """
    parts = sorted(parts_of(text, places), key=lambda each: each.middle)
    kinds = {each.kind for each in parts}
    if RIGHT not in kinds:
        return text
    if not (kinds & {LEFT, NUMBER} or max(text) > "\uffff"):
        return with_brackets(text.strip())
    letters = Counter(map(unicodedata.bidirectional, text))
    pattern = ARABIC_NUMBERS if letters["AL"] > letters["R"] else NUMBERS
    found = "".join((to_left if is_to_left else to_right)(parts, pattern)).strip()
    return with_brackets(found)


def parts_of(text: str, places: Sequence[tuple[float, float]]) -> Iterator[LinePart]:
    """The parts of a line, each in the order in which it is read."""
    kind = ""
    begin = 0
    for at, sign in enumerate(text):
        direction = unicodedata.bidirectional(sign)
        own = KINDS.get(direction, NEUTRAL)
        # U+200C after digits or Latin letters stands at their left, before the letters that follow.
        is_joined = direction in JOINED and (sign != NON_JOINER or kind in (RIGHT, NEUTRAL))
        if at and (is_joined or (own == kind != NEUTRAL)):
            continue
        if at:
            yield part(kind, text[begin:at], places[begin:at])
        kind = own
        begin = at
    yield part(kind, text[begin:], places[begin:])


def part(kind: str, text: str, places: Sequence[tuple[float, float]]) -> LinePart:
    """A part of a line. places: the left and the right side of each of its characters."""
    lefts, rights = zip(*places, strict=True)
    sign = -1 if kind == RIGHT else 1
    if sign * lefts[0] > sign * lefts[-1]:
        found = sorted(CLUSTER.finditer(text), key=lambda each: sign * lefts[each.start()])
        text = "".join(each[0] for each in found)
    return LinePart(kind, text, middle=(min(lefts) + max(rights)) / 2)


def to_left(parts: Sequence[LinePart], number: re.Pattern[str]) -> list[str]:
    """The texts of parts, given from left to right, as a line from right to left is read."""
    found: list[str] = []
    for area in reversed([*areas(parts, RIGHT)]):
        texts = [each.text for each in area]
        if not any(each.kind == LEFT for each in area):
            pieces = texts if area[0].kind == RIGHT else number.findall("".join(texts))
            found += reversed(pieces)
            continue
        first, last = ends(area, (LEFT, NUMBER))
        is_point = area[last].kind == NUMBER and ENUMERATED.search("".join(texts[:last]))
        if not found and is_point:  # "1." at the beginning is no part of the words that follow.
            found += reversed(texts[last - 2 :])
            first, last = ends(area[: last - 2], (LEFT, NUMBER))
            texts = texts[: last + 1]
        found += [*reversed(texts[last + 1 :]), *texts[first : last + 1], *reversed(texts[:first])]
    return found


def to_right(parts: Sequence[LinePart], number: re.Pattern[str]) -> list[str]:
    """The texts of parts, given from left to right, as a line from left to right is read."""
    found: list[str] = []
    for area in areas(parts, LEFT):
        first, last = ends(area, (RIGHT,))
        found += [each.text for each in area[:first]]
        found += to_left(area[first : last + 1], number)
        found += [each.text for each in area[last + 1 :]]
    return found


def areas(parts: Sequence[LinePart], kind: str) -> Iterator[list[LinePart]]:
    """Neighbours of this kind, and neighbours of all others, by turns."""
    area: list[LinePart] = []
    for each in parts:
        if area and (each.kind == kind) != (area[-1].kind == kind):
            yield area
            area = []
        area.append(each)
    if area:
        yield area


def ends(area: Sequence[LinePart], kinds: Sequence[str]) -> tuple[int, int]:
    """The indices of the first and the last part of these kinds; if there is none, of no part."""
    found = [at for at, each in enumerate(area) if each.kind in kinds]
    return (found[0], found[-1]) if found else (len(area), len(area) - 1)


def with_brackets(text: str) -> str:
    """The line with brackets that open before a word and close behind one; others by turns.

    PDFium mirrors those of words from right to left, as far as it knew which these were, and some
    programs write the one that is read, others the one that is seen.
    """
    signs = list(text)
    for pair in BRACKETS:
        places = [at for at, sign in enumerate(text) if sign in pair]
        for number, at in enumerate(places):
            closes = bool(text[max(0, at - 1) : at].strip())
            follows = text[at + 1 : at + 2].isalnum()
            if closes != follows:
                signs[at] = pair[closes]
            elif len(places) % 2 == 0:
                signs[at] = pair[number % 2]
    return "".join(signs)
