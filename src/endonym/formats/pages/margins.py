"""Finds what stands at the edge of every page: running heads and feet, page numbers.

A line in the first or last rows of a page is one if the same line, numbers aside, stands at about
the same height on some of the pages around it. A line that only begins as they do is one if it
stands apart from the text, or differs little. What also begins lines in the middle of pages, such
as the name of a speaker, is text. Pages are looked at in a window, so that a long book does not
have to be in memory.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, pairwise, repeat
from statistics import median
from typing import NamedTuple

import regex

from endonym.formats.pages.page import Line, Page

NEAR = 8
"""Pages before and after that are compared with a page."""
LEAST_PAGES = 3
"""On so many of them a line must stand, too; on all of them if there are fewer."""
ROWS = 2
"""Rows at the top and at the bottom of a page that may be such lines."""
MOST_MARKS = 40
MOST_CHARS = 300
"""Lines in those rows that are looked at, and characters of each; a table may have thousands."""
LEAST_COMMON = 8
"""Signs that two running heads begin with, if not all of them are the same."""
LITTLE = 0.25
"""Of a line: so much may differ if it does not stand apart."""
SAME_HEIGHT = 0.02
"""Of the page's height: lines this near may be at the same place."""
SAME_ROW = 0.5
"""Of the usual distance of rows: lines this near are in one row."""
APART = 1.5
"""Of the usual distance of rows: what is so far from the text is no part of it."""
LEVEL = 0.003
"""Of the page's height: what is printed at one height."""
RUNNING_LINES = "running_lines"
"""In the notes of a page: how many lines were taken out."""

ONLY_NUMBER = regex.compile(r"[\W_]*(\p{Nd}{1,5})[\W_]*")
DIGITS = regex.compile(r"(?<!\p{Nd})\p{Nd}{1,5}(?!\p{Nd})")
NUMBER = regex.compile(r"\p{Nd}+|\b[ivxlc]{1,7}\b")


class Mark(NamedTuple):
    """A line at the edge of a page: its text without numbers, its height from 0 to 1.

    near: how far from it another line may be at its place. is_apart: there is a gap between it and
    the text.
    """

    text: str
    is_top: bool
    height: float
    near: float
    is_apart: bool


class Seen(NamedTuple):
    """A page, the lines at its edges by their numbers, and how the others begin."""

    page: Page
    marks: dict[int, Mark]
    middle: Counter[str]


def seen(page: Page) -> Seen:
    """A page with the lines at its edges, and how its other lines begin."""
    at_edges = marks(page)
    inner = (skeleton(line) for n, line in enumerate(page.lines) if n not in at_edges)
    return Seen(page, at_edges, Counter(each[:LEAST_COMMON] for each in inner))


def without_margins(pages: Iterable[Page]) -> Iterator[Page]:
    """The same pages without running heads, feet and page numbers."""
    window = deque[Seen | None](maxlen=2 * NEAR + 1)
    for each in chain(repeat(None, NEAR), map(seen, pages), repeat(None, NEAR)):
        window.append(each)
        if len(window) > 2 * NEAR and (middle := window[NEAR]) is not None:
            yield judged(middle, [near for near in window if near is not None])


def judged(own: Seen, near: Sequence[Seen]) -> Page:
    """A page without what its neighbours have, too. near: the neighbours, and the page itself.

    That is a line which stands on so many of them, and does not open lines of the text, or nothing
    but a number by which they are counted, too.
    """
    page = own.page
    others = [each for each in near if each is not own]
    least = min(LEAST_PAGES, len(others))
    if least < 2:
        return page
    shifts = Counter(shift for each in others for shift in page_shifts(each))
    removed: set[int] = set()  # numbers of lines
    for number, mark in own.marks.items():
        text = page.lines[number].text[: MOST_CHARS + 1]
        is_of_text = sum(each.middle[mark.text[:LEAST_COMMON]] for each in near) >= LEAST_PAGES
        is_alike = (
            any(is_same(mark, other, whole=is_of_text) for other in each.marks.values())
            for each in others
        )
        alone = ONLY_NUMBER.fullmatch(text) if len(text) <= MOST_CHARS else None
        is_page_number = alone and shifts[int(alone[1]) - page.number] >= LEAST_PAGES
        if is_page_number or ((mark.is_apart or not is_of_text) and sum(is_alike) >= least):
            removed.add(number)
    if not removed:
        return page
    left = [line for n, line in enumerate(page.lines) if n not in removed]
    return replace(page, lines=left, meta=page.meta | {RUNNING_LINES: str(len(removed))})


def page_shifts(seen: Seen) -> set[int]:
    """Each number at the edges of a page less the number of the page in its file."""
    texts = (seen.page.lines[number].text[:MOST_CHARS] for number in seen.marks)
    return {int(each) - seen.page.number for text in texts for each in DIGITS.findall(text)}


def marks(page: Page) -> dict[int, Mark]:
    """The lines in the first and last rows of a page, by their numbers."""
    height = max(1.0, page.height)
    most = page.height * SAME_HEIGHT
    pitch = usual_pitch(page)
    near = min(most, pitch * SAME_ROW) if pitch else most
    heights = rows([line.bottom for line in page.lines], near)
    top = heights[-ROWS:]
    bottom = heights[:ROWS]
    found: dict[int, Mark] = {}
    for number, line in enumerate(page.lines):
        own_height = line.bottom
        is_top = any(abs(own_height - each) <= near for each in top)
        if not is_top and not any(abs(own_height - each) <= near for each in bottom):
            continue
        if len(found) == MOST_MARKS:
            break
        if is_top:
            inward = [each for each in heights[: -ROWS - 2 : -1] if each < own_height]
        else:
            inward = [each for each in heights[: ROWS + 1] if each > own_height]
        gaps = [abs(a - b) for a, b in pairwise([own_height, *inward])]
        is_apart = pitch > 0 and max(gaps, default=0.0) > APART * pitch
        within = most if is_apart else near
        found[number] = Mark(
            skeleton(line), is_top, own_height / height, near=within / height, is_apart=is_apart
        )
    return found


def usual_pitch(page: Page) -> float:
    """The usual distance of the rows of a page; 0 if it has fewer than three."""
    heights = rows([line.bottom for line in page.lines], page.height * LEVEL)
    steps = [b - a for a, b in pairwise(heights)]
    return median(steps) if len(steps) > 1 else 0.0


def rows(heights: list[float], near: float) -> list[float]:
    """The heights of the rows, the lowest first. near: lines this near are in one row."""
    found: list[float] = []
    for height in sorted(heights):
        if not found or height - found[-1] > near:
            found.append(height)
    return found


def skeleton(line: Line) -> str:
    """A line without its numbers and blanks."""
    return "".join(NUMBER.sub("#", line.text.casefold()).split())


def is_same(one: Mark, other: Mark, *, whole: bool) -> bool:
    """Whether two lines are one running head: alike, or with the same beginning (the chapter).

    whole: only if they are alike as a whole.
    """
    away = abs(one.height - other.height)
    if one.is_top != other.is_top or away > min(one.near, other.near):
        return False
    if one.text == other.text:
        return True
    unlike = (n for n, (a, b) in enumerate(zip(one.text, other.text, strict=False)) if a != b)
    common = next(unlike, min(len(one.text), len(other.text)))
    if whole or common < LEAST_COMMON:
        return False
    if one.is_apart and other.is_apart:
        return away <= LEVEL or common >= min(len(one.text), len(other.text)) // 2
    return common >= (1 - LITTLE) * max(len(one.text), len(other.text))
