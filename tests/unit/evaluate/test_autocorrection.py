"""Planted typings of unseen text, the share of right first words, and the dictionary beside it."""

from collections import Counter

import pytest
from toys import TEXTS

from endonym.data.typed_words import keys_of
from endonym.evaluate.autocorrection import (
    NO_SLIP,
    SLIPS,
    NearestWords,
    one_slip_away,
    planted_typings,
    right_words,
)

LINES = (TEXTS / "romanian.txt").read_text(encoding="utf-8").splitlines()


def test_as_many_words_are_typed_with_each_kind_of_slip_and_with_none() -> None:
    typings = planted_typings(LINES, 8, seed=3)
    assert Counter(each.kind for each in typings) == dict.fromkeys((NO_SLIP, *SLIPS), 8)
    assert typings == planted_typings(LINES, 8, seed=3) != planted_typings(LINES, 8, seed=4)
    for each in typings:
        assert LINES[each.document].startswith(each.context + each.word)
        right = keys_of(each.word)
        assert right is not None
        assert len(each.word) >= 3
        assert (each.keys == right) is (each.kind == NO_SLIP)
        assert each.keys == right or right in {*one_slip_away(each.keys)}
        lengths = {"drop": -1, "double": 1, "add": 1}
        assert len(each.keys) - len(right) == lengths.get(each.kind, 0)


def test_a_text_with_too_few_words_gives_what_it_has() -> None:
    assert len(planted_typings(["Bunicul doarme."], 5, seed=1)) == 2
    assert planted_typings(["Әбием миңа сөт бирде."], 5, seed=1) == []


def test_a_word_is_right_with_its_accents_and_capitals_alone() -> None:
    typings = planted_typings(LINES, 8, seed=3)
    meant = {(each.context, each.keys): each.word for each in typings}
    always = right_words(typings, lambda *given: meant[given])
    assert {kind: each.value for kind, each in always.items()} == dict.fromkeys(
        (NO_SLIP, *SLIPS, "slips"), 1.0
    )
    typed = right_words(typings, lambda _, keys: keys)
    assert typed["slips"].value < typed[NO_SLIP].value < 1


def test_the_dictionary_gives_the_word_that_is_typed_or_the_most_frequent_near_one() -> None:
    nearest = NearestWords(["casa casă casă masă masă masă masa, lasă", "Ploaia vine."])
    assert nearest("", "casa") == "casă"  # the most frequent form of what was typed
    assert nearest("", "vasa") == "masă"  # the most frequent of those with one other letter
    assert nearest("", "ploiea") == "ploiea"  # two slips
    assert nearest("", "plaoia") == "Ploaia"


@pytest.mark.parametrize("keys", ["caasa", "casaa", "csaa", "cas", "cass", "acsa"])
def test_every_slip_is_undone_by_one_slip(keys: str) -> None:
    assert "casa" in {*one_slip_away(keys)}
