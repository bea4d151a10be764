"""What a rule of cleaning changed, so that a person can see it: letters marked and named."""

import difflib
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import regex

from endonym.script.letters import LETTER

PART = regex.compile(r".*[^\p{C}\p{Z}]|.", regex.DOTALL)
"""A letter without signs at its end that nobody can see, or one such sign."""
MOST_NAMED = 4
"""Characters that are named beside a change."""

Piece = tuple[str, bool]
"""A part of a text, and whether it was changed."""


class Side(NamedTuple):
    """A text before or after a change. names: of its characters, where one cannot see them."""

    pieces: list[Piece]
    names: str


def sides_of(before: str, after: str) -> tuple[Side, Side]:
    """A text before and after a change, in whole letters with their signs.

    Both are windows on longer texts, so that what differs at their very end is no change.
    """
    steps = _steps(before, after)
    was, becomes = (
        [(parts[side], is_changed) for parts, is_changed in steps if parts[side]] for side in (0, 1)
    )
    return Side(_seen(was), _names(was, becomes)), Side(_seen(becomes), _names(becomes, was))


def kind_of(before: str, after: str) -> tuple[str, str]:
    """The characters that go and those that come where a text is first changed; sorted.

    Of characters that only change places, the categories of the first ones.
    """
    changed = (parts for parts, is_changed in _steps(before, after) if is_changed)
    old, new = next(changed, ("", ""))
    gone = Counter(old) - Counter(new)
    come = Counter(new) - Counter(old)
    if gone or come:
        return "".join(sorted(gone.elements())), "".join(sorted(come.elements()))
    moved = (pair for pair in zip(old, new, strict=True) if pair[0] != pair[1])
    one, two = next(moved, ("", ""))
    return (unicodedata.category(one), unicodedata.category(two)) if one else ("", "")


def _steps(before: str, after: str) -> list[tuple[tuple[str, str], bool]]:
    """The parts of two texts side by side, and whether they differ."""
    old, new = (
        [part for letter in LETTER.findall(text) for part in PART.findall(letter)]
        for text in (before, after)
    )
    steps = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    found: list[tuple[tuple[str, str], bool]] = []
    done = 0
    made = 0
    for place, (kind, low, high, first, last) in enumerate(steps):
        is_end = place and place + 1 == len(steps) and kind in ("insert", "delete")
        if kind == "equal" or is_end:
            continue
        # Of equal signs in a row that nobody can see, all are shown: then one sees that some stay.
        edges = old[low:high] or new[first:last]
        while low > done and first > made and edges[0] == old[low - 1] and is_hidden(edges[0]):
            low = low - 1
            first = first - 1
        while old[high : high + 1] == new[last : last + 1] == edges[-1:] and is_hidden(edges[-1]):
            high = high + 1
            last = last + 1
        found.append((("".join(old[done:low]), "".join(new[made:first])), False))
        found.append((("".join(old[low:high]), "".join(new[first:last])), True))
        done = high
        made = last
    return [*found, (("".join(old[done:]), "".join(new[made:])), False)]


def is_hidden(letter: str) -> bool:
    """Whether nobody can see a letter; a line end is seen."""
    return letter != "\n" and is_unseen(letter[0])


def _seen(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces with changed characters that nobody can see as their numbers."""
    return [(visible(text) if is_changed else text, is_changed) for text, is_changed in pieces]


def visible(part: str) -> str:
    """Changed letters, with a number for those that nobody can see; not for blanks among others."""
    plain = "" if all(map(is_unseen, part)) else " "
    return "".join(
        f"[U+{ord(sign):04X}]" if is_unseen(sign) and sign not in plain else sign for sign in part
    )


def is_unseen(sign: str) -> bool:
    """Whether nobody can see a character: a blank, a control."""
    return unicodedata.category(sign)[0] in "CZ"


def name_of(sign: str) -> str:
    """The number of a character and its name, which controls do not have."""
    return f"U+{ord(sign):04X} {unicodedata.name(sign, '').lower()}".strip()


def _names(pieces: Sequence[Piece], others: Sequence[Piece]) -> str:
    """The names of changed characters that the other side has not: twins look the same.

    If both sides have the same letters, the first one that was changed is spelled sign by sign.
    """
    changed, other = (
        "".join(
            text if all(map(is_unseen, text)) else text.replace(" ", "")
            for text, is_changed in side
            if is_changed
        )
        for side in (pieces, others)
    )
    shown = [
        name_of(each) if is_unseen(each) else f"{each} {name_of(each)}"
        for each in dict.fromkeys(changed)
        if (changed.count(each) > other.count(each) if is_unseen(each) else each not in other)
        and (each.isalpha() or is_unseen(each))
    ]
    if shown or not changed:
        return ", ".join(shown) if len(shown) <= MOST_NAMED else ""
    letter = LETTER.findall(changed)[0]
    return " + ".join(map(visible, letter)) if len(letter) > 1 else ""
