"""Replaces whole words in which something is found, in linear time."""

from collections.abc import Callable

import regex

WORD, WORD_BEFORE = regex.compile(r"[\p{L}\p{M}]*"), regex.compile(r"(?r)[\p{L}\p{M}]*")


def with_words(text: str, where: "regex.Pattern[str]", change: Callable[[str], str]) -> str:
    """The text with each word changed in which the pattern is found.

    A word is a run of letters and their marks. A pattern such as `\\w*x\\w*` would do the same, and
    take quadratic time on long words.
    """
    parts, done = list[str](), 0
    for found in where.finditer(text):
        if found.start() < done:
            continue
        start, end = found.span()
        word, before = WORD.match(text, start), WORD_BEFORE.match(text, done, start)
        if word and before and word.end() > start:
            start, end = before.start(), max(word.end(), end)
        parts += [text[done:start], change(text[start:end])]
        done = end
    return "".join(parts) + text[done:] if parts else text
