"""Paragraphs, folded letters, words, runs of both, and their hashes."""

import numpy as np
import pytest
from text_samples import FRENCH, KHMER, ROMANIAN, TATAR

from endonym.copies.letters import (
    DENSE,
    LONG_LINE_CHARS,
    SPACED,
    UNSPACED,
    digests,
    folded_letters,
    numbers_in,
    paragraphs,
    runs,
    single_letters,
    without,
    words,
)
from endonym.script.fold import folded

TEXTS = [*TATAR, "", *FRENCH, KHMER[0], "…", *ROMANIAN]


def of_each(texts: list[str]) -> list[str]:
    """The letters of each text, as text."""
    found = folded_letters(texts)
    ends = zip(found.firsts[:-1], found.firsts[1:], strict=True)
    return ["".join(map(chr, found.codes[first:last])) for first, last in ends]


def test_letters_are_those_of_folded_texts_and_a_text_without_letters_has_none() -> None:
    expected = [each if any(map(str.isalnum, each)) else "" for each in folded(TEXTS)]
    assert of_each(TEXTS) == expected
    assert of_each(["Кояш\0чыкты", "Ул"]) == [*folded(["Кояш чыкты"]), *folded(["Ул"])]
    assert of_each([]) == []


def test_words_end_at_blanks_and_signs_but_not_at_apostrophes() -> None:
    texts = folded_letters(["L’été – l'hiver,le soir", "Кояш\nчыкты"])
    assert len(words(texts).hashes) == 6
    same = folded_letters(["lété l´hiver le SOIR!", "кояш (чыкты)"])
    assert (words(texts).hashes == words(same).hashes).all()
    other = words(folded_letters(["été l hiver le soir", "чыкты кояш"])).hashes
    assert len(np.intersect1d(other, words(texts).hashes)) == 4


def test_a_word_of_a_script_without_spaces_is_none() -> None:
    found = words(folded_letters(["ខ្ញុំ ទៅ Paris ថ្ងៃនេះ"]))
    assert found.is_other.tolist() == [True, True, False, True]


def test_runs_stay_within_a_text_and_within_a_kind_of_script() -> None:
    texts = folded_letters(["бер ике өч дүрт", "бер ике", "ике өч дүрт биш"])
    found = runs(words(texts), texts, 3)
    spans = zip(found.firsts.tolist(), found.lasts.tolist(), strict=True)
    read = ["".join(map(chr, texts.codes[first : last + 1])) for first, last in spans]
    assert read == folded(["бер ике өч", "ике өч дүрт", "ике өч дүрт", "өч дүрт биш"])
    assert found.hashes[1] == found.hashes[2]
    mixed = folded_letters(["ខ្ញុំទៅParisថ្ងៃនេះ"])
    khmer = runs(single_letters(mixed, UNSPACED), mixed, 5)
    both = runs(single_letters(mixed, SPACED, UNSPACED), mixed, 5)
    assert len(khmer.hashes) < len(both.hashes)
    assert len(runs(single_letters(mixed, DENSE), mixed, 3).hashes) == 0


def test_a_run_has_one_hash_wherever_it_stands() -> None:
    alone, within = folded_letters(["ак кар ява"]), folded_letters(["кичә ак кар ява иде", "җәй"])
    (hash_alone,) = runs(words(alone), alone, 3).hashes
    hashes = runs(words(within), within, 3).hashes
    assert (hashes == hash_alone).tolist() == [False, True, False]


def test_digests_are_equal_for_equal_letters_only_and_add_up_over_portions() -> None:
    high, low = digests(
        folded_letters(["Кояш чыкты.", "КОЯШ — ЧЫКТЫ", "Кояш чыктым", "чыкты кояш"])
    )
    assert high[0] == high[1]
    assert low[0] == low[1]
    assert len(set(high.tolist())) == len(set(low.tolist())) == 3
    first, second = folded_letters(["Кояш "]), folded_letters(["чыкты."])
    summed = digests(first)[0] + digests(second, before=len(first.codes))[0]
    assert summed == high[:1]


def test_the_digits_of_a_text_have_one_hash_in_their_order_and_a_text_without_has_none() -> None:
    texts = ["Кояш", "2010 елда", "елда 20 10", "2001", "", "ម៉ោង ៩", "À 12 h", "În 2010"]
    found = numbers_in(folded_letters(texts)).tolist()
    assert [number == 0 for number in found] == [True, *[False] * 3, True, False, False, False]
    assert found[1] == found[2] == found[7]
    assert len({found[1], found[3], found[5], found[6]}) == 4


LONG = " ".join(TATAR)


def parts(text: str) -> list[str]:
    return [text[first:last] for first, last in paragraphs(text)]


def test_an_empty_line_ends_a_paragraph_and_short_lines_stay_together() -> None:
    verse = "\n".join(TATAR[:3])
    assert parts(f"{verse}\n\n{FRENCH[0]}\n \n{FRENCH[1]}\n") == [verse, FRENCH[0], FRENCH[1]]
    assert parts("") == parts(" \n\n ") == []


def test_a_long_line_is_a_paragraph_of_its_own() -> None:
    assert len(LONG) > LONG_LINE_CHARS
    text = f"{TATAR[0]}\n{TATAR[1]}\n{LONG}\n{TATAR[2]}"
    assert parts(text) == [f"{TATAR[0]}\n{TATAR[1]}", LONG, TATAR[2]]
    assert parts(f"{LONG}\n{LONG}") == [LONG, LONG]


@pytest.mark.parametrize(("removed", "left"), [
    ((), "бер\n\nике\n\nөч"), ((0,), "ике\n\nөч"), ((1,), "бер\n\nөч"), ((2,), "бер\n\nике"),
    ((0, 2), "ике"), ((0, 1, 2), ""),
])  # fmt: skip
def test_the_rest_stands_as_it_stood(removed: tuple[int, ...], left: str) -> None:
    text = "бер\n\nике\n\nөч"
    assert without(text, paragraphs(text), removed) == left


def test_a_line_is_long_from_one_character_more_than_its_limit_on() -> None:
    line = LONG[:LONG_LINE_CHARS]
    assert parts(f"{TATAR[0]}\n{line}") == [f"{TATAR[0]}\n{line}"]
    line = LONG[: LONG_LINE_CHARS + 1]
    assert parts(f"{TATAR[0]}\n{line}") == [TATAR[0], line]
    assert LONG_LINE_CHARS == 200  # docs/cleaning.md
