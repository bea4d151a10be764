"""French word forms: elision, contraction and agreement, by hand."""

import pytest

from endonym.demo.grammar import Adjective, Figure, Noun, elide, is_elidable

ASPIRATED = frozenset({"hibou", "haie"})
RENARD, OURS = Noun("renard", False, False), Noun("ours", False, True)
PIE, HIRONDELLE = Noun("pie", True, False), Noun("hirondelle", True, True)
VIEUX = Adjective("vieux", "vieille", "vieil")
GROGNON = Adjective("grognon", "grognonne", "grognon")


@pytest.mark.parametrize(
    ("word", "elidable"),
    [
        ("ours", True),
        ("Écureuil", True),
        ("œuf", True),
        ("hirondelle", True),
        ("ours grognon", True),
        ("hibou", False),
        ("Hibou", False),
        ("oui", False),
        ("onze", False),
        ("renard", False),
        ("grand ours", False),
    ],
)
def test_a_word_asks_for_elision_by_its_first_sound(word: str, elidable: bool) -> None:
    assert is_elidable(word, ASPIRATED) is elidable


@pytest.mark.parametrize(
    ("text", "elided"),
    [
        ("le ours parle de la hirondelle", "l’ours parle de l’hirondelle"),
        ("le hibou de la haie", "le hibou de la haie"),
        ("La abeille dit que elle se ennuie", "L’abeille dit qu’elle s’ennuie"),
        ("lorsque il pleut, puisque on attend", "lorsqu’il pleut, puisqu’on attend"),
        ("si il vient, Si ils partent, si elle", "s’il vient, S’ils partent, si elle"),
        ("dis-le à ta mère", "dis-le à ta mère"),
        ("ce monde a une aile usée", "ce monde a une aile usée"),
        ("le onze, que oui", "le onze, que oui"),
    ],
)
def test_a_vowel_falls_before_a_vowel_and_nowhere_else(text: str, elided: str) -> None:
    assert elide(text, ASPIRATED) == elided


@pytest.mark.parametrize(
    ("noun", "the", "of", "to", "a"),
    [
        (RENARD, "le renard", "du renard", "au renard", "un renard"),
        (OURS, "l’ours", "de l’ours", "à l’ours", "un ours"),
        (PIE, "la pie", "de la pie", "à la pie", "une pie"),
        (HIRONDELLE, "l’hirondelle", "de l’hirondelle", "à l’hirondelle", "une hirondelle"),
    ],
)
def test_articles_are_contracted_with_what_stands_before_them(
    noun: Noun, the: str, of: str, to: str, a: str
) -> None:
    assert [Figure(noun).form(key) for key in ("", "de", "à", "un")] == [the, of, to, a]


def test_an_adjective_agrees_and_has_a_form_of_its_own_before_a_vowel() -> None:
    assert VIEUX.agreeing(RENARD, before=True) == "vieux"
    assert VIEUX.agreeing(OURS, before=True) == "vieil"
    assert VIEUX.agreeing(OURS) == "vieux"
    assert VIEUX.agreeing(HIRONDELLE, before=True) == "vieille"


def test_a_first_mention_has_its_adjectives_where_french_puts_them() -> None:
    assert Figure(OURS, GROGNON, VIEUX).form("un+") == "un vieil ours grognon"
    assert Figure(PIE, GROGNON, VIEUX).form("un+") == "une vieille pie grognonne"
    assert Figure(RENARD, trait=GROGNON).form("un+") == "un renard grognon"
    assert Figure(RENARD).form("un+") == "un renard"


def test_a_slot_gets_the_form_that_it_asks_for() -> None:
    keys = ("", "un", "un+", "de", "à", "il", "lui", "le", "e")
    pie, ours = Figure(PIE, GROGNON), Figure(OURS, GROGNON)
    assert [pie.form(key) for key in keys] == [
        *("la pie", "une pie", "une pie grognonne", "de la pie", "à la pie"),
        *("elle", "elle", "la", "e"),
    ]
    assert [ours.form(key) for key in keys] == [
        *("l’ours", "un ours", "un ours grognon", "de l’ours", "à l’ours"),
        *("il", "lui", "le", ""),
    ]
    with pytest.raises(KeyError):
        pie.form("avec")
