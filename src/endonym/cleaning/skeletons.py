"""Texts that a program has filled in: they are equal once what differs between them is blanked.

The skeleton of a text is its words in their order, without digits, names and rare words: a run of
those is one blank. A name is a word with a capital letter. A rare word stands in fewer documents
than the limit, so that it cannot be part of a template that is used more often. A skeleton says
something only if enough of its words are left: short sentences of common words may be alike by
chance.
"""

import functools
from collections.abc import Set as AbstractSet

import regex

from endonym.cleaning.keyed import key_of

LEAST_WORDS, LEAST_SHARE = 5, 0.4
"""Words that a skeleton must keep, and their share of all words."""
MOST_CHARS = 20_000
"""Longer texts are no template's."""
BLANK = "_"
WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")
NAME = regex.compile(r"[\p{Lu}\p{Lt}\p{N}]")


def skeleton_words(text: str) -> list[str]:
    """The words of a text."""
    return WORD.findall(text[:MOST_CHARS])


@functools.lru_cache(maxsize=1 << 17)
def word_key(word: str) -> int:
    """The key of a word; 0 for a name, which is a word with a capital letter or a digit."""
    return 0 if NAME.search(word) else key_of(word)


def word_keys(text: str) -> set[int]:
    """The keys of a document's words that are no names."""
    return {word_key(word) for word in set(skeleton_words(text))} - {0}


def skeleton(text: str, usual: AbstractSet[int]) -> str:
    """The skeleton of a text; empty if it has none. usual: the keys of words that are not rare."""
    if len(text) > MOST_CHARS:
        return ""
    words, kept = skeleton_words(text), list[str]()
    for word in words:
        if word_key(word) in usual:
            kept.append(word)
        elif not kept or kept[-1] is not BLANK:
            kept.append(BLANK)
    left = sum(word is not BLANK for word in kept)
    if left < LEAST_WORDS or left < LEAST_SHARE * len(words) or left == len(words):
        return ""
    return " ".join(kept)
