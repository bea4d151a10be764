"""Measures of what a model writes, beside held-out texts of the same length.

Each measure finds one fault, and none says that a text is good: a model that copies what it has
read has all words right, and one that ends at once repeats nothing. So they stand side by side.

* empty: texts without a letter. ended: texts that end by themselves, and are not cut.
* repeated: words in five words in a row that stood before in the text; or characters in a LOOP, if
  these are a larger share. Of texts that are too short for both there is none.
* distinct: different pairs of neighbouring words, of all pairs of all texts (Li et al.,
  arXiv:1510.03055).
* self_bleu: how far a text is made of the words, and the twos, threes and fours of words, of the
  other texts: BLEU with these as references (Zhu et al., arXiv:1802.01886).
  Both depend on the number of texts, so of each group the first ones are taken, as many of each.
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
from dataclasses import asdict
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import regex

from endonym.cleaning.measures import is_unbroken, repeated_ngram_share
from endonym.copies.spans import common_span
from endonym.evaluate.score import Interval, Score, ratio, share
from endonym.script.scripts import script_counts

WORD = regex.compile(r"[\p{L}\p{M}\p{N}\u200c\u200d]+(?:['’][\p{L}\p{M}]+)*")
"""With the signs by which Persian or Sinhala letters join, or do not."""
LETTER = regex.compile(r"(?=\p{L})\X")
PIECE = 3
"""Letters with their signs that stand for a word, where the script writes no blanks."""
BROKEN = regex.compile(
    r"(?<![\p{L}\p{M}\p{N}\p{S}\u25cc\u200b-\u200d])(?![\ufe0e\ufe0f\u20e3])\p{M}"
    r"|[\ufffd\p{Cn}\p{Co}\p{Cs}]|(?![\t\n\r])\p{Cc}"
)
"""Signs of emoji may follow a point, too: ‼️ and #️⃣."""
LOOP = regex.compile(r"(.{1,16}?)\1{4,}", regex.DOTALL)
LOOP_CHARS = 10
"""A few characters, blanks among them, five times in a row or more often: so long at least."""
OWN_SCRIPT = 0.01
"""A script is one of the language if held-out texts have this share of their letters in it."""
WRITING = "writing.json"
"""In an evaluation's artefact: the scores."""
WRITTEN = "written.jsonl"
"""There, too: the texts that were measured."""
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
GRAM = 25
STRIDE = 26
"""A span of COPIED_CHARS holds a gram that begins at a multiple of STRIDE in the training text."""
BLEU_ORDER = 4


class Written(NamedTuple):
    """A text that was written, whether it ended by itself, and what stood before it."""

    text: str
    has_ended: bool
    prompt: str = ""


Groups = Mapping[str, Sequence[Written]]
"""Texts by the name of their group."""


def units_of(text: str, *, by_pieces: bool) -> list[str]:
    """The words of a text in lower case, or its pieces of PIECE letters, one behind the other."""
    if not by_pieces:
        return [word.lower() for word in WORD.findall(text)]
    letters = LETTER.findall(text)
    return ["".join(letters[n : n + PIECE]) for n in range(len(letters) - PIECE + 1)]


def writing_scores(
    groups: Groups, held_out: Sequence[Written], training: Iterable[str] | None, *, task: str
) -> Iterator[Score]:
    """The scores of groups of texts, by their names as sources, and those of held-out texts.

    held_out: how people write; without any, prompts say which letters are the language's. training:
    the training texts, which are read once; None if they are not known. task: said as the split of
    each score. A measure of no words, letters or characters, or of an unknown text, is left out.
    """
    every = {**groups, HELD_OUT: held_out} if held_out else groups
    texts = {name: [each.text for each in group] for name, group in every.items()}
    prompts = [each.prompt for group in groups.values() for each in group]
    usual = texts.get(HELD_OUT, prompts)
    by_pieces = is_unbroken("\n".join(usual))
    units = {
        name: [units_of(text, by_pieces=by_pieces) for text in group]
        for name, group in texts.items()
    }
    wanted = {unit for group in units.values() for row in group for unit in row}
    copies = Copies([text for group in texts.values() for text in group])
    known = set[str]()
    for text in training or ():
        known |= wanted.intersection(units_of(text, by_pieces=by_pieces))
        copies.read(text)
    scripts = own_scripts(usual)
    fewest = min(map(len, every.values()))
    first = 0
    for name, group in every.items():
        own = texts[name]
        rows = units[name]
        sizes = [*map(len, own)]
        places = slice(first, first + len(group))
        found = {
            "empty": _share([LETTER.search(text) is None for text in own]),
            "ended": _share([each.has_ended for each in group]),
            "repeated": _mean(map(repeated, own)),
            "distinct": distinct(rows[:fewest]),
            "self_bleu": _mean(self_bleu(rows[:fewest])),
            "known": _ratio([sum(unit in known for unit in row) for row in rows], map(len, rows)),
            "other_script": _other_script(own, scripts),
            "broken": _ratio([len(BROKEN.findall(text)) for text in own], sizes),
            "copied": _ratio([int(each.sum()) for each in copies.copied[places]], sizes),
            LONGEST: Interval(float(max(copies.longest[places], default=0)), None, None),
        }
        if training is None:
            found |= dict.fromkeys(("known", "copied", LONGEST))
        yield from _scores(found, group, name=name, task=task)
        first += len(group)


def _scores(
    found: Mapping[str, Interval | None], group: Sequence[Written], *, name: str, task: str
) -> Iterator[Score]:
    """The scores of a group."""
    made = partial(
        Score,
        n_documents=len(group),
        n_bytes=sum(len(each.text.encode("utf-8", "surrogatepass")) for each in group),
        n_chars=sum(len(each.text) for each in group),
        n_tokens=0,
        n_groups=len(group),
        source=name,
        model="model",
        split=task,
    )
    for metric in MEASURES:
        if (measured := found[metric]) is not None:
            unit = "characters" if metric == LONGEST else ""
            value = measured if unit else measured.within(0.0, 1.0)  # a share
            yield made(metric=metric, unit=unit, **asdict(value))


def records_of(groups: Groups) -> list[dict[str, Any]]:
    """Texts as records, each with its group and prompt."""
    return [
        {"group": name, "prompt": each.prompt, "text": each.text, "ended": each.has_ended}
        for name, group in groups.items()
        for each in group
    ]


def writing_cells(found: Sequence[Score]) -> list[list[str]]:
    """A row for each measure, heads first, and a column for each group of texts."""
    values = {(score.metric, score.source): score.value for score in found}
    names = list(dict.fromkeys(score.source or "" for score in found))
    rows = [["of what it writes", *names]]
    for metric, words in MEASURES.items():
        form = "{:.0f}" if metric == LONGEST else "{:.1%}"
        own = [values.get((metric, name)) for name in names]
        rows.append([words, *("" if each is None else form.format(each) for each in own)])
    return rows


def _ratio(numerators: Iterable[float], denominators: Iterable[int]) -> Interval | None:
    """The ratio of sums over texts; None of nothing."""
    sizes = np.array([*denominators], dtype=np.int64)
    return ratio(np.array([*numerators], dtype=np.float64), sizes) if sizes.sum() else None


def _mean(values: Iterable[float | None]) -> Interval | None:
    """A mean in which each text counts as much; one for which it is undefined does not."""
    defined = [each for each in values if each is not None]
    return _ratio(defined, [1] * len(defined))


def _share(are_so: Sequence[bool]) -> Interval:
    """The share of texts that are so."""
    return Interval(*share(np.array(are_so), np.zeros(len(are_so)), is_mean=False))


def repeated(text: str) -> float | None:
    """How much of a text repeats itself; None for a short one without a LOOP."""
    of_words = repeated_ngram_share(text)
    loops = [len(found[0]) for found in LOOP.finditer(text)]
    in_loops = sum(size for size in loops if size >= LOOP_CHARS)
    if not in_loops:
        return of_words
    return max(of_words or 0.0, in_loops / len(text))


def own_scripts(texts: Sequence[str]) -> frozenset[str]:
    """The scripts of which these texts have more than hardly any letters."""
    counts = script_counts("\n".join(texts))
    return frozenset(name for name, n in counts.items() if n >= OWN_SCRIPT * counts.total())


def _other_script(texts: Sequence[str], scripts: frozenset[str]) -> Interval | None:
    """Letters of other scripts, of all letters."""
    counts = [script_counts(text) for text in texts]
    others = [sum(n for name, n in each.items() if name not in scripts) for each in counts]
    return _ratio(others, [each.total() for each in counts])


def distinct(rows: Sequence[Sequence[str]]) -> Interval | None:
    """The share of different pairs of neighbouring words among all; None if there are none."""
    pairs = [pair for row in rows for pair in pairwise(row)]
    return Interval(len(set(pairs)) / len(pairs), None, None) if pairs else None


def self_bleu(rows: Sequence[Sequence[str]]) -> Iterator[float | None]:
    """BLEU of each text with all others as references.

    None for one of fewer than BLEU_ORDER words, or if there are no others. Without smoothing: a
    text without a four in common has 0.
    """
    tops = list[dict[tuple[str, ...], list[int]]]()
    # How often each n words in a row occur in each text, for each n.
    grams = [
        [Counter(zip(*(row[k:] for k in range(n)), strict=False)) for row in rows]
        for n in range(1, BLEU_ORDER + 1)
    ]
    for of_rows in grams:  # of each n-gram its two largest counts, so that a text is left out
        top = dict[tuple[str, ...], list[int]]()
        for counts in of_rows:
            for gram, n in counts.items():
                top[gram] = sorted([*top.get(gram, [0, 0]), n])[-2:]
        tops.append(top)
    lengths = sorted(map(len, rows))
    for number, row in enumerate(rows):
        if len(row) < BLEU_ORDER or len(rows) < 2:
            yield None
            continue
        logs = 0.0
        for of_rows, top in zip(grams, tops, strict=True):
            own = of_rows[number]
            of_others = {gram: top[gram][n != top[gram][1]] for gram, n in own.items()}
            common = sum(min(n, of_others[gram]) for gram, n in own.items())
            logs += math.log(common / own.total()) if common else -math.inf
        others = [*lengths]
        others.remove(len(row))
        nearest = min(others, key=lambda n: (abs(n - len(row)), n))
        yield math.exp(logs / BLEU_ORDER + min(0.0, 1 - nearest / len(row)))


class Copies:
    """Which characters of some texts stand in training texts, in spans of COPIED_CHARS and more.

    copied: of each text, for each character. longest: of each text the longest span, 0 if none is
    so long. Exact, but for characters beside a run of a few that repeat themselves, such as dots:
    such a run is looked up once in a training text, as it is like itself at each place. Memory
    depends on these texts, not on the training texts.
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
        spans = dict[int, tuple[int, int, int]]()  # of each text: the one that was found last
        runs = set[str]()
        for offset in range(0, len(training) - GRAM + 1, STRIDE):
            gram = training[offset : offset + GRAM]
            if gram in runs or gram not in self.places:
                continue
            if is_run := repeats_itself(gram):
                runs.add(gram)
            for number, begin in self.places[gram]:
                low, high, shift = spans.get(number, (0, 0, 0))
                is_inside = low <= begin and begin + GRAM <= high
                if not (is_inside and (is_run or shift == offset - begin)):
                    low, high = self._mark(number, begin, training, offset)
                    spans[number] = (low, high, offset - begin)

    def _mark(self, number: int, begin: int, training: str, offset: int) -> tuple[int, int]:
        """Mark the whole span around a common gram, if it is long enough; where it is."""
        back, reach = common_span(self.texts[number], begin, training, offset)
        if back + reach >= COPIED_CHARS:
            self.copied[number][begin - back : begin + reach] = True
            self.longest[number] = max(self.longest[number], back + reach)
        return begin - back, begin + reach


def repeats_itself(gram: str) -> bool:
    """Whether a text is like itself at a place in its first half."""
    return any(gram[n:] == gram[:-n] for n in range(1, len(gram) // 2 + 1))
