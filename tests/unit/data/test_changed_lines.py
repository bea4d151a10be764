"""Lines that are changed in one place are found, by a slow count too."""

import random

import numpy as np
import pytest
from text_samples import FRENCH, KHMER, ROMANIAN, TATAR

from endonym.copies.letters import folded_letters
from endonym.data import kept_out
from endonym.data.kept_out import ALIKE, ChangedLines
from endonym.script.fold import Codes

LINES = [*TATAR, *ROMANIAN, *FRENCH, *KHMER]


def codes(line: str) -> Codes:
    return folded_letters([line]).codes


def known(lines: list[str]) -> ChangedLines:
    found = ChangedLines()
    for line in lines:
        found.add(codes(line))
    return found


def is_changed(one: list[int], other: list[int]) -> bool:
    """Whether what stands before and after one place is enough, by trying every place."""
    least = ALIKE * max(len(one), len(other))
    return any(
        one[:n] == other[:n] and one[len(one) - m :] == other[len(other) - m :] and n + m >= least
        for n in range(min(len(one), len(other)) + 1)
        for m in range(min(len(one), len(other)) - n + 1)
    )


def changed(line: str, rng: random.Random) -> str:
    first = rng.randrange(len(line))
    last = min(len(line), first + rng.randrange(len(line) // 2))
    return line[:first] + "".join(rng.choices(line, k=rng.randrange(len(line) // 2))) + line[last:]


def test_what_is_found_is_what_a_slow_count_finds() -> None:
    rng, found, answers = random.Random(5), known(LINES), set[bool]()
    every = [codes(line).tolist() for line in LINES]
    for _ in range(300):
        line = codes(changed(rng.choice(LINES), rng))
        expected = any(is_changed(line.tolist(), other) for other in every)
        assert found.has(line) == expected
        answers.add(expected)
    assert answers == {True, False}


def test_two_changed_places_far_from_each_other_are_another_line() -> None:
    found = known(["Ursul doarme iarna în bârlog."])
    assert found.has(codes("Ursul doarme vara în bârlog"))
    assert not found.has(codes("Lupul doarme iarna în pădure"))


def test_of_lines_that_begin_alike_some_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_out, "MOST_OF_ONE_END", 2)
    found = known([f"{first} көн бик җылы була" for first in ("Кичә", "Иртә", "Бүге")])
    assert found.has(codes("Иртә кич бик җылы була"))
    assert found.has(codes("Бүге көн бик җылы иде")), "by its beginning"
    assert not known([]).has(np.array([1, 2, 3], dtype=np.uint32))
