"""Paragraphs in another language."""

import itertools
import random

import pytest
from made_dirt import lines_of
from text_samples import FRENCH, RUSSIAN, TATAR

from endonym.cleaning.language.identify import (
    SWITCH_ODDS,
    Identifier,
    likeliest,
    other_language,
)
from endonym.cleaning.language.sample import learn


def weight(odds: list[float], states: tuple[bool, ...]) -> float:
    """The log-probability of a sequence of states, the obvious way."""
    fit = sum(-each / 2 if other else each / 2 for each, other in zip(odds, states, strict=True))
    return fit - SWITCH_ODDS * sum(one != two for one, two in itertools.pairwise(states))


def test_the_likeliest_sequence_is_that_of_all_sequences():
    draw = random.Random(3)
    for _ in range(200):
        odds = [draw.uniform(-6, 6) for _ in range(draw.randrange(1, 9))]
        best = max(
            itertools.product((False, True), repeat=len(odds)), key=lambda s: weight(odds, s)
        )
        assert tuple(likeliest(odds)) == best


def test_taking_the_others_out_changes_nothing_about_the_rest():
    draw = random.Random(4)
    for _ in range(500):
        odds = [draw.uniform(-6, 6) for _ in range(draw.randrange(1, 30))]
        left = [each for each, other in zip(odds, likeliest(odds), strict=True) if not other]
        assert not any(likeliest(left))


def test_a_short_line_goes_with_its_neighbours():
    assert likeliest([6.0, -1.0, 6.0]) == [False, False, False]
    assert likeliest([-6.0, 1.0, -6.0]) == [True, True, True]
    assert likeliest([]) == []


def test_paragraphs_of_two_languages_are_told_apart_by_votes_alone():
    lines = [TATAR[0], TATAR[1], RUSSIAN[0], RUSSIAN[1], "", TATAR[2], FRENCH[0], TATAR[3]]
    found = other_language(lines, Identifier("tt"))
    assert [found[n] for n in (0, 1, 2, 3, 5, 6, 7)] == [
        False,
        False,
        True,
        True,
        False,
        True,
        False,
    ]


@pytest.mark.parametrize("title", ["DE PROFUNDIS CLAMAVI", "LA CLOCHE FELEE", "A UNE DAME CREOLE"])
def test_a_title_in_capitals_goes_with_its_text(title: str):
    identifier = Identifier("fr", learn(lines_of("fr"), "fr", {}))
    assert other_language([title, *FRENCH[:3]], identifier) == [False] * 4
    assert other_language([*RUSSIAN[:2], title, *RUSSIAN[2:4]], identifier) == [True] * 5


def test_a_long_paragraph_in_capitals_is_judged():
    lines = [*TATAR[:2], " ".join(RUSSIAN[:3]).upper(), *TATAR[2:4]]
    assert other_language(lines, Identifier("tt")) == [False, False, True, False, False]
