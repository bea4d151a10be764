"""Where the words of a text begin and end."""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple
from unicodedata import normalize

import regex

from endonym.cleaning.measures import is_unbroken
from endonym.script.letters import LETTER
from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.tokenizer.train import train_tokenizer

Spans = Callable[[str], list[tuple[int, int]]]
"""Where the words of a text begin and end."""
WORD = regex.compile(r"[\p{L}\p{M}\u200c\u200d]+(?:['’-][\p{L}\p{M}]+)*")
"""Letters with their signs; an apostrophe or a hyphen between letters parts no words."""
SAMPLE_CHARS = 100_000
PIECES = 8192
"""Of a script without blanks: what is looked at to tell, and pieces that stand for its words."""
DOTLESS = ("tr", "az", "crh", "gag")
"""Languages in which I is the capital of ı, and İ that of i."""
INSIDE = regex.compile(r"[ \u00a0\u200b,;]*")
NEXT = regex.compile(r"[ \u00a0\u200b]?")


def have_blanks(texts: Sequence[str]) -> bool:
    """Whether texts are in a script with blanks between words, by an even sample of them."""
    step = 1 + sum(map(len, texts)) // SAMPLE_CHARS
    return not is_unbroken("\n".join(texts[::step]))


def words_in(texts: Sequence[str]) -> Spans:
    """What finds the words of texts in this script.

    Where it writes no blanks between words, they are the pieces of two letters and more of a
    unigram model, trained on these texts.
    """
    if have_blanks(texts):
        return lambda text: [found.span() for found in WORD.finditer(text)]
    pieces = train_tokenizer(TokenizerConfig(kind="unigram", vocab=PIECES), lambda: iter(texts))
    return lambda text: _pieces(text, pieces)


def _pieces(text: str, tokenizer: Tokenizer) -> list[tuple[int, int]]:
    """Where the tokens of two letters and more stand, which begin and end between letters."""
    borders = {found.end() for found in LETTER.finditer(text)}
    ends = accumulate(int(tokenizer.char_counts[each]) for each in tokenizer.encode(text))
    places = pairwise([0, *(end for end in ends if end in borders)])
    return [(a, b) for a, b in places if b - a > 1 and WORD.fullmatch(text, a, b)]


class Place(NamedTuple):
    """A word in a text, from `begin` to `end`.

    word: how it is written, in NFC and with a straight apostrophe. is_inside: whether it follows
    another word of its sentence, so that a capital is its own. is_next: whether at most a blank is
    between the two.
    """

    word: str
    begin: int
    end: int
    is_inside: bool
    is_next: bool


def places(text: str, spans: Spans) -> Iterator[Place]:
    """The words of a text, in their order. spans: from `words_in`."""
    last = None
    for run in WORD.finditer(text):
        for begin, end in spans(run[0]):
            begin = run.start() + begin
            end = run.start() + end
            if word := as_listed(text[begin:end]):
                is_inside = last is not None and INSIDE.fullmatch(text, last, begin) is not None
                is_next = last is not None and NEXT.fullmatch(text, last, begin) is not None
                yield Place(word, begin, end, is_inside, is_next)
                last = end


def as_listed(word: str) -> str:
    """A word as word lists write it: NFC, a straight apostrophe, no joiner at its ends."""
    return normalize("NFC", word).replace("’", "'").strip("\u200c\u200d")


def in_lower_case(word: str, language: str) -> str:
    """A word in lower case, as its language has it.

    >>> in_lower_case("IŞIK", "tr"), in_lower_case("ÎN", "ro")
    ('ışık', 'în')
    """
    if language.split("-")[0] in DOTLESS:
        word = word.replace("I", "ı").replace("İ", "i")
    return word.lower()


def in_upper_case(word: str, language: str) -> str:
    """A word in upper case, as its language has it.

    >>> in_upper_case("istiyorum", "tr"), in_upper_case("în", "ro")
    ('İSTİYORUM', 'ÎN')
    """
    if language.split("-")[0] in DOTLESS:
        word = word.replace("i", "İ")
    return word.upper()
