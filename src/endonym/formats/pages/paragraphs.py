"""Joins lines to paragraphs, within a page and from one page to the next.

A paragraph begins after a gap, with an indent, a bullet, letters of another size, or after a short
line that ends a sentence. Other short lines keep their ends: they are verse, addresses or code.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

import regex

from endonym.formats.pages.page import Line, Page
from endonym.script.scripts import SENTENCE_ENDS

HYPHEN = regex.compile(r"(?<=[\p{L}\p{M}])([-\u2010\u2011\u00ad\u00ac\ufffe\x02])\s*$")
SOFT = "\u00ad\u00ac\ufffe\x02"
"""Hyphens that stand only at line ends: soft ones, those of old prints, those that PDFium marks."""
LAST = regex.compile(r"[\p{L}\p{M}'’]+$")
FIRST = regex.compile(r"[\p{L}\p{M}'’]+")
WORD = regex.compile(r"[\p{L}\p{M}'’]+(?:[-\u2010\u2011][\p{L}\p{M}'’]+)*")
NO_BLANKS = r"[\p{Khmer}\p{Thai}\p{Lao}\p{Myanmar}\p{Han}\p{Hiragana}\p{Katakana}\p{Tibetan}]\p{M}*"
UNSPACED = (regex.compile(NO_BLANKS + "$"), regex.compile(NO_BLANKS))
MOST_WORDS = 500_000
TAIL_CHARS = 100
"""How much of two pieces of text is looked at where they meet."""


class Words:
    """The words of a document, by which a hyphen at a line end is judged."""

    def __init__(self) -> None:
        self.seen = set[str]()

    def learn(self, lines: Iterable[str]) -> None:
        """The words of some lines, without those that line ends may have cut."""
        for line in lines:
            found = WORD.findall(line.casefold())
            if len(self.seen) < MOST_WORDS:
                self.seen.update(found[1:-1])

    def joined(self, before: str, after: str) -> tuple[str, str]:
        """Two pieces of a text that a line end has parted, as they stand one after the other.

        A hyphen stays before a capital, and in a word that has one elsewhere in the document and is
        nowhere without it.
        """
        before = before.rstrip()
        after = after.lstrip()
        tail = before[-TAIL_CHARS:]
        head = after[:TAIL_CHARS]
        hyphen = HYPHEN.search(tail)
        if hyphen is None or not after[:1].isalpha():
            if UNSPACED[0].search(tail) and UNSPACED[1].match(head):
                return before, after
            return before, f" {after}"
        if hyphen[1] not in SOFT:
            last = LAST.search(tail[: hyphen.start()].casefold())
            first = FIRST.match(head.casefold())
            parts = (last[0], first[0]) if last and first else ("", "")
            has_hyphen = "-".join(parts) in self.seen and "".join(parts) not in self.seen
            if after[0].isupper() or has_hyphen:
                return before, after
        return before[: len(before) - len(tail) + hyphen.start()], after


GAP = 1.3
"""Of the usual distance of lines: a larger one parts paragraphs."""
MOST_PITCH = 2.2
"""Of the size of the letters: lines are not usually further apart."""
INDENT = 0.7
"""Of the size of the letters: a line that begins further right begins a paragraph."""
OTHER_SIZE = 0.12
"""Of the size of the letters: a larger difference parts a heading or a note from the text."""
SHORT = 0.9
VERY_SHORT = 0.7
"""Of the width of the lines around: a line that ends before."""
MOST_NOTES = 50
"""Paragraphs at the foot of a page that may be notes."""
BULLET = regex.compile(r"[•‣◦▪■●○·*–—-]\s|\(?(?:\p{Nd}{1,3}|\p{L})[.)]\s")
CLOSED = regex.compile(rf"[{SENTENCE_ENDS}:;][\p{{Pe}}\p{{Pf}}\"'»”’]*\s*$")


@dataclass(slots=True)
class Paragraph:
    """A paragraph that may go on. page: where it begins. size: of its letters, in points.

    last: its last line. parts: its lines, with what stands between them. They are joined once, as a
    page may have thousands.
    """

    page: int
    size: float
    parts: list[str]
    last: Line

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.parts)


@dataclass(slots=True)
class Rebuilt:
    """The paragraphs that begin on a page."""

    page: Page
    paragraphs: list[Paragraph] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text of the page, with what its last paragraph has on the next one."""
        return "\n\n".join(paragraph.text for paragraph in self.paragraphs)


def rebuilt(pages: Iterable[Page]) -> Iterator[Rebuilt]:
    """The paragraphs of each page; one that goes on over the page's end is whole on the first."""
    words = Words()
    # A page whose last paragraph may go on, and pages after it without a paragraph of their own.
    waiting = list[Rebuilt]()
    for page in pages:
        words.learn(line.text for line in page.lines)
        current = Rebuilt(page, paragraphs(page, words))
        if waiting:
            join_over_pages(waiting[0], current, words)
        if current.paragraphs:  # and not all of it belongs to a page before
            yield from waiting
            waiting.clear()
        waiting.append(current)
    yield from waiting


def paragraphs(page: Page, words: Words) -> list[Paragraph]:
    """The paragraphs of one page."""
    found: list[Paragraph] = []
    lines = [line for line in page.lines if line.text.strip()]
    pitch = usual_pitch(lines)
    for number, line in enumerate(lines):
        follows = lines[number + 1] if number + 1 < len(lines) else None
        if found and not begins(found[-1].last, line, follows, pitch, edges=column(lines, number)):
            add(found[-1], line, column(lines, number - 1), words)
        else:
            found.append(Paragraph(page.number, line.size, [line.text.strip()], line))
    return found


def usual_pitch(lines: Sequence[Line]) -> float:
    """The usual distance of the base lines of two neighbours; 0 if there are none."""
    steps = [a.bottom - b.bottom for a, b in pairwise(lines)]
    return median([step for step in steps if step > 0] or [0.0])


def column(lines: Sequence[Line], number: int) -> tuple[float, float]:
    """The left and right edges of the column that a line stands in, from the lines around it."""
    around = lines[max(0, number - 12) : number + 13]
    own = lines[number]
    beside = [each for each in around if each.left < own.right and own.left < each.right]
    beside.append(own)  # also if its box has no width
    return min(each.left for each in beside), max(each.right for each in beside)


def begins(
    last: Line, line: Line, follows: Line | None, pitch: float, *, edges: tuple[float, float]
) -> bool:
    """Whether a line begins a paragraph, after the line before it."""
    step = last.bottom - line.bottom
    size = max(line.size, 1.0)
    if abs(line.size - last.size) > OTHER_SIZE * max(line.size, last.size):
        return True
    if BULLET.match(line.text.lstrip()):
        return True
    if step < -size / 2:  # the next column
        return not goes_on(last.text, line.text)
    if step > GAP * min(pitch, MOST_PITCH * size):  # Where the pitch is 0, no step is above 0.
        return True
    left, right = edges
    is_indented = min(line.left - left, abs(last.left - line.left)) > INDENT * size
    if is_indented and (follows is None or line.left - follows.left > INDENT * size):
        return not HYPHEN.search(last.text[-TAIL_CHARS:])
    is_short = last.right < left + SHORT * (right - left)
    return is_short and CLOSED.search(last.text[-TAIL_CHARS:]) is not None


def goes_on(before: str, after: str) -> bool:
    """Whether a text that is cut in two goes on: it is not closed, and no capital follows."""
    before = before[-TAIL_CHARS:]
    if HYPHEN.search(before):
        return True
    return not CLOSED.search(before) and not after.lstrip()[:1].isupper()


def add(paragraph: Paragraph, line: Line, edges: tuple[float, float], words: Words) -> None:
    """Add a line to a paragraph."""
    left, right = edges
    is_short = paragraph.last.right < left + VERY_SHORT * (right - left)
    if is_short and not HYPHEN.search(paragraph.parts[-1][-TAIL_CHARS:]):
        paragraph.parts.append(f"\n{line.text.strip()}")
    else:
        paragraph.parts[-1:] = words.joined(paragraph.parts[-1], line.text.strip())
    paragraph.last = line


def join_over_pages(before: Rebuilt, after: Rebuilt, words: Words) -> None:
    """Join the first paragraph of a page to the last one of the page before, if that goes on.

    Notes at the foot of the page, in smaller letters, may stand between the two.
    """
    first = next(iter(after.paragraphs), None)
    if first is None:
        return
    least_size = first.size * (1 - OTHER_SIZE)
    from_the_end = before.paragraphs[: -MOST_NOTES - 1 : -1]
    last = next((each for each in from_the_end if each.size >= least_size), None)
    if last is None or last.size - first.size > OTHER_SIZE * first.size:
        return
    if not BULLET.match(first.parts[0]) and goes_on(last.parts[-1], first.parts[0]):
        last.parts[-1:] = [*words.joined(last.parts[-1], first.parts[0]), *first.parts[1:]]
        del after.paragraphs[0]
