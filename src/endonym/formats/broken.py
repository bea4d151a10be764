"""Detects texts that an earlier program has damaged, though their bytes are valid.

Mojibake is UTF-8 that was decoded with a single-byte encoding and saved again: it has pairs of
characters that no language has. Lost letters are those that an encoding could not represent and
that became "?": question marks within words. Both are detected by their share of the text, so that
a quoted example or a URL with a question mark passes.
"""

import re

import regex

from endonym.formats.document import Document, Reject

MIN_SIGNS = 4
MIN_LOST = 3
"""Minimum number of pairs, and of words with a question mark."""

MOJIBAKE_SHARE = 0.5
"""Minimum share of non-ASCII characters in such pairs; good text has none."""

LOST_SHARE = 0.1
ODD_SHARE = 0.01
"""Share of words with an inner question mark above which a text is dropped, and is reported."""

LATIN_TAIL = "[€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ\x80-\xbf]"
CYRILLIC_TAIL = "[ЂЃ‚ѓ„…†‡€‰Љ‹ЊЌЋЏђ‘’“”•–—™љ›њќћџ\xa0ЎўЈ¤Ґ¦§Ё©Є«¬\xad®Ї°±Ііґµ¶·ё№є»јЅѕї\x98\ufffd]"
MOJIBAKE = regex.compile(
    f"[ÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞß]{LATIN_TAIL}|[àáâãäåæçèéêëìíîï]{LATIN_TAIL}{LATIN_TAIL}"
    f"|[ВГДЕЖЗИЙРСТУФХЦЧШЩ]{CYRILLIC_TAIL}|[абвгдежзийклмноп]{CYRILLIC_TAIL}{CYRILLIC_TAIL}"
)
"""A character of two or three bytes in UTF-8, decoded as cp1252 or cp1251."""

SUSPECT = re.compile(r"[\x80-\x9f\xa4-\xb9€ЂЃѓ†‡‰ЉЊЌЋЏђ™љњќћџЎўҐґ]")
"""Any longer mojibake has one of these; most good texts have none.

`re` finds characters of a set four times as fast as `regex`.
"""

TAIL = re.compile(f"{LATIN_TAIL[:-1]}{CYRILLIC_TAIL[1:]}")
"""The second half of every pair."""

ADDRESS = regex.compile(r"[/=&]")
"""Signs of an address of the web, in which a question mark is right."""

LONGEST_EXAMPLE = 24
"""Characters of a word that is shown."""

LOST = regex.compile(r"\p{L}\?+\p{Ll}")
WITHIN = re.compile(r"\?\w")
"""What every lost letter has; most texts have none, and it is found much sooner."""


DETAILS = {
    "mojibake": "this looks like UTF-8 that was read in another encoding and saved again",
    "lost_letters": "question marks within words: letters were lost in another encoding",
}


def damaged(document: Document) -> Reject | None:
    """A reject for a damaged text; None for all others."""
    text = document.text
    if is_mojibake(text):
        reason = "mojibake"
    elif is_lossy(text):
        reason = "lost_letters"
    else:
        return None
    return document.reject(reason, DETAILS[reason], raw_bytes=len(text.encode()))


def is_mojibake(text: str) -> bool:
    """Whether most non-ASCII characters are in pairs as UTF-8 in a wrong encoding has them."""
    if text.isascii() or not SUSPECT.search(text):
        return False
    n_non_ascii = len(text) - len(text.encode("ascii", "ignore"))
    # A pair has at most two characters for each tail in it.
    if 2 * len(TAIL.findall(text)) < MOJIBAKE_SHARE * n_non_ascii:
        return False
    n_pairs = n_paired_chars = 0
    for match in MOJIBAKE.finditer(text):
        n_pairs += 1
        n_paired_chars += match.end() - match.start()
    return n_pairs >= MIN_SIGNS and n_paired_chars >= MOJIBAKE_SHARE * n_non_ascii


def is_lossy(text: str) -> bool:
    """Whether too many words contain a question mark."""
    if text.count("?") < MIN_LOST or not WITHIN.search(text):
        return False
    return sum(1 for _ in LOST.finditer(text)) >= max(MIN_LOST, LOST_SHARE * words(text))


def has_lost_letters(text: str) -> bool:
    """Whether some words contain a question mark: too few to drop the text."""
    if text.isascii() or not WITHIN.search(text):
        return False
    return sum(1 for _ in LOST.finditer(text)) > ODD_SHARE * words(text)


def lost_letters(text: str) -> str:
    """The message that letters of a file became "?"; empty if too few of its words have one."""
    if text.count("?") < MIN_LOST:
        return ""
    all_words = text.split()
    lossy = [each for each in all_words if LOST.search(each) and not ADDRESS.search(each)]
    if len(lossy) < max(MIN_LOST, LOST_SHARE * len(all_words)):
        return ""
    example = next((word for word in lossy if len(word) <= LONGEST_EXAMPLE), lossy[0])
    return (
        f"broken encoding: `?` stands inside {len(lossy) / len(all_words):.0%} of its words, as in "
        f"{example[:LONGEST_EXAMPLE]}"
    )


def words(text: str) -> int:
    """About how many words a text has."""
    return text.count(" ") + text.count("\n") + 1
