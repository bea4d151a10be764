"""Words of a list that are near a written one in typing errors.

The index has each word without one of its letters, as in SymSpell (Garbe 2012): two words that
differ by an added, a dropped, a changed or two swapped letters share an entry. Letters that look
alike, letters with and without marks, and marks in any order are one to the index, so a word may
have any number of these besides. Of long words two letters may be added. What is found is then
compared letter by letter; costs stand in layouts.toml.
"""

import functools
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import NamedTuple
from unicodedata import normalize

import numpy as np
import regex

from endonym.cleaning.normalize import LATIN, twins
from endonym.lexicon.typing_errors import (
    LOOK_ALIKES,
    SIGNS,
    TABLES,
    Layout,
    look_alikes,
    marked_letters,
)
from endonym.script.scripts import BREAK_SCRIPTS, script_class

COSTS: Mapping[str, float] = TABLES["costs"]
LONG = 8
"""Letters of a word that may have two errors."""
DEAREST = 12.0
DEAREST_LONG = 21.0
"""Bits that the errors of a word may cost; those of a long one."""
OF_COUNT = 1.5
"""Bits of cost that a word is worth which is twice as frequent, where candidates are chosen."""
LONGEST = 40
"""Letters of a word that is looked for. A longer one has no near words."""
UNBROKEN = regex.compile("|".join(map(script_class, sorted(BREAK_SCRIPTS))))
MANY_SIGNS = regex.compile(rf"(?:{SIGNS.pattern}){{2,}}")


class Near(NamedTuple):
    """A word near a written one, and what the errors between them cost."""

    word: str
    cost: float


class WordIndex:
    """Finds the words of a list that are near in typing errors.

    counts: words in small letters and NFC, with how often they stand in a text. layout: the
    keyboard they are typed on.
    """

    def __init__(self, counts: Mapping[str, int], layout: Layout) -> None:
        self.counts = counts
        self.layout = layout
        self.words = sorted(word for word in counts if len(word) <= LONGEST)
        keys = list[int]()
        numbers = list[int]()
        for number, word in enumerate(self.words):
            entries = {hash(each) for each in shortened(skeleton(word), 1)}
            keys += entries
            numbers += [number] * len(entries)
        order = np.argsort(np.array(keys, dtype=np.int64), kind="stable")
        self.keys = np.array(keys, dtype=np.int64)[order]
        self.numbers = np.array(numbers, dtype=np.int32)[order]

    def near(self, word: str, most: int = 10) -> list[Near]:
        """The words that may have been meant by a written one, the cheapest and most frequent
        first. Without the word itself. word: in small letters and NFC."""
        if len(word) > LONGEST:
            return []
        is_long = len(word) >= LONG
        asked = {hash(each) for each in shortened(skeleton(word), 1 + is_long)}
        wanted = np.array(sorted(asked), dtype=np.int64)
        begins, ends = (np.searchsorted(self.keys, wanted, side) for side in ("left", "right"))
        found = {
            number
            for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)
            for number in self.numbers[begin:end].tolist()
        }
        words = (self.words[number] for number in found)
        dearest = DEAREST_LONG if is_long else DEAREST
        near = [Near(each, error_cost(each, word, self.layout)) for each in words]
        near = [each for each in near if each.word != word and each.cost <= dearest]
        return sorted(near, key=self._rank)[:most]

    def _rank(self, near: Near) -> tuple[float, str]:
        """The order of candidates."""
        return near.cost - OF_COUNT * float(np.log2(1 + self.counts[near.word])), near.word


def shortened(word: str, letters: int) -> Iterator[str]:
    """A word, and the word without up to so many of its letters."""
    places = range(len(word))
    for count in range(min(letters, len(word)) + 1):
        for left_out in combinations(places, count):
            yield "".join(letter for n, letter in enumerate(word) if n not in left_out)


@functools.cache
def classes() -> dict[str, str]:
    """From each letter that looks like others to one of them, the same for all of them."""
    pairs = [(one, other) for one, others in LOOK_ALIKES.items() for other in others]
    pairs += [(letter, latin) for letter, latin in twins()[LATIN].items()]
    found = dict[str, str]()
    for one, other in ((bare(a), bare(b)) for a, b in pairs):
        kept, replaced = sorted((found.get(one, one), found.get(other, other)))
        found |= {each: kept for each, now in found.items() if now == replaced}
        found |= {one: kept, other: kept}
    return found


@functools.cache
def bare(letter: str) -> str:
    """A letter without its marks; a sign alone as it is."""
    return normalize("NFD", letter)[0]


def skeleton(word: str) -> str:
    """A word with one letter for all that look alike, and without marks.

    In scripts without blanks, where a letter with its signs is a word, all characters are sorted.
    """
    same = classes()
    letters = "".join(same.get(bare(each), bare(each)) for each in word)
    return "".join(sorted(letters)) if UNBROKEN.match(word) else letters


def in_order(word: str) -> str:
    """A word with the signs of each letter sorted; a subscript is one sign."""
    return MANY_SIGNS.sub(lambda run: "".join(sorted(SIGNS.findall(run[0]))), word)


def error_cost(meant: str, written: str, layout: Layout) -> float:
    """The least that errors cost which make the written word of the one that was meant.

    A shortest path over both words, letter by letter, with swaps of neighbours (optimal string
    alignment). Signs in another order are one error.
    """
    if meant != written and in_order(meant) == in_order(written):
        return COSTS["order"]
    around = ["", *meant, ""]
    before = list[float]()
    above = [0.0]
    for letter in written:
        above.append(above[-1] + added(letter, "", around[1], layout))
    for row, wanted in enumerate(meant):
        here = [above[0] + COSTS["drop"]]
        for column, letter in enumerate(written):
            ways = [
                above[column] + changed(wanted, letter, layout),
                above[column + 1] + COSTS["drop"],
                here[column] + added(letter, wanted, around[row + 2], layout),
            ]
            if row and column and (wanted, meant[row - 1]) == (written[column - 1], letter):
                ways.append(before[column - 1] + COSTS["swap"])
            here.append(min(ways))
        before = above
        above = here
    return above[-1]


def added(letter: str, before: str, after: str, layout: Layout) -> float:
    """What a letter costs that is written between two of the word; before: "" at its beginning."""
    if letter == before:
        return COSTS["double"]
    is_beside = any(layout.are_beside(each, letter) for each in (before, after) if each)
    return COSTS["add" if is_beside else "other_added"]


@functools.lru_cache(maxsize=1 << 14)
def changed(meant: str, written: str, layout: Layout) -> float:
    """What it costs to write one letter for another."""
    if meant == written:
        return 0.0
    if written in look_alikes(meant):
        return COSTS["look_alike"]
    if written in marked_letters(meant, layout):
        return COSTS["mark"]
    if meant in (*look_alikes(written), *marked_letters(written, layout)):
        return COSTS["needless_mark"]
    return COSTS["neighbour" if layout.are_beside(meant, written) else "other"]
