"""Tells running text, such as an article, a novel or a play, from lists and collections of texts.

Plain text is divided at lines or empty lines at first. Those of a running text divide paragraphs,
which belong together.
"""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import regex

from endonym.formats.config import Source
from endonym.formats.readers.plain import VISIBLE
from endonym.script.scripts import SENTENCE_ENDS
from endonym.survey.format_guess import CLOSED, margin_of

SPOKEN = re.compile('[—–―-] *[^\\W\\d]|[«„“”"]')
SPOKEN_SHARE = 0.05
"""How paragraphs begin that a person says, and the least share of them in a novel."""
NAMED = re.compile(r"[\n.:(]")
SAME_NAME = 5
NAMED_SHARE = 0.3
"""What ends the name of a speaker, of how many blocks, and of what share of a play."""
MOST_OF_NAME = 40
END = regex.compile(rf"[{SENTENCE_ENDS}]+[\p{{Pe}}\p{{Pf}}\"]*(?=\s|$)")
PROSE_SHARE = 0.25
"""The least share of the lines of prose with two sentences: stories have from 0.25, lists of
sentences up to 0.16, poems 0.02."""
STEM = regex.compile(r"\b[\p{L}\p{M}]{4,5}")
"""The beginning of a word that is long enough to say what a text is about."""
LEAST_STEMS = 8
GOES_ON = 0.6
"""Stems of a block that is compared. The first half of an independent text shares 0.2 to 0.5 times
as many of them with the text before as with its own second half; in novels 0.5 to 1.3 times."""


def is_running(source: Source, texts: Sequence[str]) -> bool:
    """Whether documents of plain text are paragraphs of one text, or lines of a play.

    Many begin with one of a few names; or some are what a person says; or they are prose of several
    sentences each without titles, and go on with words of those before.
    """
    are_lines = source.document == "line" and source.column is None
    if not are_lines and (source.document, source.blank_lines) != ("blank_lines", 1):
        return False
    texts = [text.strip() for text in texts]
    # A line that is repeated, such as a command, is no other speech.
    speeches = [text for text in dict.fromkeys(texts) if NAMED.search(text)]
    heads = Counter(NAMED.split(text, maxsplit=1)[0].strip() for text in speeches)
    names = [
        count
        for head, count in heads.items()
        if head[:1].isalpha() and len(head) <= MOST_OF_NAME and count >= SAME_NAME
    ]
    if len(names) > 1 and sum(names) >= NAMED_SHARE * len(texts):
        return True
    if are_lines:
        return False
    n_spoken = sum(SPOKEN.match(text) is not None for text in texts)
    return n_spoken >= SPOKEN_SHARE * len(texts) or (is_prose(texts) and not are_independent(texts))


def is_prose(texts: Sequence[str]) -> bool:
    """Whether these blocks are paragraphs of several sentences, and have no titles of their own."""
    lines = [line for text in texts for line in text.split("\n") if VISIBLE.search(line)]
    if margin_of(lines):
        lines = [" ".join(text.split()) for text in texts]
    else:
        firsts = [text.partition("\n") for text in texts]
        titled = sum(bool(rest) and not CLOSED.search(first) for first, _, rest in firsts)
        if 2 * titled >= len(texts):
            return False
    n_prose = sum(len(END.findall(line)) > 1 for line in lines)
    return len(texts) > 1 and n_prose >= PROSE_SHARE * len(lines)


def are_independent(texts: Sequence[str]) -> bool:
    """Whether blocks share fewer words with their neighbours than within themselves.

    So many fewer that it is no chance: few short blocks are taken to belong together.
    """
    stems = [STEM.findall(text.lower()) for text in texts]
    halves = [
        (set(each[: len(each) // 2]), set(each[len(each) // 2 :]))
        for each in stems
        if len(each) >= LEAST_STEMS
    ]
    within = sum(len(first & second) for first, second in halves[1:])
    between = sum(len(last & first) for (_, last), (first, _) in pairwise(halves))
    return between + 1.5 * (between + 4) ** 0.5 < GOES_ON * within
