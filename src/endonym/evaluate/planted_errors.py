"""How well typing errors are found that were planted in unseen text.

One in twenty words gets an error of a kind that is drawn (lexicon/typing_errors.py). The text is
taken to be right otherwise. An error counts as found if its word is; it counts as corrected if the
first correction is the word that stood there.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from endonym.evaluate.score import wilson
from endonym.generate.proofread import Finding, Proofreader
from endonym.lexicon.known_words import KnownWords
from endonym.lexicon.typing_errors import any_error
from endonym.seed import named_seed

SHARE = 0.05
"""Of the words that get an error."""
LEAST_LETTERS = 2
"""Of a word that may get one, where blanks part words."""
PRECISION_COUNTS = 2.0
"""How many times as much precision counts as recall where a threshold is chosen (F 0.5): of a wrong
alarm a writer sees more than of an error that was missed."""

Place = tuple[int, int]
Figure = tuple[float, float, float]
"""A figure, and the lower and the upper end of its interval."""


class Error(NamedTuple):
    """A planted error: its kind, and the word that was meant."""

    kind: str
    meant: str


@dataclass(frozen=True, slots=True)
class Planted:
    """A text with planted errors, by where they stand in it. words: how many it has."""

    text: str
    errors: dict[Place, Error]
    words: int


def planted(text: str, words: KnownWords, seed: int = 0, *, share: float = SHARE) -> Planted:
    """A text with errors in a share of its words. The same text, seed and share give the same."""
    random = Random(named_seed(seed, text))
    parts, errors, length, end, count = list[str](), dict[Place, Error](), 0, 0, 0
    least = LEAST_LETTERS if words.has_blanks else 1
    for begin, last, _ in words.written(text):
        count += 1
        meant = text[begin:last]
        found = None
        if len(meant) >= least and random.random() < share:
            found = any_error(meant, words.layout, random)
        if found and not found[1]:  # nothing is left that could be found
            found = None
        parts += [text[end:begin], found[1] if found else meant]
        length += begin - end
        if found:
            errors[length, length + len(found[1])] = Error(found[0], meant)
        length += len(parts[-1])
        end = last
    return Planted("".join([*parts, text[end:]]), errors, count)


@dataclass(slots=True)
class Found:
    """What was found of planted errors. by_kind: how many were planted of each, and found."""

    errors: int = 0
    alarms: int = 0
    found: int = 0
    corrected: int = 0
    clean_words: int = 0
    planted_of: Counter[str] = field(default_factory=Counter)
    found_of: Counter[str] = field(default_factory=Counter)

    def add(self, text: Planted, findings: Iterable[Finding]) -> None:
        """Count the findings in one text."""
        at = {(each.begin, each.end): each.corrections for each in findings}
        self.errors += len(text.errors)
        self.alarms += len(at)
        self.clean_words += text.words - len(text.errors)
        for place, (kind, meant) in text.errors.items():
            self.planted_of[kind] += 1
            if place in at:
                self.found += 1
                self.found_of[kind] += 1
                self.corrected += bool(at[place]) and at[place][0].word == meant

    def figures(self) -> dict[str, Figure | None]:
        """Each figure with its 95 % interval (Wilson): shares, and false alarms per 1,000 words.

        None where there is nothing that it could be a share of.
        """
        return {
            "precision": part_of(self.found, self.alarms),
            "recall": part_of(self.found, self.errors),
            "first_right": part_of(self.corrected, self.found),
            "false_alarms": part_of(self.alarms - self.found, self.clean_words, per=1000),
        }


def part_of(part: int, size: int, per: int = 1) -> Figure | None:
    """How many of so many, with the 95 % interval (Wilson). None of nothing: it is undefined.

    per: of how many the figure tells, such as 1000; 1 gives a share.
    """
    if not size:
        return None
    low, high = wilson(part / size, size)
    return per * part / size, per * low, per * high


def proofread(texts: Sequence[Planted], check: Callable[[str], Iterable[Finding]]) -> Found:
    """What is found of the errors of texts."""
    found = Found()
    for text in texts:
        found.add(text, check(text.text))
    return found


def best_threshold(reader: Proofreader, texts: Sequence[Planted]) -> float:
    """The threshold with the best F 0.5 on texts with planted errors.

    F = (1 + 1/4) · precision · recall / (precision / 4 + recall). It lies in the middle between
    the worth of the last word that it finds and of the next one.
    """
    judged = list[tuple[float, bool]]()
    errors = sum(len(each.errors) for each in texts)
    for each, findings in zip(texts, reader.judge_many([t.text for t in texts]), strict=True):
        judged += [
            (one.corrections[0].bits, (one.begin, one.end) in each.errors) for one in findings
        ]
    judged.sort(reverse=True)
    best = 0.0
    threshold = reader.threshold
    right = 0
    weight = 1 / PRECISION_COUNTS**2
    for number, (bits, is_error) in enumerate(judged, 1):
        right += is_error
        precision = right / number
        recall = right / max(1, errors)
        f = (1 + weight) * precision * recall / max(1e-9, weight * precision + recall)
        if f > best:
            following = judged[number][0] if number < len(judged) else bits
            best = f
            threshold = (bits + following) / 2
    return threshold
