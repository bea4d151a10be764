"""Key presses that suggestions save on unseen text, and how often the next word is among them.

A document is typed from its start. A key press writes a letter with its signs, a blank or another
sign. Whoever types takes the right suggestion as soon as it is shown, before the first letter of a
word or after any; that is one key press, which writes the rest of the word and the blank behind it.
Saved are (key presses without - key presses with) / key presses without: the keystroke savings of
Trnka and McCoy (2008), here over all key presses of the text, not over its letters alone.

Where blanks part words, a suggestion is right if it is the whole word. In scripts without blanks it
is right if the text goes on with it, up to the end of a letter.

Beside the model stand two that count words of the training text, as dictionaries of keyboards do:
the most frequent words that begin with the letters typed, and pairs of words, from which they back
off to the most frequent ones. Words of scripts without blanks are the tokenizer's pieces there.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from functools import lru_cache
from heapq import nlargest
from itertools import islice, pairwise

import regex

from endonym.evaluate.typing_scores import LETTERS_TYPED, MOST_SHOWN, SHOWN, Typed
from endonym.generate.suggest import (
    WORD,
    Suggestion,
    begin_of_last_word,
    ends_at,
    is_unbroken,
    openings,
)
from endonym.script.letters import LETTER
from endonym.tokenizer.tokenizer import Tokenizer

OPENS = regex.compile(r"[\p{Ps}\p{Pi}\"'’-]\Z")
"""A sign behind which a word follows without a blank."""
Suggest = Callable[[str], Sequence[Suggestion]]
"""From a text to what is shown: at most MOST_SHOWN suggestions."""


def type_out(text: str, suggest: Suggest) -> Typed:
    """Type one document with one, three and five suggestions shown."""
    shown = lru_cache(maxsize=None)(lambda end: [*suggest(text[:end])])
    ends = [0, *(each.end() for each in LETTER.finditer(text))]
    presses = {
        count: sum(1 for _ in _reached(text, ends, lambda end, n=count: shown(end)[:n]))
        for count in SHOWN
    }
    words = Counter[int]()
    first = Counter[int]()
    three = Counter[int]()
    for found in WORD.finditer(text):
        letters = [0, *(each.end() for each in LETTER.finditer(found[0]))]
        for count in () if is_unbroken(found[0]) else LETTERS_TYPED:
            if count < len(letters) - 1:
                now = [each.word for each in shown(found.start() + letters[count])]
                words[count] += 1
                first[count] += found[0] in now[:1]
                three[count] += found[0] in now[:3]
    return Typed(len(ends) - 1, presses, words, first, three)


def _reached(
    text: str, ends: Sequence[int], shown: Callable[[int], Sequence[Suggestion]]
) -> Iterator[int]:
    """How far the text is written after each key press. ends: of its letters."""
    letters = {end: n for n, end in enumerate(ends)}
    end = 0
    while end < len(text):
        by_key = ends[letters[end] + 1]
        taken = [_taken(text, end, each) for each in shown(end)]
        end = max((each for each in taken if each in letters), default=0)
        end = max(end, by_key)
        yield end


def _taken(text: str, end: int, suggestion: Suggestion) -> int:
    """How far a text is right if a suggestion is taken; 0 if it does not go on like that."""
    after = end + len(suggestion.rest)
    if not text.startswith(suggestion.rest, end):
        return 0
    if is_unbroken(suggestion.word):
        return after
    return (after + text.startswith(" ", after)) if ends_at(text, after) else 0


def beginnings(texts: Iterable[str], letters: int, longest: int) -> list[str]:
    """The first texts until there are about so many letters, of each `longest` letters at most."""
    chosen = list[str]()
    left = letters
    for text in texts:
        if left <= 0:
            break
        ends = [each.end() for each in islice(LETTER.finditer(text), longest)]
        if ends:
            chosen.append(text[: ends[-1]])
            left -= len(ends)
    return chosen


class FrequentWords:
    """The most frequent words of a text that begin with the letters typed.

    Those that have followed the word before come first: a word's score is the share of it behind
    that word, or else its share of all words times 0.4 (Brants et al. 2007, "stupid back-off").
    """

    def __init__(self, texts: Iterable[str], tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.counts = Counter[str]()
        self.followers = defaultdict[str, Counter[str]](Counter[str])
        for text in texts:
            for before, word in pairwise(["", *words_of(text, tokenizer)]):
                self.counts[word] += 1
                if before and word:
                    self.followers[before][word] += 1
        del self.counts[""]
        self.total = self.counts.total()
        self.sorted = sorted(self.counts)
        self.likeliest = lru_cache(maxsize=1 << 12)(self._likeliest)

    def without_pairs(self) -> "FrequentWords":
        """The same words, without pairs of them."""
        other = copy(self)
        other.followers = defaultdict[str, Counter[str]](Counter[str])
        return other

    def __call__(self, text: str) -> list[Suggestion]:
        """The words that are shown after a text."""
        begin = begin_of_last_word(text, self.tokenizer)
        opening, *after_sign = openings(text, begin)
        if after_sign and not OPENS.search(text):
            (opening,) = after_sign
        typed = opening.removeprefix(" ")
        scores = {word: 0.4 * self.counts[word] / self.total for word in self.likeliest(typed)}
        *_, before = "", *words_of(text[:begin], self.tokenizer)
        followers = self.followers.get(before, Counter[str]())
        for word, n in followers.items():
            if word.startswith(typed) and word != typed:
                scores[word] = n / followers.total()
        best = nlargest(MOST_SHOWN, scores, key=scores.__getitem__)
        blank = opening[: len(opening) - len(typed)] if begin == len(text) else ""
        rests = [blank + word[len(typed) :] for word in best]
        return [Suggestion(*each, scores[each[0]]) for each in zip(best, rests, strict=True)]

    def _likeliest(self, typed: str) -> list[str]:
        """The most frequent words that are longer than what is typed, and begin with it."""
        begin = bisect_left(self.sorted, typed)
        end = bisect_left(self.sorted, typed + chr(0x10FFFF)) if typed else len(self.sorted)
        longer = (word for word in self.sorted[begin:end] if word != typed)
        return nlargest(MOST_SHOWN, longer, key=self.counts.__getitem__)


def words_of(text: str, tokenizer: Tokenizer) -> list[str]:
    """The words of a text; "" where something else than a blank stands between two of them.

    In scripts without blanks they are tokens.
    """
    found = list[str]()
    end = 0
    for word in WORD.finditer(text):
        if text[end : word.start()] not in ("", " "):
            found.append("")
        end = word.end()
        if is_unbroken(word[0]):
            found += [piece for piece, _ in tokenizer.pieces(tokenizer.encode(word[0]))]
        else:
            found.append(word[0])
    return [*found, ""] if text[end:] not in ("", " ") else found
