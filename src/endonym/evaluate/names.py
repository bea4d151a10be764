"""Which names a text keeps: whether who is told of at its beginning is there later on.

A name is a word inside a sentence that begins with a capital letter. So this works without a
tagger, in scripts that have capitals. In German every noun counts. Names of one spelling but for
their endings are one. News seldom returns to a name, stories do: compare with held-out text.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import regex

from endonym.evaluate.score import Interval, ratio

INSIDE = regex.compile(r"(?<=[\p{L}\p{M}\p{N}][,;]?[ \u00a0])\p{Lu}[\p{L}\p{M}'’-]+")
CAPITALIZED = regex.compile(r"(?<![\p{L}\p{M}])\p{Lu}[\p{L}\p{M}'’-]+")
SHORTEST_STEM = 3


def names_kept(texts: Iterable[str]) -> Interval | None:
    """Of the names in the first halves of texts, the share that stand in the second ones, too.

    With its 95 % interval over texts. None if there is no name.
    """
    kept = list[float]()
    counts = list[int]()
    for text in texts:
        words = text.split(" ")
        half = len(words) // 2
        first = " ".join(words[:half])
        second = " ".join(words[half:])
        names = _different(INSIDE.findall(first))
        later = CAPITALIZED.findall(second)
        kept.append(float(sum(any(_are_one(name, each) for each in later) for name in names)))
        counts.append(len(names))
    if not sum(counts):
        return None
    return ratio(np.array(kept), np.array(counts, dtype=np.int64)).within(0, 1)


def _different(words: Sequence[str]) -> list[str]:
    """The names among words, each once."""
    found = list[str]()
    for word in words:
        if not any(_are_one(word, each) for each in found):
            found.append(word)
    return found


def _are_one(one: str, other: str) -> bool:
    """Whether two words are one name but for endings: Айдар and Айдарның, Maria and Mariei."""
    stem = max(SHORTEST_STEM, min(len(one), len(other)) - 1)
    return one[:stem] == other[:stem]
