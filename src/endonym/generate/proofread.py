"""Words of a text that are probably wrong, with corrections.

The model reads the text once. Words that are not known, or that surprise it much, are looked at:
each near word (lexicon/edits.py) is put in the place of the written one, and the model reads the
words around it again. A correction is worth the bits that the text loses by it, minus the cost of
the typing error. A word is found wrong if its best correction is worth a threshold, which is chosen
on development text with planted errors (evaluate/planted_errors.py).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from endonym.batching import in_batches
from endonym.generate.language_model import LanguageModel
from endonym.generate.reading import read_nats
from endonym.lexicon.known_words import KnownWords, Written
from endonym.script.letters import around

LEAST_BITS_UNKNOWN = 12.0
LEAST_BITS = 20.0
"""Surprise from which on a word is looked at: one that is not known, and a known one. In scripts
without blanks, where letters stand for words, half of it."""
CANDIDATES = 5
SHOWN = 3
"""Near words that are put in a word's place, and corrections that are shown of them."""
BEFORE = 80
AFTER = 30
"""Characters around a word that are read with each candidate; whole words."""
GROUP_CHARS = 20_000
"""So much text is checked at a time."""
MOST_UNKNOWN = 0.55
WORDS_OF_TEXT = 20
WORDS_OF_LINE = 8
"""A line of WORDS_OF_LINE words or more is taken to be in another language if a larger share of
them is unknown; so are the other lines together, if they have WORDS_OF_TEXT words or more."""


class Correction(NamedTuple):
    """A word that may have been meant, and what it is worth in bits."""

    word: str
    bits: float


class Finding(NamedTuple):
    """A word that is probably wrong, `text[begin:end]`, with corrections, the best first."""

    begin: int
    end: int
    word: str
    corrections: tuple[Correction, ...]


class Line(NamedTuple):
    """A line of one of several texts, by its number, and where it begins there."""

    text: str
    number: int
    begin: int


@dataclass
class Proofreader:
    """Finds words that are probably wrong.

    words: those that a text may have. threshold: bits that the best correction must be worth.
    most_unknown: the largest share of unknown words of a text in this language.
    """

    model: LanguageModel
    words: KnownWords
    threshold: float
    most_unknown: float = MOST_UNKNOWN

    def check(self, text: str) -> list[Finding]:
        """The words of a text that are probably wrong, in their order.

        The model reads each line alone. Lines in another language are not judged; `check_known`
        says how that is told, for which all lines count together.
        """
        return self.check_known(text)[0]

    def check_known(self, text: str) -> tuple[list[Finding], int]:
        """The same, and how many lines were not judged since they are in another language.

        A line of WORDS_OF_LINE words or more is in another language if too many of its words are
        unknown. The other lines are counted together: if they have WORDS_OF_TEXT words or more, and
        too many of these are unknown, no line is judged.
        """
        lines = text.split("\n")
        shares = [self.words.unknown_share(line) for line in lines]
        foreign = [self._is_foreign(*share, WORDS_OF_LINE) for share in shares]
        others = [
            share for share, is_foreign in zip(shares, foreign, strict=True) if not is_foreign
        ]
        unknown, words = (sum(each) for each in zip((0, 0), *others, strict=True))
        if self._is_foreign(unknown, words, WORDS_OF_TEXT):
            foreign = [bool(line.strip()) for line in lines]
        shown = [
            " " * len(line) if is_foreign else line
            for line, is_foreign in zip(lines, foreign, strict=True)
        ]
        return self.check_many(["\n".join(shown)])[0], sum(foreign)

    def _is_foreign(self, unknown: int, words: int, least: int) -> bool:
        """Whether a text of so many words at least seems to be in another language."""
        return words >= least and unknown > self.most_unknown * words

    def check_many(self, texts: Sequence[str]) -> list[list[Finding]]:
        """The words of each text that are probably wrong, whatever its language.

        That is faster than one text by one."""
        return [
            [each for each in found if each.corrections[0].bits >= self.threshold]
            for found in self.judge_many(texts)
        ]

    def judge_many(self, texts: Sequence[str]) -> list[list[Finding]]:
        """All words of texts that are looked at, also those that are probably right.

        Each has a correction at least.
        """
        lines = list[Line]()
        for number, text in enumerate(texts):
            begin = 0
            for line in text.split("\n"):
                if line.strip():
                    lines.append(Line(line, number, begin))
                begin += len(line) + 1
        found: list[list[Finding]] = [[] for _ in texts]
        for group in in_batches(lines, lambda line: len(line.text), GROUP_CHARS):
            for number, finding in self._judge(group):
                found[number].append(finding)
        return found

    def _judge(self, lines: Sequence[Line]) -> Iterator[tuple[int, Finding]]:
        """The words of some lines that are looked at, each with the number of its text."""
        looked = [*self._looked_at(lines)]
        near = [self.words.near(text[begin:end], CANDIDATES) for (text, *_), begin, end in looked]
        asked = [
            in_place(line.text, begin, end, word)
            for (line, begin, end), words in zip(looked, near, strict=True)
            for word in ([line.text[begin:end], *(each.word for each in words)] if words else [])
        ]
        bits = iter(self._bits(asked))
        for (line, begin, end), words in zip(looked, near, strict=True):
            if words:
                own = next(bits)
                worth = [Correction(each.word, own - next(bits) - each.cost) for each in words]
                first, *others = sorted(worth, key=lambda each: -each.bits)[:SHOWN]
                best = [first, *(each for each in others if each.bits > 0)]
                place = line.begin + begin, line.begin + end
                yield line.number, Finding(*place, line.text[begin:end], tuple(best))

    def _looked_at(self, lines: Sequence[Line]) -> Iterator[tuple[Line, int, int]]:
        """The words of lines that surprise the model, each with its line and its place there."""
        scale = 1.0 if self.words.has_blanks else 0.5
        for line, words in zip(lines, self._surprise([each.text for each in lines]), strict=True):
            for (begin, end, word), bits in words:
                least = LEAST_BITS if self.words.knows(word) else LEAST_BITS_UNKNOWN
                if bits >= scale * least:
                    yield line, begin, end

    def _surprise(self, lines: Sequence[str]) -> Iterator[list[tuple[Written, float]]]:
        """The words of each line, each with its bits under the model."""
        tokenizer = self.model.tokenizer
        ids = tokenizer.encode_many(lines)
        nats = read_nats(self.model.decoder, ids, tokenizer.document_start)
        for line, row, lost in zip(lines, ids, nats, strict=True):
            sums = np.concatenate(([0.0], np.cumsum(lost))) / math.log(2)
            ends = np.cumsum(tokenizer.byte_counts[row])
            byte = byte_places(line)
            yield [
                (word, float(sums[last + 1] - sums[first]))
                for word in self.words.written(line)
                for first in [np.searchsorted(ends, byte[word.begin], "right")]
                for last in [np.searchsorted(ends, byte[word.end], "left")]
            ]

    def _bits(self, texts: Sequence[str]) -> list[float]:
        """Bits of each text; one that comes several times is read once."""
        once = [*dict.fromkeys(texts)]
        tokenizer = self.model.tokenizer
        ids = tokenizer.encode_documents(once)
        nats = read_nats(self.model.decoder, ids, tokenizer.document_start)
        found = dict(zip(once, (float(each.sum()) / math.log(2) for each in nats), strict=True))
        return [found[text] for text in texts]


def in_place(line: str, begin: int, end: int, word: str) -> str:
    """What stands around a word of a line, with another word in its place."""
    part = around(line, begin - BEFORE, end + AFTER)
    return line[part.start : begin] + word + line[end : part.stop]


def byte_places(text: str) -> NDArray[np.int64]:
    """Where each character of a text begins in UTF-8, and where the text ends."""
    sizes = [len(each.encode("utf-8", "surrogatepass")) for each in text]
    return np.concatenate(([0], np.cumsum(sizes, dtype=np.int64)))
