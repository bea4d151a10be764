"""Paragraphs of a text, and a text without some of them.

A paragraph ends at an empty line. A line of more than 200 characters is a paragraph of its own:
such texts have one line a paragraph, while shorter lines are verses, or a page's lines, and stay
together.
"""

from collections.abc import Collection, Sequence

import regex

LONG_LINE_CHARS = 200
LINE = regex.compile(r"[^\n]+")

Span = tuple[int, int]
"""First character, and the one after the last."""


def paragraphs(text: str) -> list[Span]:
    """Where the paragraphs of a text stand; blank lines belong to none."""
    found: list[Span] = []
    is_open = False
    end = 0
    for line in LINE.finditer(text):
        first, last = line.span()
        if line[0].isspace():
            is_open = False
            continue
        is_long = last - first > LONG_LINE_CHARS
        if is_open and not is_long and first == end + 1:
            found[-1] = (found[-1][0], last)
        else:
            found.append((first, last))
        is_open, end = not is_long, last
    return found


def without(text: str, spans: Sequence[Span], removed: Collection[int]) -> str:
    """The text without some of its paragraphs, by number; each goes with what follows it."""
    kept: list[str] = []
    start = 0
    for number, (first, _) in enumerate(spans):
        if number in removed:
            kept.append(text[start:first])
            start = spans[number + 1][0] if number + 1 < len(spans) else len(text)
    return "".join([*kept, text[start:]]).strip("\n")
