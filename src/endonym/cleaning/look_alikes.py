"""Letters of another script that look like the right ones, within words: `бaрның` with a Latin a.

A word of one script stays as it is, and so does a word with a letter that has no twin in the other
script (`Windowsның`), and an acronym or a Roman numeral with an ending (`HPның`, `Xнчы`): there,
both scripts are meant. So they are where a Greek letter is a symbol (`hν`). All others become words
of the usual script, if all of their foreign letters have twins in it, or else of the script of most
of their letters, on the same condition, and not of a few Greek ones. The usual script is the
recipe's, or else that of the text.
"""

import functools
from collections.abc import Callable

import regex

from endonym.cleaning.words import with_words

LATIN, CYRILLIC, GREEK = "latin", "cyrillic", "greek"
TWINS = """
aа eе oоο cс pрρ vν xх yу iіі jј sѕ hһ dԁ qԛ wԝ əә ëё ïї öӧ äӓ ăӑ ĕӗ ÿӱ
AАΑ BВΒ EЕΕ KКΚ MМΜ HНΗ OОΟ PРΡ CС TТΤ XХΧ YУ IІΙ JЈ SЅ ZΖ NΝ DԀ QԚ WԜ ƏӘ ËЁ ÏЇ ÖӦ ÄӒ ĂӐ ĔӖ ŸӰ
"""
"""Letters of the same shape: Latin, Cyrillic, and Greek where it has one."""
SYMBOLS = "νρ"
"""Letters of Greek that stay Greek beside other letters: formulas have them."""

IN_LATIN = "A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0259\u1e00-\u1eff"
IN_CYRILLIC = "\u0400-\u0482\u048a-\u052f\u1c80-\u1c8f\ua640-\ua66e\ua680-\ua69b"
IN_GREEK = "\u0370-\u0373\u0376-\u037d\u0386-\u03ff\u1f00-\u1fff"
BEYOND_LATIN = regex.compile(f"[{IN_CYRILLIC}{IN_GREEK}]")
BEYOND_CYRILLIC = regex.compile(f"[{IN_LATIN}{IN_GREEK}]")
MEETING = regex.compile(
    rf"[{IN_LATIN}]\p{{M}}*[{IN_CYRILLIC}{IN_GREEK}]|[{IN_CYRILLIC}]\p{{M}}*[{IN_LATIN}{IN_GREEK}]"
    rf"|[{IN_GREEK}]\p{{M}}*[{IN_LATIN}{IN_CYRILLIC}]"
)
"""Where two scripts meet within a word."""
LEAST_GREEK = 4
"""Greek letters of a word that is made Greek in a text of another script; fewer are symbols."""
ACRONYM = regex.compile(r"(\p{Lu}{2,})([\p{Ll}\p{M}]+)")
"""Capitals with an ending in small letters."""
NUMERAL = regex.compile(r"[IVX](?:нч[еы]\p{Ll}*|н[еы]ң\p{Ll}*|г[әа]|к[әа]|[дт][әа]н?)")
"""A Roman numeral of one letter with a Turkic ending: no word begins so."""


@functools.cache
def script_of(letter: str) -> str:
    """Latin, Cyrillic, Greek; empty for all others."""
    for name in (LATIN, CYRILLIC, GREEK):
        if regex.match(rf"\p{{Script={name}}}", letter):
            return name
    return ""


@functools.cache
def twins() -> dict[str, dict[str, str]]:
    """For each script, the letters of others to their twins in it."""
    found: dict[str, dict[str, str]] = {LATIN: {}, CYRILLIC: {}, GREEK: {}}
    for group in TWINS.split():
        for letter in group:
            for twin in group:
                if letter != twin and letter not in SYMBOLS:
                    found[script_of(twin)].setdefault(letter, twin)
    return found


def one_script(script: str | None) -> Callable[[str], str]:
    """A function that writes each word in one script. script: the recipe's, if it names one."""

    def repaired(text: str) -> str:
        if not may_mix(text):
            return text
        usual = script if script in twins() else most_of(text)
        return with_words(text, MEETING, lambda word: in_one_script(word, usual))

    return repaired


def may_mix(text: str) -> bool:
    """Whether a text may have letters of two of the scripts."""
    return bool(not text.isascii() and BEYOND_LATIN.search(text) and BEYOND_CYRILLIC.search(text))


def most_of(text: str) -> str:
    """The script of most letters in the beginning of a text."""
    counts: dict[str, int] = dict.fromkeys((LATIN, CYRILLIC, GREEK), 0)
    for letter in text[:10_000]:
        if (name := script_of(letter)) and letter.isalpha():
            counts[name] += 1
    return max(counts, key=counts.__getitem__)


def in_one_script(word: str, usual: str) -> str:
    """A word of two scripts in one of them, if all letters of the other have a twin in it."""
    scripts = [name for letter in word if (name := script_of(letter))]
    possible = [name for name in dict.fromkeys(scripts) if is_possible(word, name)]
    if not possible or is_acronym(word) or NUMERAL.fullmatch(word):
        return word
    chosen = usual
    if usual not in possible:
        if scripts.count(GREEK) < LEAST_GREEK:
            possible = [name for name in possible if name != GREEK]
        if not possible:
            return word
        chosen = max(possible, key=lambda name: (scripts.count(name), name))
        if 2 * scripts.count(chosen) <= len(scripts):
            return word
    to = twins()[chosen]
    return "".join(to.get(letter, letter) for letter in word)


def is_possible(word: str, script: str) -> bool:
    """Whether all letters of a word that are of other scripts have a twin in this one."""
    to = twins()[script]
    return all(script_of(letter) in ("", script) or letter in to for letter in word)


def is_acronym(word: str) -> bool:
    """Whether a word is an acronym in one script with an ending in another."""
    found = ACRONYM.fullmatch(word)
    if found is None:
        return False
    stem, ending = ({script_of(letter) for letter in part} - {""} for part in found.groups())
    return len(stem) == len(ending) == 1 and stem != ending
