"""Measures of what a model writes, beside held-out texts of the same length.

Each measure finds one fault, and none says that a text is good: a model that copies what it has
read has all words right, and one that ends at once repeats nothing. So they stand side by side.

* empty: texts without a letter. ended: texts that end by themselves, and are not cut.
* repeated: words in five words in a row that stood before in the text.
* distinct: different pairs of neighbouring words, of all pairs of all texts (Li et al.,
  arXiv:1510.03055).
* self_bleu: how far a text is made of the words, and the twos, threes and fours of words, of the
  other texts: BLEU with these as references (Zhu et al., arXiv:1802.01886).
* known: words that stand in the training text. Other languages have few of them.
* other_script: letters of scripts in which held-out texts have hardly any.
* broken: signs without a letter to stand on, and characters that are none.
* copied: characters in spans of COPIED_CHARS and more that stand in the training text.
  longest_copy: the longest of these spans, in characters.

In scripts without blanks, pieces of PIECE letters stand for words.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import regex

from endonym.cleaning.measures import is_unbroken, repeated_ngram_share
from endonym.copies.spans import common_span
from endonym.evaluate.score import Score, ratio
from endonym.script.scripts import script_counts

WORD = regex.compile(r"[\p{L}\p{M}\p{N}\u200c\u200d]+(?:['’][\p{L}\p{M}]+)*")
"""With the signs by which Persian or Sinhala letters join, or do not."""
LETTER = regex.compile(r"(?=\p{L})\X")
PIECE = 3
"""Letters with their signs that stand for a word, where the script writes no blanks."""
BROKEN = regex.compile(
    r"(?<![\p{L}\p{M}\p{N}\p{S}\u25cc\u200b-\u200d])\p{M}|[\ufffd\p{Cn}\p{Co}\p{Cs}]|(?![\t\n\r])\p{Cc}"
)
OWN_SCRIPT = 0.01
"""A script is one of the language if held-out texts have this share of their letters in it."""
WRITING = "writing.json"
"""In an evaluation's artefact: the scores."""
HELD_OUT = "held-out text"
"""The name of the texts beside which the written ones stand."""
LONGEST = "longest_copy"
MEASURES = {
    "empty": "without a letter",
    "ended": "ended by themselves",
    "repeated": "words that repeat themselves",
    "distinct": "different pairs of words",
    "self_bleu": "like one another (self-BLEU)",
    "known": "words of the training text",
    "other_script": "letters of another script",
    "broken": "broken characters",
    "copied": "copied from training text",
    LONGEST: "longest copy, characters",
}
COPIED_CHARS = 50
GRAM, STRIDE = 25, 26
"""A span of COPIED_CHARS holds a gram that begins at a multiple of STRIDE in the training text."""
BLEU_ORDER = 4


class Written(NamedTuple):
    """A text that was written, and whether it ended by itself."""

    text: str
    has_ended: bool


class Part(NamedTuple):
    """Of each text a numerator and a denominator: the measure is the ratio of their sums."""

    numerators: Sequence[float]
    denominators: Sequence[int]


def units_of(text: str, *, by_pieces: bool) -> list[str]:
    """The words of a text in lower case, or its pieces of PIECE letters, one behind the other."""
    if not by_pieces:
        return [word.lower() for word in WORD.findall(text)]
    letters = LETTER.findall(text)
    return ["".join(letters[n : n + PIECE]) for n in range(len(letters) - PIECE + 1)]


def writing_scores(
    groups: Mapping[str, Sequence[Written]], held_out: Sequence[Written], training: Iterable[str]
) -> Iterator[Score]:
    """The scores of groups of texts, by their names, and those of held-out texts.

    training: the training texts, which are read once. Intervals are over texts.
    """
    every = {**groups, HELD_OUT: held_out}
    texts = {name: [each.text for each in group] for name, group in every.items()}
    by_pieces = is_unbroken("\n".join(texts[HELD_OUT]))
    units = {
        name: [units_of(text, by_pieces=by_pieces) for text in group]
        for name, group in texts.items()
    }
    wanted = {unit for group in units.values() for row in group for unit in row}
    copies = Copies([text for group in texts.values() for text in group])
    known = set[str]()
    for text in training:
        known |= wanted.intersection(units_of(text, by_pieces=by_pieces))
        copies.read(text)
    scripts = own_scripts(texts[HELD_OUT])
    first = 0
    for name, group in every.items():
        found = {
            "empty": _of_each([LETTER.search(each.text) is None for each in group]),
            "ended": _of_each([each.has_ended for each in group]),
            "repeated": _of_each([repeated_ngram_share(text) or 0.0 for text in texts[name]]),
            "self_bleu": _of_each(list(self_bleu(units[name]))),
            "known": Part(
                [float(sum(unit in known for unit in row)) for row in units[name]],
                [len(row) for row in units[name]],
            ),
            "other_script": _other_script(texts[name], scripts),
            "broken": Part(
                [float(len(BROKEN.findall(text))) for text in texts[name]],
                [len(text) for text in texts[name]],
            ),
            "copied": Part(
                [float(copies.copied[first + n].sum()) for n in range(len(group))],
                [len(text) for text in texts[name]],
            ),
        }
        alone = {
            "distinct": distinct(units[name]),
            LONGEST: float(max(copies.longest[first : first + len(group)], default=0)),
        }
        yield from _scores(name, found, alone, group)
        first += len(group)


def _scores(
    name: str,
    found: Mapping[str, Part],
    alone: Mapping[str, float | None],
    group: Sequence[Written],
) -> Iterator[Score]:
    """The scores of a group. A measure of no words, letters or characters is left out."""
    made = partial(
        Score,
        n_documents=len(group),
        n_bytes=sum(len(each.text.encode("utf-8", "surrogatepass")) for each in group),
        n_chars=sum(len(each.text) for each in group),
        n_tokens=0,
        n_groups=len(group),
        source=None,
        model="model",
        split=name,
    )
    for metric in MEASURES:
        if metric in alone:
            value, low, high = alone[metric], None, None
        else:
            part = found[metric]
            denominators = np.array(part.denominators, dtype=np.int64)
            if not denominators.sum():
                continue
            value, low, high = ratio(np.array(part.numerators, dtype=np.float64), denominators)
        if value is not None:
            unit = "characters" if metric == LONGEST else ""
            high = high if unit or high is None else min(1.0, high)  # a share
            yield made(metric=metric, value=value, unit=unit, low=low, high=high)


def writing_cells(found: Sequence[Score]) -> list[list[str]]:
    """A row for each measure, heads first, and a column for each group of texts."""
    values = {(score.metric, score.split): score.value for score in found}
    names = list(dict.fromkeys(score.split for score in found))
    rows = [["of what it writes", *names]]
    for metric, words in MEASURES.items():
        form = "{:.0f}" if metric == LONGEST else "{:.1%}"
        own = [values.get((metric, name)) for name in names]
        rows.append([words, *("" if each is None else form.format(each) for each in own)])
    return rows


def _of_each(values: Sequence[float]) -> Part:
    """A mean in which each text counts as much."""
    return Part([float(each) for each in values], [1] * len(values))


def own_scripts(texts: Sequence[str]) -> frozenset[str]:
    """The scripts of which these texts have more than hardly any letters."""
    counts = script_counts("\n".join(texts))
    return frozenset(name for name, n in counts.items() if n >= OWN_SCRIPT * counts.total())


def _other_script(texts: Sequence[str], scripts: frozenset[str]) -> Part:
    """Letters of other scripts, of all letters."""
    counts = [script_counts(text) for text in texts]
    others = [sum(n for name, n in each.items() if name not in scripts) for each in counts]
    return Part([float(each) for each in others], [each.total() for each in counts])


def distinct(rows: Sequence[Sequence[str]]) -> float | None:
    """The share of different pairs of neighbouring words among all; None if there are none."""
    pairs = [pair for row in rows for pair in pairwise(row)]
    return len(set(pairs)) / len(pairs) if pairs else None


def self_bleu(rows: Sequence[Sequence[str]]) -> Iterator[float]:
    """BLEU of each text with all others as references; 0 for one of fewer than BLEU_ORDER words.

    Without smoothing: a text without a four in common has 0.
    """
    tops = list[dict[tuple[str, ...], list[int]]]()
    grams = [[_grams(row, n) for row in rows] for n in range(1, BLEU_ORDER + 1)]
    for of_rows in grams:  # of each n-gram its two largest counts, so that a text is left out
        top = dict[tuple[str, ...], list[int]]()
        for counts in of_rows:
            for gram, n in counts.items():
                top[gram] = sorted([*top.get(gram, [0, 0]), n])[-2:]
        tops.append(top)
    lengths = sorted(map(len, rows))
    for number, row in enumerate(rows):
        logs = 0.0
        for of_rows, top in zip(grams, tops, strict=True):
            own = of_rows[number]
            of_others = {gram: top[gram][n != top[gram][1]] for gram, n in own.items()}
            common = sum(min(n, of_others[gram]) for gram, n in own.items())
            logs += math.log(common / own.total()) if common else -math.inf
        others = [*lengths]
        others.remove(len(row))
        nearest = min(others, key=lambda n: (abs(n - len(row)), n), default=0)
        penalty = min(0.0, 1 - nearest / len(row)) if row else -math.inf
        yield math.exp(logs / BLEU_ORDER + penalty)


def _grams(row: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    """How often each n words in a row stand in a text."""
    return Counter(tuple(row[begin : begin + n]) for begin in range(len(row) - n + 1))


class Copies:
    """Which characters of some texts stand in training texts, in spans of COPIED_CHARS and more.

    Exact. copied: of each text, for each character. longest: of each text the longest span, 0 if
    none is so long. Memory depends on these texts, not on the training texts.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self.copied = [np.zeros(len(text), dtype=np.bool_) for text in texts]
        self.longest = [0] * len(texts)
        self.places: dict[str, list[tuple[int, int]]] = {}
        for number, text in enumerate(texts):
            for begin in range(len(text) - GRAM + 1):
                self.places.setdefault(text[begin : begin + GRAM], []).append((number, begin))

    def read(self, training: str) -> None:
        """Look for the texts in a training text."""
        for offset in range(0, len(training) - GRAM + 1, STRIDE):
            for number, begin in self.places.get(training[offset : offset + GRAM], ()):
                self._mark(number, begin, training, offset)

    def _mark(self, number: int, begin: int, training: str, offset: int) -> None:
        """Mark the whole span around a common gram, if it is long enough."""
        low, high = common_span(self.texts[number], begin, training, offset)
        if low + high >= COPIED_CHARS:
            self.copied[number][begin - low : begin + high] = True
            self.longest[number] = max(self.longest[number], low + high)
