"""Signs of errors in a kept text: counted and reported, never a reason to drop it."""

import functools
from collections.abc import Callable

import regex

from endonym.cleaning.packs import packs
from endonym.formats.broken import has_lost_letters

SYLLABLE = r"[\u1780-\u17b3](?:\u17d2[\u1780-\u17b3]|[\u17b4-\u17d3\u17dd])*"
EXAMPLES = {
    "lost_letters": regex.compile(r"\w*\p{L}\?+\p{L}[\w?]*"),
    "replacement": regex.compile("\\w*\ufffd[\\w\ufffd]*"),
    "khmer_order": regex.compile(SYLLABLE),
}
LONGEST_EXAMPLE = 40

WARNINGS = {
    "lost_letters": "hold question marks within words, as in {example}: letters may have been lost",
    "replacement": "hold U+FFFD, the mark of a letter that an earlier program lost, as in "
    "{example}",
    "khmer_order": "hold Khmer signs out of order, as in {example}: one word is spelt in two ways; "
    '"khmer_order" in normalize repairs that',
}


@functools.cache
def khmer_disorder() -> "regex.Pattern[str]":
    """What the language pack puts in order."""
    return packs()["khmer_order"].finds()


@functools.cache
def in_order() -> Callable[[str], str]:
    """The step of the language pack that puts Khmer signs in order."""
    return packs()["khmer_order"].change()


def text_warnings(text: str) -> list[str]:
    """The warnings about a text, as keys of WARNINGS."""
    found: list[str] = []
    if has_lost_letters(text):
        found.append("lost_letters")
    if "\ufffd" in text:
        found.append("replacement")
    if ("\u17d2" in text or "\u17c1" in text) and khmer_disorder().search(text):
        found.append("khmer_order")
    return found


def example(text: str, warning: str) -> str:
    """The first word or syllable to which a warning refers; of Khmer, also as it should be."""
    for found in EXAMPLES[warning].finditer(text):
        word = found[0][:LONGEST_EXAMPLE]
        if warning != "khmer_order":
            return word
        if khmer_disorder().search(word):
            return f"{word} for {packs()['khmer_order'].change()(word)}"
    return "…"
