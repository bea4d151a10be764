"""Finds what stands at the edge of every page: running heads and feet, page numbers.

A line in the first or last rows of a page is one if the same line, numbers aside, stands at about
the same height on some of the pages around it. Pages are looked at in a window, so that a long book
does not have to be in memory.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

import regex

from endonym.text.layout.page import Line, Page

NEAR = 8
"""Pages before and after that are compared with a page."""
LEAST_PAGES = 3
"""On so many of them a line must stand, too; on all of them if there are fewer."""
ROWS = 2
"""Rows at the top and at the bottom of a page that may be such lines."""
LEAST_COMMON = 8
"""Signs that two running heads begin with, if not all of them are the same."""
SAME_HEIGHT = 0.02
"""Of the page's height: lines this near are in one row, or at the same place."""
LEVEL = 0.003
"""Of the page's height: what is printed at one height."""

ONLY_NUMBER = regex.compile(r"[\W_]*(\p{Nd}{1,5})[\W_]*")
DIGITS = regex.compile(r"(?<!\p{Nd})\p{Nd}{1,5}(?!\p{Nd})")
NUMBER = regex.compile(r"\p{Nd}+|\b[ivxlc]{1,7}\b")

Mark = tuple[str, bool, float]
"""A line without its numbers, whether it is at the top, and its height."""


def without_margins(pages: Iterable[Page]) -> Iterator[Page]:
    """The same pages without running heads, feet and page numbers."""
    window: deque[tuple[Page, dict[int, Mark]]] = deque()
    at = 0  # the place in the window of the page that is judged
    for page in pages:
        window.append((page, marks(page)))
        if len(window) - at > NEAR:
            yield judged(window, at)
            at += 1
        if at > NEAR:
            window.popleft()
            at -= 1
    while at < len(window):
        yield judged(window, at)
        at += 1
        if at > NEAR:
            window.popleft()
            at -= 1


def judged(window: "deque[tuple[Page, dict[int, Mark]]]", at: int) -> Page:
    """The page at this place of the window, without what its neighbours have, too."""
    page, own = window[at]
    others = [
        (near, found)
        for number, (near, found) in enumerate(window)
        if number != at and abs(number - at) <= NEAR
    ]
    least = min(LEAST_PAGES, len(others))
    if least < 2:
        return page
    shifts = [shift for near, found in others for shift in numbers(near, found)]
    gone = {
        number
        for number, mark in own.items()
        if sum(any(is_same(mark, other) for other in each.values()) for _, each in others) >= least
        or is_page_number(page, page.lines[number].text, shifts)
    }
    return replace(page, lines=[line for n, line in enumerate(page.lines) if n not in gone])


def is_page_number(page: Page, text: str, shifts: list[int]) -> bool:
    """Whether a line is nothing but a number, by which the pages around are counted, too."""
    found = ONLY_NUMBER.fullmatch(text)
    return found is not None and shifts.count(int(found[1]) - page.number) >= LEAST_PAGES


def numbers(page: Page, found: dict[int, Mark]) -> set[int]:
    """How far the numbers at the edges of a page are from its place in the file."""
    texts = (page.lines[number].text for number in found)
    return {int(each) - page.number for text in texts for each in DIGITS.findall(text)}


def marks(page: Page) -> dict[int, Mark]:
    """The lines in the first and last rows of a page, by their numbers."""
    heights = rows([line.bottom for line in page.lines], page.height * SAME_HEIGHT)
    top, bottom = heights[-ROWS:], heights[:ROWS]
    found: dict[int, Mark] = {}
    for number, line in enumerate(page.lines):
        near = page.height * SAME_HEIGHT
        is_top = any(abs(line.bottom - each) <= near for each in top)
        if is_top or any(abs(line.bottom - each) <= near for each in bottom):
            found[number] = (skeleton(line), is_top, line.bottom / max(1.0, page.height))
    return found


def rows(heights: list[float], near: float) -> list[float]:
    """Different heights, the lowest first."""
    found: list[float] = []
    for each in sorted(heights):
        if not found or each - found[-1] > near:
            found.append(each)
    return found


def skeleton(line: Line) -> str:
    """A line without its numbers and blanks."""
    return "".join(NUMBER.sub("#", line.text.casefold()).split())


def is_same(one: Mark, other: Mark) -> bool:
    """Whether two lines are one running head: alike, or with the same beginning (the chapter)."""
    if one[1] != other[1] or abs(one[2] - other[2]) > SAME_HEIGHT:
        return False
    if one[0] == other[0]:
        return True
    if one[0][:LEAST_COMMON] != other[0][:LEAST_COMMON]:
        return False
    half = min(len(one[0]), len(other[0])) // 2
    is_level = abs(one[2] - other[2]) <= LEVEL
    return len(one[0]) >= LEAST_COMMON and (is_level or one[0][:half] == other[0][:half])
