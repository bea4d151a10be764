"""Guesses whether a file holds conversations, for a chat phase, and in which columns."""

from collections.abc import Collection, Sequence
from statistics import median
from typing import Any

import pyarrow as arrow
import regex

from endonym.formats.readers.records import CONVERSATIONS, DEFAULT_FIELD, FOR_CHAT

CHAT = "chat"
"""Stands in a guess for the keys of a chat phase, if the file holds conversations."""
ASKS = regex.compile(r"\?(?![\p{L}\p{N}])|[？؟՞\u037e፧᥅⁇⁈⁉⳺⳻꘏꛷﹖]|\p{Greek}[^\p{L}]*;\s*$")
"""Question marks, but not that of an address; Greek texts have a semicolon."""
ASKED_SHARE = 1 / 3
SHORT_CHARS = 1_000


def chat_guess(fields: Collection[str], what: str) -> tuple[dict[str, Any], str] | None:
    """That there are conversations, if a field is named for them and none for texts."""
    if DEFAULT_FIELD in fields or CONVERSATIONS.isdisjoint(fields):
        return None
    name = min(CONVERSATIONS.intersection(fields))
    return {CHAT: {}}, f'{what} with the field "{name}". These are {FOR_CHAT}'


def asked_columns(
    rows: Sequence[dict[str, Any]], lengths: dict[str, list[int]]
) -> tuple[str, str] | None:
    """The columns of short questions, a third of which or more have a question mark, and of short
    answers, which are the longest of the other texts; None if there are none.

    lengths: as `text_lengths` gives them.
    """
    asking = dict[str, float]()
    for name, sizes in lengths.items():
        texts = [text for row in rows if isinstance(text := row.get(name), str)]
        if 2 * len(sizes) >= len(rows) and median(sizes) <= SHORT_CHARS:
            asking[name] = sum(ASKS.search(text) is not None for text in texts) / len(rows)
    if len(asking) < 2:
        return None
    asked = max(asking, key=lambda name: asking[name])
    answered = max(asking.keys() - {asked}, key=lambda name: (sum(lengths[name]), name))
    is_pair = asking[asked] >= ASKED_SHARE and asking[answered] < asking[asked] / 2
    return (asked, answered) if is_pair else None


def lists_or_text(schema: arrow.Schema) -> list[str]:
    """The names of columns that may hold conversations, and of the one that texts usually have."""
    are_lists = (arrow.types.is_list, arrow.types.is_large_list)
    return [
        each.name
        for each in schema
        if each.name == DEFAULT_FIELD or any(is_list(each.type) for is_list in are_lists)
    ]
