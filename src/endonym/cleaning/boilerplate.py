"""Lines that stand in many documents: menus, notices, signatures, running heads.

Lines are compared without case, digits and signs. A document counts a line once. Long lines that
stand in more documents than the limit are taken out wherever they stand. Short ones go at the
beginning and the end of a document, down to the first line that is its own, and only if they also
stand in COMMON_SHARE of all documents: in a large corpus more documents than any limit begin with a
date or with "— Oui.". A document of one line has none: that is a copy, and the matter of `dedup`.
"""

from collections.abc import Container

import regex

from endonym.cleaning.keyed import key_of

LONG_LETTERS = 40
"""Letters of a line that is taken out wherever it stands."""
COMMON_SHARE = 0.01
"""Share of all documents in which a shorter line must stand."""
SIGNS = regex.compile(r"[^\p{L}\p{M}]+")


def folded_line(line: str) -> str:
    """What of a line is compared: its letters in lower case."""
    return SIGNS.sub(" ", line.lower()).strip()


def line_keys(text: str) -> set[int]:
    """The keys of a document's lines; none if it has one line."""
    lines = {folded_line(line) for line in text.split("\n")} - {""}
    return {key_of(line) for line in lines} if "\n" in text else set()


def without_boilerplate(
    text: str, frequent: Container[int], common: Container[int]
) -> tuple[str, list[str]]:
    """A document without its boilerplate, and the lines that were taken out.

    frequent: keys of lines in more documents than the limit. common: of those in a share of them.
    """
    lines = text.split("\n")
    if len(lines) < 2:
        return text, []
    plain = [folded_line(line) for line in lines]
    is_often = [
        bool(line) and key_of(line) in (frequent if len(line) >= LONG_LETTERS else common)
        for line in plain
    ]
    if not any(is_often):
        return text, []
    is_kept = [
        not (often and len(line) >= LONG_LETTERS)
        for often, line in zip(is_often, plain, strict=True)
    ]
    for places in (range(len(lines)), range(len(lines) - 1, -1, -1)):
        for place in places:
            if plain[place] and not is_often[place]:
                break
            if is_often[place]:
                is_kept[place] = False
    kept = [line for line, keep in zip(lines, is_kept, strict=True) if keep]
    gone = [line for line, keep in zip(lines, is_kept, strict=True) if not keep]
    return "\n".join(kept).strip("\n"), gone
