"""Short sentences of texts: those without a run of twenty letters, by which longer ones are known.

A sentence ends at a sign that ends sentences, at the end of a line or of the text.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from endonym.copies.hashes import Indices, Numbers
from endonym.copies.letters import placed, sums
from endonym.script.fold import PORTION_CHARS, decomposed, portions, replacements
from endonym.script.scripts import SENTENCE_ENDS, table

LEAST, LIMIT = 8, 20
"""A short sentence has at least so many folded letters, and fewer than so many."""
ENDS = rf"[\0\n\r\u2028\u2029{SENTENCE_ENDS}]"
SEED = 5

Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]


class Sentences(NamedTuple):
    """Short sentences in order: the text of each, its place among the letters there, its size."""

    hashes: Numbers
    texts: Indices
    places: Indices
    sizes: Indices

    def at(self, chosen: Indices | Flags) -> "Sentences":
        """Some of them."""
        return Sentences(
            self.hashes[chosen], self.texts[chosen], self.places[chosen], self.sizes[chosen]
        )

    def within(self, text: int, first: int, size: int) -> "Sentences":
        """Those that stand wholly in a stretch of a text; places from its beginning."""
        a, b = np.searchsorted(self.texts, [text, text + 1])
        ends = self.places[a:b] + self.sizes[a:b]
        stays = a + np.flatnonzero((self.places[a:b] >= first) & (ends <= first + size))
        found = self.at(stays)
        return found._replace(places=found.places - first)


@functools.cache
def sentence_ends() -> Flags:
    """For every code point, whether a sentence ends there."""
    return table(ENDS)


def short_sentences(texts: Sequence[str]) -> Sentences:
    """The short sentences of texts. A sentence of a text of a million letters may be cut in two."""
    found: list[Sentences] = []
    short = [text if len(text) <= PORTION_CHARS else "" for text in texts]
    found.append(_of_whole(short)[0])
    for number, text in enumerate(texts):
        before = 0
        for portion in portions(text) if len(text) > PORTION_CHARS else ():
            some, letters = _of_whole([portion])
            found.append(some._replace(texts=some.texts + number, places=some.places + before))
            before += letters
    every = Sentences(
        np.concatenate([each.hashes for each in found]),
        np.concatenate([each.texts for each in found]),
        np.concatenate([each.places for each in found]),
        np.concatenate([each.sizes for each in found]),
    )
    return every.at(np.argsort(every.texts, kind="stable"))


def _of_whole(texts: Sequence[str]) -> tuple[Sentences, int]:
    """The short sentences of texts that are folded at once, and the letters of all."""
    joined = "\0".join(text.replace("\0", " ") for text in texts).replace("፡፡", "።")
    codes = np.frombuffer(decomposed(joined).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    letters = replacements()[codes]
    kept = np.flatnonzero(letters)
    numbers = np.cumsum(sentence_ends()[codes], dtype=np.int64)[kept]
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    sizes = np.diff(starts, append=len(kept))
    within = np.arange(len(kept)) - np.repeat(starts, sizes)
    hashes = sums(placed(letters[kept], within, SEED), np.append(starts, len(kept)))
    ends = np.flatnonzero(codes == 0)
    owners = np.searchsorted(ends, kept[starts])
    firsts = np.append(0, np.searchsorted(kept, ends))
    every = Sentences(hashes, owners, starts - firsts[owners], sizes)
    return every.at((sizes >= LEAST) & (sizes < LIMIT)), len(kept)
