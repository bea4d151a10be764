"""Signs of errors in a kept text: counted and reported, never a reason to drop it."""

import regex

from endonym.text.broken import has_lost_letters

KHMER_DISORDER = regex.compile(
    "[\u17b6-\u17c5]\u17d2|\u17d2\u17d2|\u17c1[\u17b6\u17b8]|\u17d2\u179a\u17d2"
)
"""A vowel before a subscript, a doubled coeng, one vowel typed as two signs, subscript RO first."""

WARNINGS = {
    "lost_letters": "hold question marks within words: letters may have been lost",
    "replacement": "hold U+FFFD, the mark of a letter that an earlier program lost",
    "khmer_order": "hold Khmer signs out of order: one word is spelt in two ways",
}


def text_warnings(text: str) -> list[str]:
    """The warnings about a text, as keys of WARNINGS."""
    found: list[str] = []
    if has_lost_letters(text):
        found.append("lost_letters")
    if "\ufffd" in text:
        found.append("replacement")
    if ("\u17d2" in text or "\u17c1" in text) and KHMER_DISORDER.search(text):
        found.append("khmer_order")
    return found
