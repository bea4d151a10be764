"""Signs of errors in a kept text: counted and reported, never a reason to drop it."""

import regex

from endonym.text.broken import has_lost_letters

KHMER_DISORDER = regex.compile(
    "[\u17b6-\u17c5]\u17d2|\u17d2\u17d2|\u17c1[\u17b6\u17b8]|\u17d2\u179a\u17d2"
)
"""A vowel before a subscript, a doubled coeng, one vowel typed as two signs, subscript RO first."""

SYLLABLE = r"[\u1780-\u17b3](?:\u17d2[\u1780-\u17b3]|[\u17b4-\u17d3\u17dd])*"
KHMER_REPAIRS = (
    (regex.compile("\u17d2{2,}"), "\u17d2"),
    (regex.compile("\u17c1\u17b6"), "\u17c4"),
    (regex.compile("\u17c1\u17b8"), "\u17be"),
    (regex.compile("([\u17b6-\u17c5])(\u17d2[\u1780-\u17b3])"), r"\2\1"),
    (regex.compile("(\u17d2\u179a)(\u17d2[\u1780-\u17b3])"), r"\2\1"),
)
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
    "no key of [clean] repairs that, so put them in order in the files",
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


def example(text: str, warning: str) -> str:
    """The first word or syllable to which a warning refers; of Khmer, also as it should be."""
    for found in EXAMPLES[warning].finditer(text):
        word = found[0][:LONGEST_EXAMPLE]
        if warning != "khmer_order":
            return word
        if KHMER_DISORDER.search(word):
            return f"{word} for {in_order(word)}"
    return "…"


def in_order(syllable: str) -> str:
    """A Khmer syllable with its signs in the order of Unicode: subscripts, RO last, then vowels."""
    before = ""
    while syllable != before:
        before = syllable
        for wrong, right in KHMER_REPAIRS:
            syllable = wrong.sub(right, syllable)
    return syllable
