"""Typing errors of stated kinds, made from a right word.

Each kind is one slip of a finger, or one letter that a keyboard lacks. Keyboards, look-alike
letters and how often each kind is made stand in layouts.toml.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any
from unicodedata import normalize

import regex

from endonym.cleaning.normalize import LATIN, twins
from endonym.disk import Json, packaged_tables
from endonym.script.scripts import script_class

TABLES = packaged_tables("endonym.lexicon", "layouts.toml")
WEIGHTS: Mapping[str, int] = TABLES["kinds"]
"""How often each kind of error is made, relative to the others that a word allows."""
KINDS = tuple(WEIGHTS)
LOOK_ALIKES: Mapping[str, str] = TABLES["look_alikes"]
BESIDE = 1.2
"""Keys at most so far apart are neighbours; one is 1 wide and 1 high."""
SIGNS = regex.compile(r"\u17d2\p{L}|\p{M}")
"""A sign of a letter. A subscript of Khmer is one."""
LETTER = regex.compile(r"\p{L}")
APART = regex.compile(r"['’ʼ-]")
"""Signs inside words that no key of a letter writes."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """A keyboard. beside: for each of its letters, those of the keys beside it.

    letters: all that can be typed on it, also with a second level or a long press.
    """

    name: str
    beside: Mapping[str, str]
    letters: str

    def are_beside(self, one: str, other: str) -> bool:
        """Whether two letters, of any case, are on keys beside each other."""
        return other.lower() in self.beside.get(one.lower(), "")


@functools.cache
def layout_of(language: str, script: str = "") -> Layout:
    """The keyboard of a language, or else the usual one of a script; without keys if none is known.

    language: its code, such as "tt". script: its name in lower case, such as "cyrillic".
    """
    layouts: dict[str, Json] = TABLES["layouts"]
    of_language = [n for n, each in layouts.items() if language in each.get("languages", ())]
    of_script = [name for name, each in layouts.items() if script and each.get("script") == script]
    name = next(iter(of_language + of_script), "")
    return made_layout(name, **layouts[name]) if name else Layout("none", {}, "")


def made_layout(name: str, rows: list[str], more: str = "", **_: Any) -> Layout:
    """A layout from its rows of letters, from the left; the rows are centred."""
    places = {
        letter: (column - len(row) / 2, number)
        for number, row in enumerate(rows)
        for column, letter in enumerate(row)
    }
    beside = {
        letter: "".join(
            other
            for other, (x, y) in places.items()
            if other != letter and (x - x0) ** 2 + (y - y0) ** 2 <= BESIDE**2
        )
        for letter, (x0, y0) in places.items()
    }
    return Layout(name, beside, "".join(rows) + more)


def typing_error(word: str, kind: str, layout: Layout, random: Random) -> str | None:
    """The word with one error of a kind, at a place that is drawn; None if no place allows it.

    The first letter keeps its case. The result may be another right word: whoever needs a wrong
    one looks it up. word: in NFC.
    """
    places = [*range(len(word))]
    random.shuffle(places)
    for place in places:
        wrong = ERRORS[kind](word, place, layout, random)
        if wrong is not None and wrong != word:
            return wrong
    return None


def any_error(
    word: str, layout: Layout, random: Random, weights: Mapping[str, float] = WEIGHTS
) -> tuple[str, str] | None:
    """A kind of error drawn by its weight among those that the word allows, and the wrong word."""
    left = dict(weights)
    while left:
        (kind,) = random.choices([*left], [*left.values()])
        wrong = typing_error(word, kind, layout, random)
        if wrong is not None:
            return kind, wrong
        del left[kind]
    return None


def typed_keys(word: str) -> str | None:
    """The keys from a to z that a word is typed with; None if it needs others.

    Accents are dropped, capitals become small, and apostrophes and hyphens are left out.
    """
    small = APART.sub("", word.lower())
    keys = "".join(TABLES["typed"].get(letter, letter) for letter in small)
    keys = regex.sub(r"\p{M}", "", normalize("NFD", keys))
    return keys if regex.fullmatch("[a-z]+", keys) else None


def marked_letters(letter: str, layout: Layout) -> list[str]:
    """What may stand for a letter with marks: it without them, and the other letters like it."""
    base = normalize("NFD", letter)[0]
    if base == letter or not LETTER.match(letter):
        return []
    others = [each for each in layout.letters if normalize("NFD", each)[0] == base.lower()]
    found = [base, *(cased(each, letter) for each in others)]
    return [each for each in dict.fromkeys(found) if each != letter]


def look_alikes(letter: str) -> list[str]:
    """Letters that are typed for this one since they look or sound like it, its own case."""
    found = [cased(each, letter) for each in LOOK_ALIKES.get(letter.lower(), "")]
    latin = twins()[LATIN].get(letter)
    is_other = regex.match(script_class(LATIN), letter) is None
    return [*found, latin] if latin and is_other else found


def cased(letter: str, like: str) -> str:
    """A letter in the case of another."""
    return letter.upper() if like != like.lower() else letter


def neighbour(word: str, place: int, layout: Layout, random: Random) -> str | None:
    """A key beside the right one."""
    keys = layout.beside.get(word[place].lower())
    return with_letter(word, place, cased(random.choice(keys), word[place])) if keys else None


def swap(word: str, place: int, layout: Layout, random: Random) -> str | None:
    """A letter and the next one change places; the first of a word keeps its case."""
    two = word[place : place + 2]
    if len(LETTER.findall(two)) < 2:
        return None
    first = cased(two[1].lower(), two[0])
    second = cased(two[0].lower(), two[1])
    return word[:place] + first + second + word[place + 2 :]


def double(word: str, place: int, layout: Layout, random: Random) -> str | None:
    """A letter twice."""
    letter = word[place]
    return with_letter(word, place, letter + letter.lower()) if LETTER.match(letter) else None


def drop(word: str, place: int, layout: Layout, random: Random) -> str | None:
    """Without a letter; a word has two at least, and the first keeps its case."""
    if len(word) < 2 or not LETTER.match(word[place]):
        return None
    left = with_letter(word, place, "")
    return cased(left[0], word[0]) + left[1:] if place == 0 else left


def add(word: str, place: int, layout: Layout, random: Random) -> str | None:
    """A key beside the right one as well, before or behind it; never before the first letter."""
    keys = layout.beside.get(word[place].lower())
    if not keys:
        return None
    key = random.choice(keys)
    letter = word[place]
    before = place > 0 and random.random() < 0.5
    return with_letter(word, place, key + letter if before else letter + key)


def mark(word: str, place: int, layout: Layout, random: Random) -> str | None:
    """A letter without its mark, or, half as often, with another one."""
    base, *others = marked_letters(word[place], layout) or [""]
    if not base:
        return None
    return with_letter(word, place, random.choice([base, base, random.choice(others or [base])]))


def look_alike(word: str, place: int, layout: Layout, random: Random) -> str | None:
    """Another letter that looks or sounds like it."""
    found = look_alikes(word[place])
    return with_letter(word, place, random.choice(found)) if found else None


def order(word: str, place: int, layout: Layout, random: Random) -> str | None:
    """Two signs of a letter change places."""
    first = SIGNS.match(word, place)
    second = SIGNS.match(word, first.end()) if first else None
    if first is None or second is None:
        return None
    return word[:place] + second[0] + first[0] + word[second.end() :]


def with_letter(word: str, place: int, letters: str) -> str:
    """A word with other letters at a place."""
    return word[:place] + letters + word[place + 1 :]


ERRORS: dict[str, Callable[[str, int, Layout, Random], str | None]] = {
    "neighbour": neighbour,
    "swap": swap,
    "double": double,
    "drop": drop,
    "add": add,
    "mark": mark,
    "look_alike": look_alike,
    "order": order,
}
