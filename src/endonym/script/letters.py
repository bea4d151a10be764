"""Letters with their signs, which no name and no text that is shown may cut in two."""

import regex

LETTER = regex.compile(r"(?:\X(?<=[\u1039\u17d2]))*\X")
"""A letter with its signs. Unicode before version 17 parts a subscript of Khmer from its letter."""
GAP = regex.compile(r"[\s\u200b]+")
"""What parts words."""
LONGEST_LETTER = 32
"""Characters that a letter with its signs may have."""


def beginning(text: str, chars: int) -> str:
    """At most so many characters of a text, and no part of a letter with its signs."""
    end = 0
    for letter in LETTER.finditer(text[: chars + LONGEST_LETTER]):
        if letter.end() > chars:
            break
        end = letter.end()
    return text[: end or chars]


def as_name(text: str, other: str, chars: int) -> str:
    """A text as a name: letters of every script with their signs, digits, `_`, `.` and `-`.

    other: what stands for each run of other characters. chars: the most.
    """
    return beginning(regex.sub(r"[^\w.-]+", other, text), chars)


def around(text: str, low: int, high: int) -> slice:
    """The part of a text from `low` to `high` with the whole words at both of its ends.

    Where nothing near them parts words, with the whole letters.
    """
    first = max(0, low - LONGEST_LETTER)
    last = min(len(text), high + LONGEST_LETTER)
    letters = [letter.end() for letter in LETTER.finditer(text, first, last)]
    begins = [gap.end() for gap in GAP.finditer(text, first, max(0, low))] or [0] * (first == 0)
    ends = [gap.start() for gap in GAP.finditer(text, high, last)] or [last] * (last == len(text))
    begin = max(begins or (end for end in letters if end <= low), default=first)
    return slice(begin, min(ends or (end for end in letters if end >= high), default=len(text)))
