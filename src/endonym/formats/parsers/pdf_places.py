"""Reads letters from right to left by their places on a page of a PDF.

PDFium turns words round, but not all: of those that Chromium draws, half come out letter by letter
in the wrong order. It tears lines at marks that stand higher, puts blanks within words, and leaves
out the signs that part letters without a gap (U+200C). Where letters stand is right; a mark may
stand beside its letter, and belongs to it where the page says so, as those of Chromium do.
"""

import ctypes
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pypdfium2.raw as pdfium

RIGHT_TO_LEFT = re.compile(
    "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
"""Blocks of scripts that are written from right to left."""
TOUCHING = 0.05
BLANK = 0.15
SPACED = 0.26
"""Of the size of letters: they touch with a smaller gap, and are two words with a larger one. In
Noto Naskh, Amiri and DejaVu letters of one word are at most 0.14 apart, and words at least 0.2. On
pages that have blanks of their own, those of Amiri with marks may be 0.25 apart."""
NEAR = 64
"""How many characters before a mark are searched for its letter."""
SAME_LINE = 0.1
"""Of the size of letters: pieces of a line stand at heights that differ by less."""
MOST_BETWEEN = 0.5
"""Of the size of letters: pieces of a line are nearer to each other."""
MOST_OBJECTS = 50_000
SAID_BYTES = 32
NON_JOINER = "\u200c"

Box = tuple[float, float, float, float]
"""Left, bottom, right and top, in points."""


class Sign(NamedTuple):
    """A character, its box, and the number of its object on the page, if that is known."""

    text: str
    box: Box
    drawn: int = 0


class Piece(NamedTuple):
    """A line with letters from right to left, or a piece of one, in PDFium's order.

    base: the height of its base line, and the size of its letters, in points.
    """

    signs: list[Sign]
    hyphen: str
    base: float
    size: float

    @property
    def sides(self) -> tuple[float, float]:
        """Its left and its right side, in points."""
        return min(each.box[0] for each in self.signs), max(each.box[2] for each in self.signs)

    def goes_on(self, other: "Piece") -> bool:
        """Whether another piece belongs to the same line: as high, and beside this one.

        One that is only marks may stand higher or lower, and above or below this one.
        """
        (left, right), (begin, end) = self.sides, other.sides
        gap = max(begin - right, left - end)
        height = abs(self.base - other.base)
        if all(is_mark(each.text) or each.text == " " for each in other.signs):
            return gap < MOST_BETWEEN * self.size and height < MOST_BETWEEN * self.size
        return -self.size < gap < MOST_BETWEEN * self.size and height < SAME_LINE * self.size


def in_places(piece: Piece, unseen: Sequence[Sign]) -> list[Sign]:
    """The characters of a line as they stand on paper, from right to left.

    Of PDFium's blanks those with a width stay; others are where letters are apart. unseen: what
    stands on the page and not in PDFium's text. If there are blanks in it, most are.
    """
    (left, right), size = piece.sides, piece.size
    apart = SPACED if any(each.text == " " for each in unseen) else BLANK
    signs = [each for each in piece.signs if each.text != " " or each.box[0] < each.box[2]]
    for each in unseen:
        x, base, *_ = each.box
        if abs(base - piece.base) < SAME_LINE * size and left <= x <= right:
            signs.append(each)

    def place(sign: Sign) -> tuple[float, ...]:
        # What has no width stands at the left side of the letter before it; an alef may be drawn
        # at the place of its lam, before it.
        left, _, right, _ = sign.box
        return (TOUCHING * size if sign.text == NON_JOINER else 0.0) - left, -sign.drawn, -right

    line = list[Sign]()
    end = None
    for sign in with_marks(sorted(signs, key=place), size):
        left, _, right, top = sign.box
        is_blank = bool(line) and line[-1].text == " "
        if is_mark(sign.text) or sign.text == NON_JOINER:
            end = left if end is None else min(end, left)
        elif sign.text == " " and is_blank:
            continue
        else:
            if end is not None and end - right > apart * size and not is_blank and sign.text != " ":
                line.append(Sign(" ", (right, piece.base, end, top)))
            end = left
        line.append(sign)
    return line


Spans = dict[int, tuple[int, list[Sign]]]


class Said(NamedTuple):
    """What a page says that its objects stand for.

    spans: for each object of a stretch of several characters, by its address, the address of the
    stretch and its characters with their common box. drawn: the number of each object, by its
    address. unseen: blanks and U+200C, which PDFium leaves out of its text or puts elsewhere; they
    begin where their boxes do.
    """

    spans: Spans
    drawn: dict[int, int]
    unseen: list[Sign]


def said(page: Any) -> Said:
    """What the objects of a page stand for, if it says that: pages of Chromium do.

    It draws U+200C as a blank without a width, and says so but where `unsaid` was. A letter and its
    mark are two objects, and PDFium gives both characters for the first of them, or for each.
    """
    blanks = list[Sign]()
    joiners = list[Sign]()
    is_said = False
    starts = set[tuple[float, ...]]()  # of objects with ink
    texts = dict[int, str]()
    boxes = dict[int, list[Box]]()
    stretches = dict[int, int]()  # of objects, as `drawn`
    drawn = dict[int, int]()
    for number, thing in text_objects(page):
        drawn[address_of(thing)] = number
        box, ink = place_of_object(thing)
        if ink:
            starts.add(box[:2])
        text, stretch = max(
            ((actual_text(each), address_of(each)) for each in marks_of(thing)), default=("", 0)
        )
        is_said = is_said or bool(text)
        if text == NON_JOINER:
            joiners.append(Sign(text, box, number))
        elif not text and not ink:
            blanks.append(Sign(" ", box, number))
        elif len(text) > 1:
            texts[stretch] = text
            stretches[address_of(thing)] = stretch
            boxes.setdefault(stretch, []).append(box)
    joiners += [each._replace(text=NON_JOINER) for each in blanks if each.box[:2] in starts]
    blanks = [each for each in blanks if each.box[:2] not in starts]
    signs = dict[int, list[Sign]]()
    last = {stretch: drawn[thing] for thing, stretch in stretches.items()}
    for stretch, found in boxes.items():
        # Chromium draws from the left: marks come before their letter if it is read to the left.
        left, base, *_ = found[-1 if RIGHT_TO_LEFT.match(texts[stretch]) else 0]
        box = left, base, max(each[2] for each in found), max(each[3] for each in found)
        signs[stretch] = [Sign(each, box, last[stretch]) for each in texts[stretch]]
    spans = {thing: (stretch, signs[stretch]) for thing, stretch in stretches.items()}
    return Said(spans, drawn, blanks + joiners) if is_said else Said({}, {}, [])


def unsaid(page: Any) -> bool:
    """Whether lines of a page say wrong letters, which they say no more then.

    Chromium says of all letters of some lines what those beside them stand for, so that a glyph
    with ink is said to be a blank. What the font says of the glyphs is right.
    """
    lines = list[tuple[float, Any, Any, bool]]()
    for _, thing in text_objects(page):
        (_, base, *_), ink = place_of_object(thing)
        for mark in marks_of(thing):
            if text := actual_text(mark):
                lines.append((base, thing, mark, ink > 0 and text == " "))
    wrong = {base for base, *_, is_wrong in lines if is_wrong}
    for base, thing, mark, _ in lines:
        if base in wrong:
            pdfium.FPDFPageObj_RemoveMark(thing, mark)
    return bool(wrong)


def text_objects(page: Any) -> Iterator[tuple[int, Any]]:
    """The objects of a page that are text, with their numbers."""
    for number in range(min(MOST_OBJECTS, pdfium.FPDFPage_CountObjects(page.raw))):
        thing = pdfium.FPDFPage_GetObject(page.raw, number)
        if pdfium.FPDFPageObj_GetType(thing) == pdfium.FPDF_PAGEOBJ_TEXT:
            yield number, thing


def marks_of(thing: Any) -> list[Any]:
    """The marks of an object, such as what its stretch of the page stands for."""
    count = pdfium.FPDFPageObj_CountMarks(thing)
    return [pdfium.FPDFPageObj_GetMark(thing, each) for each in range(count)]


def actual_text(mark: Any) -> str:
    """What a stretch of a page stands for; nothing if it does not say that, or if it is long."""
    said = (ctypes.c_ubyte * SAID_BYTES)()
    size = ctypes.c_ulong()
    blob = pdfium.FPDFPageObjMark_GetParamBlobValue
    if not blob(mark, b"ActualText", said, SAID_BYTES, size) or size.value > SAID_BYTES:
        return ""
    text = bytes(said[: size.value])
    is_ascii = not text.startswith(b"\xfe\xff")
    return text.decode("ascii", "ignore") if is_ascii else text[2:].decode("utf-16-be", "ignore")


def place_of_object(thing: Any) -> tuple[Box, float]:
    """The box of an object that is text, and how wide its ink is, in points.

    Its left and its bottom are where its first letter is put.
    """
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    pdfium.FPDFPageObj_GetBounds(thing, left, bottom, right, top)
    matrix = pdfium.FS_MATRIX()
    pdfium.FPDFPageObj_GetMatrix(thing, matrix)
    return (matrix.e, matrix.f, right.value, top.value), right.value - left.value


def address_of(thing: Any) -> int:
    """Where something of PDFium lies in memory: the same for each pointer to it."""
    return ctypes.addressof(thing.contents)


def with_marks(signs: Sequence[Sign], size: float) -> list[Sign]:
    """The characters of a line with each mark behind its letter. size: of its letters, in points.

    PDFium sorts by their places what was drawn one by one, before it turns words round: a mark may
    come before the letter on which it stands, and a blank that nobody wrote before the mark.
    """
    line = list[Sign]()
    marks = list[Sign]()
    for sign in signs:
        if is_mark(sign.text):
            marks.append(sign)
            continue
        own = list[Sign]()
        for mark in marks:
            place = place_of(mark, line)
            if place is None and (own or stands_on(mark, sign)):
                own.append(mark)
            else:
                line.insert(len(line) if place is None else place, mark)
        if own and is_unwritten_blank(line, sign, size):
            line.pop()
        line += [sign, *own]
        marks = []
    for mark in marks:
        place = place_of(mark, line)
        line.insert(len(line) if place is None else place, mark)
    return line


def place_of(mark: Sign, before: Sequence[Sign]) -> int | None:
    """The index behind the letter on which a mark stands; None if none of `before` is it."""
    for at in range(len(before) - 1, max(-1, len(before) - 1 - NEAR), -1):
        if stands_on(mark, before[at]):
            ends = (end for end in range(at + 1, len(before)) if not is_mark(before[end].text))
            return next(ends, len(before))
    return None


def is_unwritten_blank(before: Sequence[Sign], letter: Sign, size: float) -> bool:
    """Whether the last sign is a blank between two letters that touch, from right to left."""
    if len(before) < 2 or before[-1].text != " ":
        return False
    letters = (each for each in reversed(before[:-1]) if not is_mark(each.text))
    last = next(letters, letter)
    gap = last.box[0] - letter.box[2]
    return bool(RIGHT_TO_LEFT.match(last.text)) and abs(gap) < TOUCHING * size


def is_mark(sign: str) -> bool:
    """Whether it stands on a letter."""
    return unicodedata.bidirectional(sign) == "NSM"


def stands_on(mark: Sign, letter: Sign) -> bool:
    """Whether the middle of a mark is above or below a letter, and not one of another direction."""
    middle = (mark.box[0] + mark.box[2]) / 2
    is_letter = RIGHT_TO_LEFT.match(letter.text) or (
        letter.text.isalpha() and not RIGHT_TO_LEFT.match(mark.text)
    )
    return letter.box[0] <= middle <= letter.box[2] and bool(is_letter)
