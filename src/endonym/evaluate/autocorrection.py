"""How often the word that was meant is the first one that is given for typed keys, on unseen text.

Words of running text are typed on a plain QWERTY layout with one slip each, of a stated kind
(lexicon/typing_errors.py), or with none; accents are never typed. What stands before a word in its
document is known, as on a phone. Right is the word as the text has it, with its accents and its
capitals. A slip may make another right word: that counts like all others.

Beside the model stands what a dictionary does: the keys themselves if they are those of a word of
the training text, else the most frequent of the words that one slip lies between.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random
from string import ascii_lowercase
from typing import NamedTuple

import numpy as np

from endonym.data.typed_words import LAYOUT, SLIPS, WORD, keys_of
from endonym.evaluate.score import Interval, ratio
from endonym.lexicon.typing_errors import typing_error
from endonym.seed import named_seed

NO_SLIP = "none"
SHORTEST_WORD = 3
"""Letters of a word that is typed: of shorter ones most slips make another word."""
Correct = Callable[[str, str], str]
"""From the text before a word, and its keys, to the word that was meant."""


class Typing(NamedTuple):
    """A word that was typed. document: the number of its text. context: what stands before it."""

    document: int
    context: str
    keys: str
    word: str
    kind: str


def planted_typings(texts: Sequence[str], count: int, seed: int) -> list[Typing]:
    """So many typings of each kind, and as many without a slip, of words that are drawn evenly.

    Fewer if the texts have fewer words; no word is typed twice.
    """
    random = Random(named_seed(seed, "planted typings"))
    words = [
        (number, found.start(), found[0])
        for number, text in enumerate(texts)
        for found in WORD.finditer(text)
        if len(found[0]) >= SHORTEST_WORD and keys_of(found[0]) is not None
    ]
    random.shuffle(words)
    left, made = Counter(dict.fromkeys((NO_SLIP, *SLIPS), count)), list[Typing]()
    for number, start, word in words:
        kind = max(left, key=left.__getitem__)
        if not left[kind]:
            break
        right = keys_of(word) or ""
        keys = right if kind == NO_SLIP else typing_error(right, kind, LAYOUT, random)
        if keys is not None:
            left[kind] -= 1
            made.append(Typing(number, texts[number][:start], keys, word, kind))
    return made


def right_words(typings: Sequence[Typing], correct: Correct) -> dict[str, Interval]:
    """The share of typings whose word is given, of each kind, and of all slips as "slips".

    Intervals are over documents.
    """
    right = [correct(each.context, each.keys) == each.word for each in typings]
    kinds = {kind: (kind,) for kind in (NO_SLIP, *SLIPS)} | {"slips": tuple(SLIPS)}
    return {
        name: _share([(t.document, r) for t, r in zip(typings, right, strict=True) if t.kind in of])
        for name, of in kinds.items()
    }


def _share(found: Sequence[tuple[int, bool]]) -> Interval:
    """The share of what is true, and its interval over documents."""
    documents = np.array([document for document, _ in found], dtype=np.int64)
    is_right = np.array([right for _, right in found], dtype=np.float64)
    return ratio(is_right, np.ones(len(found), dtype=np.int64), groups=documents).within(0, 1)


class NearestWords:
    """Gives the most frequent word of some texts that is at most one slip away from the keys."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.forms = defaultdict[str, Counter[str]](Counter[str])
        for text in texts:
            for found in WORD.finditer(text):
                if (keys := keys_of(found[0])) is not None:
                    self.forms[keys][found[0]] += 1

    def __call__(self, context: str, keys: str) -> str:
        """The word; the keys themselves if none is near."""
        near = [keys] if keys in self.forms else {*one_slip_away(keys)} & self.forms.keys()
        best = max(sorted(near), key=lambda each: self.forms[each].total(), default=None)
        return keys if best is None else self.forms[best].most_common(1)[0][0]


def one_slip_away(keys: str) -> Iterator[str]:
    """All keys that one more, one less, another one, or two in the other order would make."""
    for at in range(len(keys) + 1):
        before, after = keys[:at], keys[at:]
        yield from (before + key + after for key in ascii_lowercase)
        if after:
            yield before + after[1:]
            yield from (before + key + after[1:] for key in ascii_lowercase)
    for at in range(len(keys) - 1):
        yield keys[:at] + keys[at + 1] + keys[at] + keys[at + 2 :]
