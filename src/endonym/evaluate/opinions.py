"""What follows from the answers of judges: preferences, grades, and how far judges agree.

A judge is another language model, and fails as one: it prefers a place, or the longer text, or
answers something else (Zheng et al., arXiv:2306.05685, section 3). So each pair of texts is asked
for in both orders, and a preference counts only where both agree. What is no answer is None: it is
counted, and scored as nothing.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import ne
from typing import Any, NamedTuple

import numpy as np

from endonym.evaluate.judging import TIE, UNREADABLE, Question, choice_in, grade_in
from endonym.evaluate.score import Interval, ratio, wilson

CHOICES = {"A": 1.0, "B": 0.0, TIE: 0.5}
"""What an answer is worth to the text that stood first."""


class Pair(NamedTuple):
    """What a judge says of the first of two systems when its text stands first, and second.

    1 if it prefers it, 0 if it prefers the other, 0.5 for a tie. None if it gave no answer.
    """

    first: float | None
    second: float | None

    @property
    def outcome(self) -> float | None:
        """What both orders say together: where they disagree, a tie. None without both answers."""
        if self.first is None or self.second is None:
            return None
        return self.first if self.first == self.second else 0.5


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a judge says of n_pairs with both answers. n_missing: other pairs, which count nowhere.

    wins, losses: of the first system, where both orders agree.

    n_disagreeing: pairs whose orders disagree; these are ties, too. win_rate: of the first system,
    ties as halves; None where the judge is biased, or no pair has both answers. first_place: the
    share of its choices that fell on the text that stood first. self_alpha: Krippendorff's alpha
    of its answers to the two orders.
    """

    n_pairs: int
    n_missing: int
    wins: int
    losses: int
    ties: int
    n_disagreeing: int
    win_rate: Interval | None
    first_place: Interval | None
    is_biased: bool
    self_alpha: float | None


def preferences(pairs: Sequence[Pair]) -> Preferences:
    """What follows from pairs; those with one answer alone are left out.

    A judge is biased if the interval of `first_place` leaves out one half. Intervals are Wilson's,
    over pairs: a value of a half has less variance than 0 and 1, so they are too wide with ties.
    """
    judged = [(a, b) for a, b in pairs if a is not None and b is not None]
    outcomes = [each.outcome for each in pairs if each.outcome is not None]
    places = list[float]()
    for a, b in judged:
        chosen = [each for each in (a, 1 - b) if each != 0.5]
        places += [sum(chosen) / len(chosen)] if chosen else []
    first_place = _estimate(places)
    win_rate = _estimate(outcomes)
    is_biased = first_place is not None and first_place.excludes(0.5)
    counts = Counter(outcomes)
    return Preferences(
        n_pairs=len(judged),
        n_missing=len(pairs) - len(judged),
        wins=counts[1.0],
        losses=counts[0.0],
        ties=counts[0.5],
        n_disagreeing=sum(a != b for a, b in judged),
        win_rate=None if is_biased else win_rate,
        first_place=first_place,
        is_biased=is_biased,
        self_alpha=alpha([[a for a, _ in judged], [b for _, b in judged]], ne),
    )


def _estimate(values: Sequence[float]) -> Interval | None:
    """The mean of values between 0 and 1; None of none."""
    if not values:
        return None
    value = sum(values) / len(values)
    return Interval(value, *wilson(value, len(values)))


@dataclass(frozen=True, slots=True)
class Grades:
    """The grades of texts of one system by one criterion. n_missing: texts without a grade."""

    mean: Interval | None
    median: float | None
    n_texts: int
    n_missing: int


def grades(values: Sequence[int | None]) -> Grades:
    """The mean and the median of grades, with the interval of the mean over texts."""
    found = np.array([each for each in values if each is not None], dtype=np.float64)
    n_missing = len(values) - len(found)
    if not len(found):
        return Grades(None, None, 0, n_missing)
    mean = ratio(found, np.ones(len(found), dtype=np.int64)).within(1, 5)
    return Grades(mean, float(np.median(found)), len(found), n_missing)


def alpha(
    rows: Sequence[Sequence[float | None]], difference: Callable[[float, float], float]
) -> float | None:
    """Krippendorff's alpha: 1 if judges agree, 0 if as by chance. rows: a judge's values of items.

    difference: of two values; `ne` for names. None stands for no value. None is also returned where
    no item has two values, or all values are equal.

    Source: Krippendorff 2011, Computing Krippendorff's alpha-reliability, section D. Own code, as
    the library of this name is under the GPL.
    """
    items = [[each for each in item if each is not None] for item in zip(*rows, strict=True)]
    items = [item for item in items if len(item) > 1]
    counts = Counter(value for item in items for value in item)
    n = counts.total()
    observed = sum(
        difference(one, other) / (len(item) - 1) for item in items for one in item for other in item
    )
    expected = sum(
        difference(one, other) * many * more
        for one, many in counts.items()
        for other, more in counts.items()
    )
    return 1 - (n - 1) * observed / expected if expected else None


def squared(one: float, other: float) -> float:
    """The difference of two numbers, for `alpha`."""
    return (one - other) ** 2


class Answers(NamedTuple):
    """What a judge has answered until now. endpoint: its address. records: by the question's
    number, as they stand in its folder; those of failed answers have a `reason`."""

    endpoint: str
    records: Mapping[int, Mapping[str, Any]]


class Said(NamedTuple):
    """What a judge says: of each prompt the pair, and by criterion and system the grades.

    failed: the number of answers that are none, by reason.
    """

    pairs: list[Pair]
    grades: dict[str, dict[str, list[int | None]]]
    failed: Counter[str]


def said_by(
    answers: Answers, asked: Sequence[Question], systems: Sequence[str], criteria: Sequence[str]
) -> Said:
    """What the answers of a judge say; what is no answer is None. systems: their names."""
    n_prompts = len({question.number for question in asked})
    pairs = [Pair(None, None)] * (n_prompts if len(systems) > 1 else 0)
    found = {
        criterion: {name: list[int | None]([None] * n_prompts) for name in systems}
        for criterion in criteria
    }
    failed = Counter[str]()
    for index, record in answers.records.items():
        number, order, _ = asked[index]
        if "reason" in record:
            failed[record["reason"]] += 1
        elif len(order) == 2:
            choice = choice_in(record["text"])
            failed[UNREADABLE] += choice is None
            if choice is not None:
                worth = CHOICES[choice]
                side = {"first": worth} if order[0] == 0 else {"second": 1 - worth}
                pairs[number] = pairs[number]._replace(**side)
        else:
            said = {criterion: grade_in(record["text"], criterion) for criterion in criteria}
            failed[UNREADABLE] += None in said.values()
            for criterion, grade in said.items():
                found[criterion][systems[order[0]]][number] = grade
    return Said(pairs, found, +failed)


@dataclass(frozen=True, slots=True)
class JudgeReport:
    """What follows from the answers of a judge. preferences: None without pairs.

    grades: by criterion and system. n_answers: those that say all that was asked. failed: answers
    that do not, by reason. n_left: questions that it was not asked yet. tokens: of its answers with
    their questions.
    """

    endpoint: str
    preferences: Preferences | None
    grades: dict[str, dict[str, Grades]]
    n_answers: int
    failed: dict[str, int]
    n_left: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Report:
    """What follows from the answers of all judges, by their names.

    agreement: Krippendorff's alpha of several judges; of `pairs`, their outcomes as names, and of
    each criterion, the grades as numbers.
    """

    judges: dict[str, JudgeReport]
    agreement: dict[str, float | None]


def report(
    answers: Mapping[str, Answers],
    asked: Sequence[Question],
    systems: Sequence[str],
    criteria: Sequence[str],
) -> Report:
    """Preferences, grades and agreement of judges, by their names."""
    found = {judge: said_by(each, asked, systems, criteria) for judge, each in answers.items()}
    judges = {
        judge: JudgeReport(
            endpoint=answers[judge].endpoint,
            preferences=preferences(said.pairs) if said.pairs else None,
            grades={
                criterion: {name: grades(values) for name, values in of.items()}
                for criterion, of in said.grades.items()
            },
            n_answers=len(answers[judge].records) - said.failed.total(),
            failed=dict(sorted(said.failed.items())),
            n_left=len(asked) - len(answers[judge].records),
            tokens=sum(record["tokens"] for record in answers[judge].records.values()),
        )
        for judge, said in found.items()
    }
    agreement = dict[str, float | None]()
    every = found.values()
    if len(found) > 1:
        if len(systems) > 1:
            agreement["pairs"] = alpha([[pair.outcome for pair in s.pairs] for s in every], ne)
        for criterion in criteria:
            rows = [[*chain.from_iterable(said.grades[criterion].values())] for said in every]
            agreement[criterion] = alpha(rows, squared)
    return Report(judges, agreement)
