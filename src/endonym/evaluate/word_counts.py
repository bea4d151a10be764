"""The words of sentences, and how often they and their neighbours stand in a text."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from unicodedata import normalize

import regex

from endonym.script.letters import LETTER
from endonym.script.scripts import SENTENCE_ENDS

Three = tuple[str, str, str]
CLOSING = r"[\"'\p{Pe}\p{Pf}]"
SIGN_OF_END = rf"[{SENTENCE_ENDS}]{CLOSING}{{0,3}}"
WITH_BLANK = r"[.!?…]"
"""Signs behind which a sentence ends only where a blank follows; behind others it always does."""
SENTENCE_END = regex.compile(
    rf"(?<={WITH_BLANK}{CLOSING}{{0,3}})(?<!\b(?:\p{{L}}|\p{{Lu}}\p{{Ll}}{{1,2}})\.)"
    rf"\s+(?=[^\p{{Ll}}\p{{N}}])"
    rf"|(?<=(?!{WITH_BLANK}){SIGN_OF_END})(?![{SENTENCE_ENDS}]|{CLOSING})|\n+"
)
"""After a sign that ends a sentence; after a point not where a small letter or a digit follows, or
behind an initial or a title ("Dl."): a sentence too long is better than half of one."""
WHOLE = regex.compile(rf"{SIGN_OF_END}\Z")
STEM = 3
ENDING = 2
SHORT = 3
"""Letters that stand for how a word begins and ends; a word of SHORT ones is its own ending."""
OFTEN = 3
"""How often a word, or three letters, must stand in a text to be known."""


def sentences_of(text: str) -> Iterator[str]:
    """The sentences of a text. Some abbreviations end one too."""
    return filter(None, map(str.strip, SENTENCE_END.split(text)))


def whole_sentences(texts: Iterable[str], like: Sequence[str]) -> list[str]:
    """The texts that end with the sign of a sentence; all if most of the other texts do not.

    Headings and what an abbreviation has cut off are none.
    """
    if 2 * sum(WHOLE.search(each) is not None for each in like) <= len(like):
        return [*texts]
    return [each for each in texts if WHOLE.search(each)]


@dataclass(slots=True)
class WordCounts:
    """How often words, neighbours, endings of neighbours and threes of letters stand in a text.

    whole: the text itself, where words are pieces of it. Then a word may stand in it that was not
    counted as one.
    """

    whole: str = ""
    words: Counter[str] = field(default_factory=Counter)
    neighbours: Counter[tuple[str, str]] = field(default_factory=Counter)
    endings: Counter[tuple[str, str]] = field(default_factory=Counter)
    n_neighbours: int = 0
    firsts: Counter[str] = field(default_factory=Counter)
    seconds: Counter[str] = field(default_factory=Counter)
    threes: Counter[Three] = field(default_factory=Counter)
    between: dict[tuple[str, str], list[str]] = field(
        default_factory=lambda: defaultdict[tuple[str, str], list[str]](list)
    )
    """The letters that stand between two others often enough."""
    stems: dict[str, list[str]] = field(default_factory=lambda: defaultdict[str, list[str]](list))
    """The known words by their first letters."""

    @classmethod
    def of(cls, sentences: Iterable[Sequence[str]], whole: str = "") -> "WordCounts":
        """Count sentences, each as its words in lower case."""
        counts = cls(whole)
        for words in sentences:
            counts.words.update(words)
            counts.neighbours.update(pairwise(words))
        counts.n_neighbours = counts.neighbours.total()
        for (one, other), n in counts.neighbours.items():
            first = ending(one)
            second = ending(other)
            counts.endings[first, second] += n
            counts.firsts[first] += n
            counts.seconds[second] += n
        for word, n in counts.words.items():
            for three in threes(word):
                counts.threes[three] += n
            if n >= OFTEN:
                counts.stems[stem(word)].append(word)
        for left, middle, right in sorted(counts.threes):
            if counts.threes[left, middle, right] >= OFTEN:
                counts.between[left, right].append(middle)
        return counts

    def likes(self, *row: str) -> float:
        """How much likelier words that end as these stand in a row than by chance, in nats."""
        nats = 0.0
        for one, other in pairwise(map(ending, row)):
            chance = self.firsts[one] * self.seconds[other] / max(1, self.n_neighbours)
            nats += math.log((self.endings[one, other] + 0.5) / (chance + 0.5))
        return nats

    def knows(self, *words: str) -> bool:
        """Whether each of these words is frequent."""
        return all(self.words[word] >= OFTEN for word in words)

    def has_seen(self, row: Sequence[str], but: Sequence[str] = ()) -> bool:
        """Whether any two neighbours of a row are neighbours in the text, or its only word is.

        but: another row, whose neighbours do not count.
        """
        if len(row) == 1:
            return row[0] in self.words or row[0] in self.whole
        return any(pair in self.neighbours for pair in {*pairwise(row)} - {*pairwise(but)})

    def is_made_of_words(self, text: str) -> bool:
        """Whether a text is nothing but known words, one behind the other."""
        ends = {0}
        for end in range(2, len(text) + 1):
            if any(self.knows(text[begin:end]) for begin in ends):
                ends.add(end)
        return len(text) in ends

    def beginning_as(self, word: str) -> Sequence[str]:
        """The known words with the same first letters."""
        return self.stems.get(stem(word), ())

    def near_word(self, word: str) -> str | None:
        """A known word with another letter inside: no word of this text, but spelled most like one.

        Its rarest three letters are the most frequent. The letter differs by more than a sign: of a
        letter with a cedilla and one with a comma below one is no fault. Where words are pieces of
        a text, several known ones in a row are no fault, either.
        """
        letters = LETTER.findall(word)
        if not has_inside(word) or not self.knows(word):
            return None
        made = {
            "".join([*letters[:place], other, *letters[place + 1 :]])
            for place in range(1, len(letters) - 1)
            for other in self.between.get((letters[place - 1], letters[place + 1]), ())
            if normalize("NFD", other)[0] != normalize("NFD", letters[place])[0]
        }
        likely = {
            each: min(self.threes[three] for three in threes(each))
            for each in sorted(made - self.words.keys())
            if not (self.whole and self.is_made_of_words(each))
        }
        best = max(likely, key=likely.__getitem__, default="")
        return best if best and likely[best] >= OFTEN else None


def has_inside(word: str) -> bool:
    """Whether a word is long enough, so that another letter inside leaves it like a word."""
    return len(word) > SHORT <= len(LETTER.findall(word))


def stem(word: str) -> str:
    """The first letters of a word."""
    return "".join(LETTER.findall(word)[:STEM])


def ending(word: str) -> str:
    """How a word ends; a short one is its own ending."""
    letters = LETTER.findall(word)
    return word if len(letters) <= SHORT else "-" + "".join(letters[-ENDING:])


def threes(word: str) -> list[Three]:
    """The threes of neighbouring letters of a word, its borders among them."""
    letters = ["^", *LETTER.findall(word), "$"]
    return [*zip(letters, letters[1:], letters[2:], strict=False)]
