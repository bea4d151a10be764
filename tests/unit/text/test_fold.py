"""Texts as they are compared."""

import pytest

from endonym.text.fold import CYRILLIC, LATIN, folded


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ţara mea, ţara mea!", "țara mea — ȚARA mea"),
        ("ăâî", "AAI"),
        ("Һәм кайтты.", "hәм кайтты"),
        ("Aвыл, КИТАП", "авыл китaп"),
        ("йорт", "Иорт"),
        ("Straße", "STRASSE"),
        ("İstanbul ılık", "istanbul ILIK"),
        ("ទន្លេ\u200bនៅមុខ ភូមិ។", "ទន្លេនៅមុខភូមិ"),
        ("نَهْر", "نَهْر!"),
        ("क़लम", "क\u093cलम"),
        ("ӏус", "Iус"),
        ("2 000", "2000"),
    ],
)
def test_two_spellings_become_one(one: str, other: str):
    first, second = folded([one, other])
    assert first == second != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ទន្លេ", "ទន្លា"),
        ("कल", "काल"),
        ("نَهر", "نهر"),
        ("үлән", "улән"),
        ("һава", "нава"),
        ("ң", "н"),
        ("12", "13"),
    ],
)
def test_letters_that_are_read_differently_stay_apart(one: str, other: str):
    first, second = folded([one, other])
    assert first != second


def test_no_two_letters_of_one_script_become_one_by_their_shape():
    assert len(CYRILLIC) == len(LATIN)
    joined = {latin for latin in LATIN if LATIN.count(latin) > 1}
    assert joined == {"i"}


def test_texts_keep_their_order_and_their_borders():
    assert folded(["Әби", "", "су.", " — ", "Кар"]) == ["əби", "", "cy", "—", "kap"]
    assert folded([]) == []


def test_a_text_without_letters_is_compared_as_it_stands():
    assert folded(["?! …", " \n", "😀 \u200b!"]) == ["?!…", "", "😀\u200b!"]
