"""Whether the text of a page is text: what broken and legacy fonts decode to is not.

A PDF names glyphs, and a table in it says which character each stands for. If the table is missing
or wrong, letters become signs, accented letters or characters without a meaning. This shows in
statistics that hold for every language: what stands within a word, and which letters there are.
"""

import re
from collections.abc import Sequence
from typing import Any

import regex

from endonym.disk import packaged_tables

JUDGED_CHARS = 20_000
LEAST_WORDS = 8
LEAST_LATIN = 20
"""Pages with fewer words are judged only by characters without a meaning, and those with fewer
letters not by their accents."""
UNDECODED = regex.compile(r"[\p{Co}\p{Cn}\uFFFD]|[\p{Cc}--\n\r\t\f\v]", regex.V1)
RUN = regex.compile(r"([^\p{L}\p{M}\p{N}])(?:\s?\1)+")
SIGNS = regex.compile(r"[\p{P}\p{S}]+")
LETTER = regex.compile(r"\p{L}")
WITHIN = r"[!\"#$%*<>=?\\^{|}~§¶°ªº¤¦¨¬¯±´¸¹²³¼½¾×÷«»„“”‹›€‡†]"
ODD = regex.compile(rf"\p{{Ll}}\p{{Lu}}|\p{{L}}\p{{M}}*{WITHIN}{{1,3}}\p{{L}}")
BEFORE = regex.compile(r"[ªº¤¦¬±¼½¾¹²³÷×¨¯´¸]\p{L}")
LATIN = regex.compile(r"\p{Script=Latin}+")
PLAIN_LATIN = re.compile("[A-Za-z]+")
OTHERS = r"[\p{Cyrillic}\p{Greek}\p{Armenian}\p{Hebrew}\p{Arabic}\p{Thai}\p{Khmer}]"
ARABIC = regex.compile(r"\p{Arabic}")
FEW_LETTERS = 3
LEAST_LINES = 20
"""Lines with so few letters may be pieces of words; pages with fewer lines are not judged by it."""
BESIDE = 0.5
"""Of the size of letters: pieces of a line are nearer to each other. Cells of a table are not."""
MIXED = regex.compile(rf"\p{{Latin}}\p{{M}}*{OTHERS}|{OTHERS}\p{{M}}*\p{{Latin}}")

UNNAMED = "characters without a meaning"
TORN = "words torn into lines"
WITHIN_WORDS = "capitals or signs within words"
LEAST_OWN = 0.05
STRICTER = 5
"""With fewer letters of its script a page shows another language, or an old font that writes the
script in Latin letters; then so many times smaller a share of odd words is enough."""
LIMITS = packaged_tables("endonym.formats.pages", "page_quality.toml")
"""The share of a page's words or characters from which on it is not text."""


def quality(
    text: str, script: str | None = None, boxes: Sequence[Sequence[float]] = ()
) -> tuple[float, str]:
    """How much a page is text, from 0 to 1 (0.5 is the least), and the worst sign against it.

    boxes: of each line its left edge, base line, right edge, top, and the size of its letters.
    script: that of the language, in which the text is expected. A text that is nearly all in Latin
    letters instead is judged more strictly.
    """
    text = text[:JUDGED_CHARS]
    shares = measures(text, boxes)
    limits = LIMITS
    if script not in (None, "latin"):
        n_letters = len(LETTER.findall(text))
        n_latin = letters(LATIN, text)
        n_own = len(regex.findall(rf"(?=\p{{L}})\p{{Script={script}}}", text))
        if n_latin > LEAST_LATIN and n_own < LEAST_OWN * n_letters and n_latin > n_letters / 2:
            limits = LIMITS | {WITHIN_WORDS: LIMITS[WITHIN_WORDS] / STRICTER}
    worst = max(shares, key=lambda name: shares[name] / limits[name], default="")
    badness = shares[worst] / limits[worst] if worst else 0.0
    return max(0.0, 1 - badness / 2), worst


def measures(text: str, boxes: Sequence[Sequence[float]] = ()) -> dict[str, float]:
    """The share of a page that shows each sign of a broken font; nothing for a short page."""
    visible = "".join(text.split())
    shorter = RUN.sub(r"\1", text)
    words = max(1, sum(LETTER.search(word) is not None for word in shorter.split()))
    undecoded = {UNNAMED: len(UNDECODED.findall(text)) / max(1, len(visible))}
    if words < LEAST_WORDS and len(visible) < 5 * LEAST_WORDS:
        return undecoded if len(visible) > LEAST_WORDS else {}
    latin = letters(LATIN, text)
    accented = latin - letters(PLAIN_LATIN, text)
    return undecoded | {
        "signs instead of letters": letters(SIGNS, shorter) / max(1, len("".join(shorter.split()))),
        WITHIN_WORDS: len(ODD.findall(shorter)) / words,
        "signs of an old font before letters": len(BEFORE.findall(shorter)) / words,
        "accents on most letters": accented / latin if latin > LEAST_LATIN else 0.0,
        TORN: torn_lines(text, boxes),
        "two scripts within words": len(MIXED.findall(shorter)) / words,
    }


def torn_lines(text: str, boxes: Sequence[Sequence[float]]) -> float:
    """The share of lines in Arabic letters that are few letters of a torn line: of Nastaliq, PDFium
    makes lines of one and two letters, as these stand at different heights."""
    lines = [
        (len(LETTER.findall(line)) <= FEW_LETTERS, box)
        for line, box in zip(text.split("\n"), boxes, strict=False)
        if ARABIC.search(line)
    ]
    neighbours = zip([None, *lines], lines, [*lines[1:], None], strict=False)
    n_torn = sum(
        is_short and any(each and is_beside(box, each[1]) for each in (before, after))
        for before, (is_short, box), after in neighbours
    )
    return n_torn / len(lines) if len(lines) >= LEAST_LINES else 0.0


def is_beside(box: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two lines are pieces of one: at about the same height, and near to each other."""
    left, base, right, _, size = box
    gap = max(left - other[2], other[0] - right)
    return abs(base - other[1]) < size and gap < BESIDE * size


def letters(pattern: Any, text: str) -> int:
    """How many characters the matches of a pattern have together."""
    return sum(map(len, pattern.findall(text)))
