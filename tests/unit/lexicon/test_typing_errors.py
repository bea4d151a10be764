"""Typing errors are of the kind that was asked for, and the same for the same seed."""

from random import Random

import pytest

from endonym.lexicon.typing_errors import (
    ERRORS,
    KINDS,
    Layout,
    any_error,
    layout_of,
    look_alikes,
    typed_keys,
    typing_error,
)

TATAR, ROMANIAN, FRENCH = layout_of("tt"), layout_of("ro"), layout_of("fr")
KHMER, ENGLISH = layout_of("km", "khmer"), layout_of("en", "latin")


def made(word: str, kind: str, layout: Layout, times: int = 60) -> set[str | None]:
    """What an error of a kind makes of a word, with many seeds."""
    return {typing_error(word, kind, layout, Random(seed)) for seed in range(times)}


def test_every_kind_has_a_function_and_a_weight() -> None:
    assert set(KINDS) == set(ERRORS)


def test_a_neighbour_is_a_key_beside_the_right_one_on_the_language_s_keyboard() -> None:
    assert made("a", "neighbour", ENGLISH) == {"q", "w", "s"}
    assert made("a", "neighbour", FRENCH) == {"z", "q"}  # azerty
    assert made("Ң", "neighbour", TATAR) >= {"Д", "Э"}  # a capital stays one


def test_letters_are_swapped_doubled_dropped_and_added() -> None:
    assert made("Дус", "swap", TATAR) == {"Удс", "Дсу"}
    assert made("дус", "double", TATAR) == {"ддус", "дуус", "дусс"}
    assert made("Дус", "drop", TATAR) == {"Ус", "Дс", "Ду"}
    assert {len(each or "") for each in made("дус", "add", TATAR)} == {4}
    assert made("у", "drop", TATAR) == {None}


def test_marks_are_dropped_or_changed() -> None:
    assert made("oraș", "mark", ROMANIAN) == {"oras"}
    assert made("cât", "mark", ROMANIAN) == {"cat", "căt"}
    assert made("été", "mark", FRENCH, 300) >= {"eté", "éte", "êté"}
    assert made("copac", "mark", ROMANIAN) == {None}


def test_letters_that_a_keyboard_lacks_become_those_that_look_like_them() -> None:
    assert made("җиң", "look_alike", TATAR) == {"жиң", "җин"}
    assert made("Ә", "look_alike", TATAR) == {"Э", "А", "Я", "Ə"}
    assert made("ală", "look_alike", ROMANIAN) == {None}  # no Latin for Latin
    assert look_alikes("ș") == ["ş"]


def test_signs_of_khmer_change_their_order_and_subscripts_stay_whole() -> None:
    word = "ស្ត្រី"
    assert made(word, "order", KHMER) == {"ស្រ្តី", "ស្តី្រ"}
    assert made("кар", "order", TATAR) == {None}


def test_the_same_seed_makes_the_same_error_and_any_error_is_a_possible_one() -> None:
    one, other = (any_error("мәктәп", TATAR, Random(7)) for _ in range(2))
    assert one == other
    kinds = {any_error("мәктәп", TATAR, Random(n))[0] for n in range(300)}  # type: ignore[index]
    assert kinds == set(KINDS) - {"mark", "order"}
    assert any_error("1", TATAR, Random(1)) is None


@pytest.mark.parametrize(
    ("word", "keys"),
    [("Școală", "scoala"), ("l’œuvre", "loeuvre"), ("Łódź", "lodz"), ("дус", None), ("", None)],
)
def test_typed_keys_are_from_a_to_z_without_accents(word: str, keys: str | None) -> None:
    assert typed_keys(word) == keys
