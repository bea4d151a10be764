"""The lines of a PDF's page, as PDFium finds them, with their boxes.

PDFium writes many lines from right to left in logical order, and many not: those that mix both
directions, those of Chromium, those with marks. They are read by their places on the page
(pdf_places.py, pdf_order.py). PDFium numbers characters, and some of them are not in its text; a
character beyond U+FFFF has two numbers.
"""

import ctypes
import math
import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import pypdfium2.raw as pdfium
import regex

from endonym.formats.parsers.pdf_order import in_order
from endonym.formats.parsers.pdf_places import (
    RIGHT_TO_LEFT,
    Box,
    Piece,
    Said,
    Sign,
    address_of,
    in_places,
    is_mark,
    said,
    unsaid,
)
from endonym.script.scripts import is_right_to_left

TURNED = regex.compile(r"\p{Mn}+|.", regex.DOTALL)
"""What PDFium turns round: letters and other signs, and marks that follow each other as one."""
LINE_END = re.compile("\r\n|[\r\n\ufffe]")
HYPHEN = "\ufffe"
"""PDFium writes it for a hyphen at a line end, and no line end; also for a glyph without a
character."""
DOWNWARD = 3
"""The quarter of lines that are read from top to bottom."""
UNKNOWN = "\ufffd"
PRESENTATION = (range(0xFB1D, 0xFE00), range(0xFE70, 0xFEFD))
"""Blocks of Hebrew and Arabic ligatures that are one character each."""


class Turned(NamedTuple):
    """A line as it stands on its page: how many quarters it is turned to the left, its box, and the
    size of its letters, in points."""

    text: str
    quarter: int
    box: Box
    size: float


def page_lines(page: Any, drawn: Any = None) -> Iterator[Turned]:
    """The lines of a page, in the order of the file. drawn: the page of this text, if it is known.

    PDFium tears lines from right to left at marks above letters; here they are whole.
    """
    whole, numbers = page_letters(page)
    if drawn is not None and RIGHT_TO_LEFT.search(whole) and unsaid(drawn):
        page = drawn.get_textpage()
        whole, numbers = page_letters(page)
    is_to_left = is_right_to_left(whole)
    # PDFium's objects of a page without such letters need not be looked at.
    says = said(drawn) if drawn is not None and RIGHT_TO_LEFT.search(whole) else Said({}, {}, [])
    at = 0
    torn = None
    while at < len(whole):
        end = LINE_END.search(whole, at)
        stop, after = (end.start(), end.end()) if end else (len(whole), len(whole))
        if line := whole[at:stop].strip():
            first = whole.index(line, at)
            signs = numbers[first : first + len(line)]
            hyphen = "-" if end is not None and end[0] == HYPHEN else ""
            # A full stop alone may be torn from its line.
            is_piece = bool(RIGHT_TO_LEFT.search(line)) or (
                is_to_left and not any(map(str.isalnum, line))
            )
            found = placed(page, line, signs, hyphen=hyphen, says=says if is_piece else None)
            if torn is not None and isinstance(found, Piece) and torn.goes_on(found):
                torn = Piece([*torn.signs, *found.signs], found.hyphen, torn.base, torn.size)
            else:
                if torn is not None:
                    yield to_left(torn, says.unseen, is_to_left=is_to_left)
                torn = found if isinstance(found, Piece) else None
                if isinstance(found, Turned):
                    yield found
        at = after
    if torn is not None:
        yield to_left(torn, says.unseen, is_to_left=is_to_left)


def to_left(piece: Piece, unseen: Sequence[Sign], *, is_to_left: bool) -> Turned:
    """A line with letters from right to left. is_to_left: whether most of its page is."""
    signs = in_places(piece, unseen)
    size = piece.size
    text = "".join(each.text for each in signs)
    sides = [(each.box[0], each.box[2]) for each in signs]
    text = in_order(text, sides, is_to_left=is_to_left or is_right_to_left(text))
    left = min(each.box[0] for each in signs)
    right = max(each.box[2] for each in signs)
    box = left, piece.base, right, max(each.box[3] for each in signs)
    return Turned(text + piece.hyphen, 0, box, size)


def page_letters(page: Any) -> tuple[str, Sequence[int]]:
    """The text of a page, and the number of each of its characters among those of PDFium.

    Glyphs without a character are U+FFFD in it.
    """
    whole = page.get_text_range()
    count = pdfium.FPDFText_CountChars(page.raw)
    units = len(whole) + sum(sign > "\uffff" for sign in whole)
    numbers: Sequence[int] = range(count)
    if units != count:
        index = pdfium.FPDFText_GetTextIndexFromCharIndex
        numbers = array("q", (number for number in numbers if index(page.raw, number) >= 0))
        # Should the two ever differ, a box is wrong, and the text is not.
        numbers.extend([max(0, count - 1)] * (units - len(numbers)))
    if units != len(whole):
        numbers = array("q", of_signs(whole, numbers))
    if HYPHEN in whole:
        signs = list(whole)
        for at, sign in enumerate(signs):
            if sign == HYPHEN and pdfium.FPDFText_IsHyphen(page.raw, numbers[at]) != 1:
                signs[at] = UNKNOWN
        whole = "".join(signs)
    return whole, numbers


def placed(
    page: Any, text: str, signs: Sequence[int], *, hyphen: str, says: Said | None
) -> Turned | Piece:
    """A line of these characters with its box; a piece if it has `says`, that of its page.

    The box of a line to the right is found from its first and its last character, that of a turned
    one from all.
    """
    x = ctypes.c_double()
    y = ctypes.c_double()
    matrix = pdfium.FS_MATRIX()
    first = next((n for n, sign in enumerate(text) if not is_mark(sign) and sign != " "), 0)
    pdfium.FPDFText_GetCharOrigin(page.raw, signs[first], x, y)
    pdfium.FPDFText_GetMatrix(page.raw, signs[first], matrix)
    scale = math.sqrt(abs(matrix.a * matrix.d - matrix.b * matrix.c)) or 1.0
    size = pdfium.FPDFText_GetFontSize(page.raw, signs[first]) * scale
    quarter = round(math.atan2(matrix.b, matrix.a) / (math.pi / 2)) % 4
    if quarter == 0 and says is None:
        _, _, right, top = loose_box(page, signs[-1])
        if right >= x.value and top >= y.value:
            return Turned(text + hyphen, 0, (x.value, y.value, right, top), size)
    boxes = [loose_box(page, sign) for sign in signs]
    text = with_ligatures(page, text, signs, boxes)
    if quarter == 0 and says is not None:
        drawn = in_boxes(page, [*map(Sign, text, boxes)], signs, says)
        bases = (each.box[1] for each in drawn if not is_mark(each.text) and each.text != " ")
        return Piece(drawn, hyphen, next(bases, y.value), size)
    left = min(box[0] for box in boxes)
    bottom = min(box[1] for box in boxes)
    right = max(box[2] for box in boxes)
    top = max(box[3] for box in boxes)
    # The base line is where the letters stand, and not where their tails end. It is at the bottom
    # of a line that is not turned, then at its right, at its top, at its left.
    sides = [left, bottom, right, top]
    if quarter % 2:
        sides[quarter - 3] = min(max(left, x.value), right)
    else:
        sides[quarter + 1] = min(max(bottom, y.value), top)
    left, bottom, right, top = sides
    return Turned(text + hyphen, quarter, (left, bottom, right, top), size)


def with_ligatures(page: Any, text: str, signs: Sequence[int], boxes: Sequence[Box]) -> str:
    """The line with the letters of each glyph in the order in which they are read.

    A font says of the glyph of a ligature that it is lam and alef. PDFium turns them round with the
    other letters of a word from right to left. It does not where the font names a character such as
    U+FEFB, which PDFium itself takes apart. What could be either is taken for the former.
    """
    # Letters of one glyph have one box; begin: the first one of the current glyph.
    found = list(text)
    begin = 0
    for at in range(1, len(text) + 1):
        is_same = at < len(text) and boxes[at - 1] == boxes[at]
        # A mark may be as wide as its letter and stand at its place, but it has another outline.
        if (
            is_same
            and boxes[at][0] < boxes[at][2]
            and page.get_charbox(signs[at - 1]) == page.get_charbox(signs[at])
        ):
            continue  # drawn as one glyph
        run = text[begin:at]
        if len(run) > 1 and is_turned(run):
            found[begin:at] = "".join(reversed(TURNED.findall(run)))
        begin = at
    return "".join(found)


def is_turned(run: str) -> bool:
    """Whether PDFium turned the characters of one glyph round; it turns none beyond U+FFFF."""
    ways = set(map(unicodedata.bidirectional, run))
    if not ways & {"R", "AL"} or not ways <= {"R", "AL", "NSM", "BN"} or max(run) > "\uffff":
        return False
    return run not in ligatures() or run[::-1] in ligatures()


@cache
def ligatures() -> frozenset[str]:
    """What the ligatures that are one character are taken apart into."""
    whole = (unicodedata.normalize("NFKC", chr(each)) for block in PRESENTATION for each in block)
    return frozenset(each for each in whole if len(each) > 1)


def of_signs(text: str, units: Sequence[int]) -> Iterator[int]:
    """The number of the first UTF-16 unit of each character. units: the numbers of all units."""
    at = 0
    for sign in text:
        yield units[at]
        at += 1 + (sign > "\uffff")


def in_boxes(page: Any, signs: Sequence[Sign], numbers: Sequence[int], says: Said) -> list[Sign]:
    """Letters with boxes that begin where the letters are put, also if their ink begins later.

    A stretch whose characters the page says has them once, in one box.
    """
    found = list[Sign]()
    seen = set[int]()
    x = ctypes.c_double()
    y = ctypes.c_double()
    for sign, number in zip(signs, numbers, strict=True):
        thing = pdfium.FPDFText_GetTextObject(page.raw, number) if says.drawn else None
        address = address_of(thing) if thing else 0
        span = says.spans.get(address)
        if span is None:
            pdfium.FPDFText_GetCharOrigin(page.raw, number, x, y)
            box = sign.box if is_mark(sign.text) else (x.value, y.value, *sign.box[2:])
            found.append(Sign(sign.text, box, says.drawn.get(address, 0)))
        elif span[0] not in seen:
            seen.add(span[0])
            found += span[1]
    return found


def loose_box(page: Any, number: int) -> Box:
    """The box of a character, as high as its font."""
    found = pdfium.FS_RECTF()
    pdfium.FPDFText_GetLooseCharBox(page.raw, number, found)
    left, right = sorted((found.left, found.right))
    bottom, top = sorted((found.bottom, found.top))
    return left, bottom, right, top


def upright(
    lines: Sequence[Turned], width: float, height: float
) -> tuple[float, list[tuple[str, tuple[float, ...]]]]:
    """The height of a page and its lines with their boxes, once it is turned to be read.

    A box: left, bottom, right, top, size of letters, in points. It is turned as most
    text is. Where most of that is written from right to left, the page is seen in a mirror, so that
    lines begin at the left of their boxes.
    """
    letters = Counter[int]()
    for line in lines:
        letters[line.quarter] += len(line.text)
    quarter = max(letters, key=lambda each: (letters[each], -each), default=0)
    wide, high = (height, width) if quarter % 2 else (width, height)
    is_mirrored = is_right_to_left("".join(line.text for line in lines))
    found: list[tuple[str, tuple[float, ...]]] = []
    for line in lines:
        left, bottom, right, top = turned_back(line.box, quarter, width, height)
        if is_mirrored:
            left, right = wide - right, wide - left
        found.append((line.text, (left, bottom, right, top, line.size)))
    # PDFium sorts lines that stand upright from left to right, whichever way they are turned.
    bottoms = [bottom for _, (_, bottom, *_) in found]
    rises = sum(1 if after > before else -1 for before, after in pairwise(bottoms))
    return high, found[::-1] if quarter == DOWNWARD and rises > 0 else found


def turned_back(box: Box, quarter: int, width: float, height: float) -> Box:
    """A box on a page that is turned to the right by so many quarters."""
    for _ in range(quarter):
        left, bottom, right, top = box
        box = bottom, width - right, top, width - left
        width, height = height, width
    return box
