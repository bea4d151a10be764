"""Letters with their signs, which no name and no text that is shown may cut in two."""

import regex

LETTER = regex.compile(r"(?:\X(?<=[\u1039\u17d2]))*\X")
"""A letter with its signs. Unicode before version 17 parts a subscript of Khmer from its letter."""
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
    """The part of a text from `low` to `high` with the whole letters at both of its ends."""
    first, last = max(0, low - LONGEST_LETTER), high + LONGEST_LETTER
    ends = [letter.end() for letter in LETTER.finditer(text, first, last)]
    begin = max((end for end in ends if end <= low), default=first)
    return slice(begin, min((end for end in ends if end >= high), default=len(text)))
