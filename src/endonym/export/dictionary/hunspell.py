"""A word list for Hunspell, the spelling checker of LibreOffice, Firefox and others.

The .dic has the number of words, then a word a line. There are no rules for endings: every form of
a word that the corpus has is a line. The .aff says which letters there are, which are mistaken for
each other, and which signs belong to words. Source: the manual page hunspell(5).
"""

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple
from unicodedata import normalize

import regex

from endonym.export.refusals import refusal
from endonym.lexicon.typing_errors import TABLES, layout_of, look_alikes
from endonym.lexicon.words import WordList

SECTIONS = ("SET", "LANG", "TRY", "WORDCHARS", "KEY", "ICONV", "REP", "MAP")
"""Of the .aff, in this order; those that a language does not need are left out."""
COUNTED = ("ICONV", "REP", "MAP")
"""Sections that begin with the number of their lines."""
APOSTROPHES = "'’"


class Affixes(NamedTuple):
    """What an .aff says: the lines of each section, by its name, as lists of words."""

    sections: dict[str, list[list[str]]]

    def alone(self, name: str) -> str:
        """The value of a section with one line; empty without one."""
        return self.sections[name][0][0] if name in self.sections else ""


def dic(words: WordList) -> str:
    """The words, sorted. They are letters, hyphens and apostrophes: none needs to be escaped."""
    return "\n".join([str(len(words.words)), *sorted(words.words)]) + "\n"


def aff(words: WordList) -> str:
    """The settings that go with the words."""
    letters = _letters(words)
    signs = sorted(each for each in letters if not regex.match(r"\p{L}", each))
    if "'" in letters:
        signs.append("’")
    sections: dict[str, list[str]] = {
        "SET": ["UTF-8"],
        "LANG": [words.language.replace("-", "_")] if words.language else [],
        "TRY": ["".join(each for each, _ in letters.most_common())],
        "WORDCHARS": ["".join(signs)] if signs else [],
        "KEY": _keys(words),
        "ICONV": ["’ '"] if "'" in letters else [],
        "REP": [*_replacements(letters)],
        "MAP": [*_related(letters)],
    }
    lines = list[str]()
    for name in SECTIONS:
        values = sections[name]
        if name in COUNTED and values:
            lines.append(f"{name} {len(values)}")
        lines += [f"{name} {value}" for value in values]
    return "\n".join(lines) + "\n"


def _letters(words: WordList) -> Counter[str]:
    """How often each character stands in the texts; capitals are among them, seen or not."""
    counts = Counter[str]()
    for word, each in words.words.items():
        for letter in word:
            counts[letter] += each.count
    for letter in [*counts]:
        if len(letter.upper()) == 1:
            counts.setdefault(letter.upper(), 0)
    return counts


def _keys(words: WordList) -> list[str]:
    """The rows of the language's keyboard, for slips to a neighbouring key."""
    name = layout_of(words.language.split("-")[0], words.script).name
    return ["|".join(TABLES["layouts"][name]["rows"])] if name in TABLES["layouts"] else []


def _replacements(letters: Counter[str]) -> Iterator[str]:
    """Two letters that are written for one, such as ss for ß, and the one."""
    for letter in sorted(letters):
        if len(keys := TABLES["typed"].get(letter, "")) > 1:
            yield f"{keys} {letter}"


def _related(letters: Counter[str]) -> Iterator[str]:
    """Letters that are written for each other, a line each.

    They differ in their marks alone, such as a, ă and â; or one is written where a keyboard lacks
    the other, or looks like it, such as э for ә and Latin a for а. A word may have several.
    """
    for letter in sorted(letters):
        yield from (other + letter for other in look_alikes(letter))
    alone = sorted((each for each in letters if regex.match(r"\p{L}", each)), key=_base)
    for _, group in groupby(alone, key=_base):
        if len(related := sorted(group)) > 1:
            yield "".join(related)


def _base(letter: str) -> str:
    """A letter without its marks."""
    return normalize("NFD", letter)[0]


def read_dic(text: str, file: str = "") -> list[str]:
    """The words of a .dic without flags. Raises ExportError with the first line that is wrong."""
    count, *words = text.removesuffix("\n").split("\n")
    if count != str(len(words)):
        raise refusal("dictionary_line", file, number=1, line=count)
    for number, word in enumerate(words, 2):
        if not word or regex.search(r"[\s/\p{Cc}]", word):
            raise refusal("dictionary_line", file, number=number, line=word)
    if len(set(words)) < len(words):
        raise refusal("dictionary_line", file, number=1, line="a word stands twice")
    return words


def read_aff(text: str, file: str = "") -> Affixes:
    """An .aff of the sections that `aff` writes. Raises ExportError with the first wrong line."""
    found = dict[str, list[list[str]]]()
    counts = dict[str, int]()
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        name, *values = line.split(" ")
        wanted = 2 if name in ("ICONV", "REP") and name in counts else 1
        is_repeated = name in found and name not in COUNTED
        if name not in SECTIONS or len(values) != wanted or not all(values) or is_repeated:
            raise refusal("dictionary_line", file, number=number, line=line)
        if name in COUNTED and name not in counts:
            counts[name] = int(values[0]) if values[0].isdecimal() else -1
        else:
            found.setdefault(name, []).append(values)
    for name, count in counts.items():
        if count != len(found.get(name, [])):
            raise refusal("dictionary_line", file, number=0, line=f"{name} {count}")
    if found.get("SET") != [["UTF-8"]]:
        raise refusal("dictionary_line", file, number=1, line="SET UTF-8 is missing")
    return Affixes(found)
