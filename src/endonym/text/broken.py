"""Texts that an earlier program has broken, though their bytes are good.

Mojibake is UTF-8 once read as a single-byte encoding and saved again: its letters come in pairs
that no language has. Lost letters are those which an encoding could not hold and wrote as "?":
question marks within words. Both are told from the share they make up, so that a quoted example or
an address with a question mark does no harm.
"""

import regex

from endonym.text.document import Document, Reject
from endonym.text.io.origin import SHOWN_CHARS

MIN_SIGNS, MIN_LOST = 4, 3
"""Fewer pairs, and fewer words with a question mark, prove nothing."""

MOJIBAKE_SHARE = 0.5
"""The share of non-ASCII characters that stand in such pairs in broken text; good text has none."""

LOST_SHARE, ODD_SHARE = 0.1, 0.01
"""The share of words with an inner question mark that is refused, and that is told."""

LATIN_TAIL = "[€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ\x80-\xbf]"
CYRILLIC_TAIL = "[ЂЃ‚ѓ„…†‡€‰Љ‹ЊЌЋЏђ‘’“”•–—™љ›њќћџ\xa0ЎўЈ¤Ґ¦§Ё©Є«¬\xad®Ї°±Ііґµ¶·ё№є»јЅѕї\x98\ufffd]"
MOJIBAKE = regex.compile(
    f"[ÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞß]{LATIN_TAIL}|[àáâãäåæçèéêëìíîï]{LATIN_TAIL}{LATIN_TAIL}"
    f"|[ВГДЕЖЗИЙРСТУФХЦЧШЩ]{CYRILLIC_TAIL}|[абвгдежзийклмноп]{CYRILLIC_TAIL}{CYRILLIC_TAIL}"
)
"""What a character of two or three bytes looks like when it is read as cp1252 or cp1251."""

SUSPECT = regex.compile(r"[\x80-\x9f\xa4-\xb9€ЂЃѓ†‡‰ЉЊЌЋЏђ™љњќћџЎўҐґ]")
"""One of these stands in any broken text of some length; most good texts have none."""

LOST = regex.compile(r"\p{L}\?+\p{Ll}")


def broken(document: Document) -> Reject | None:
    """The refusal of a broken text; None for all others."""
    text = document.text
    reason = detail = ""
    if is_mojibake(text):
        reason = "mojibake"
        detail = "this looks like UTF-8 that was read in another encoding and saved again"
    elif is_lossy(text):
        reason = "lost_letters"
        detail = "question marks within words: letters were lost in another encoding"
    if not reason:
        return None
    size = len(text.encode())
    return Reject(reason, document.id, document.source, detail, text[:SHOWN_CHARS], size)


def is_mojibake(text: str) -> bool:
    """Whether most characters beyond ASCII stand in the pairs of misread UTF-8."""
    if text.isascii() or not SUSPECT.search(text):
        return False
    found = MOJIBAKE.findall(text)
    paired = sum(map(len, found))
    beyond = len(text) - len(text.encode("ascii", "ignore"))
    return len(found) >= MIN_SIGNS and paired >= MOJIBAKE_SHARE * beyond


def is_lossy(text: str) -> bool:
    """Whether too many words hold a question mark."""
    if text.count("?") < MIN_LOST:
        return False
    return len(LOST.findall(text)) >= max(MIN_LOST, LOST_SHARE * words(text))


def has_lost_letters(text: str) -> bool:
    """Whether some words hold a question mark: too few to refuse, enough to tell."""
    if "?" not in text or text.isascii():
        return False
    return len(LOST.findall(text)) > ODD_SHARE * words(text)


def words(text: str) -> int:
    """About how many words a text has."""
    return text.count(" ") + text.count("\n") + 1
