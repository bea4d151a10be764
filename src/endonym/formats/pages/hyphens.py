"""Joins words that a line end has cut."""

from collections.abc import Iterable

import regex

HYPHEN = regex.compile(r"(?<=[\p{L}\p{M}])([-\u2010\u2011\u00ad\u00ac\ufffe\x02])\s*$")
SOFT = "\u00ad\u00ac\ufffe\x02"
"""Hyphens that stand only at line ends: soft ones, those of old prints, those that PDFium marks."""
LAST, FIRST = regex.compile(r"[\p{L}\p{M}'’]+$"), regex.compile(r"[\p{L}\p{M}'’]+")
WORD = regex.compile(r"[\p{L}\p{M}'’]+(?:[-\u2010\u2011][\p{L}\p{M}'’]+)*")
NO_BLANKS = r"[\p{Khmer}\p{Thai}\p{Lao}\p{Myanmar}\p{Han}\p{Hiragana}\p{Katakana}\p{Tibetan}]\p{M}*"
UNSPACED = (regex.compile(NO_BLANKS + "$"), regex.compile(NO_BLANKS))
MOST_WORDS = 500_000
TAIL_CHARS = 100
"""How much of two pieces of text is looked at where they meet."""


class Words:
    """The words of a document, by which a hyphen at a line end is judged."""

    def __init__(self) -> None:
        self.known = set[str]()

    def learn(self, lines: Iterable[str]) -> None:
        """The words of some lines, without those that line ends may have cut."""
        for line in lines:
            found = WORD.findall(line.casefold())
            if len(self.known) < MOST_WORDS:
                self.known.update(found[1:-1])

    def joined(self, before: str, after: str) -> tuple[str, str]:
        """Two pieces of a text that a line end has parted, as they stand one after the other."""
        before, after = before.rstrip(), after.lstrip()
        tail, head = before[-TAIL_CHARS:], after[:TAIL_CHARS]
        hyphen = HYPHEN.search(tail)
        if hyphen is None or not after[:1].isalpha():
            if UNSPACED[0].search(tail) and UNSPACED[1].match(head):
                return before, after
            return before, f" {after}"
        stem = tail[: hyphen.start()]
        if hyphen[1] in SOFT or not (after[0].isupper() or self.keeps_hyphen(stem, head)):
            return before[: len(before) - len(tail) + hyphen.start()], after
        return before, after

    def keeps_hyphen(self, stem: str, after: str) -> bool:
        """Whether the word has a hyphen elsewhere in the document, and is nowhere without it."""
        last, first = LAST.search(stem.casefold()), FIRST.match(after.casefold())
        if last is None or first is None or last[0] + first[0] in self.known:
            return False
        return f"{last[0]}-{first[0]}" in self.known
