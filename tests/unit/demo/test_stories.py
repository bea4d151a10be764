"""The lexicon and the conflict schemas of the French fables, as they are read from their files."""

import random
from pathlib import Path

import pytest

from endonym.demo import grammar as stories
from endonym.demo.grammar import PARTS, SIZES, SKY_SHARE, Season, lexicon, schemas

VOWELS = "aeiouyàâäéèêëîïôöùûüœæ"


def test_the_casts_alone_exceed_one_hundred_thousand() -> None:
    casts = sum(len(schema.pairs) for schema in schemas()) * len(lexicon().places)
    assert casts > 100_000


def test_the_lexicon_is_as_rich_as_promised() -> None:
    words = lexicon()
    assert sum(len(nouns) for nouns in words.characters.values()) >= 40
    assert len({trait for family in words.traits.values() for trait in family}) >= 40
    assert len(words.places) >= 25
    assert len(schemas()) >= 12
    assert len({moral for schema in schemas() for moral in schema.morals}) >= 40


def test_every_aspirated_character_and_object_is_listed() -> None:
    words = lexicon()
    nouns = [noun for group in words.characters.values() for noun in group]
    nouns += [noun for group in words.objects.values() for noun in group]
    mute = {"hirondelle", "hermine"}
    for noun in nouns:
        first = noun.text.split()[0]
        assert noun.elided == (first[0] in VOWELS or first in mute), first


def test_adjectives_have_both_genders_and_a_form_before_vowels_where_it_differs() -> None:
    fronts = {each.masculine: each for group in lexicon().fronts.values() for each in group}
    assert (fronts["vieux"].feminine, fronts["vieux"].before_vowel) == ("vieille", "vieil")
    assert fronts["petit"].before_vowel == "petit"


def test_every_character_has_one_size() -> None:
    words = lexicon()
    for size in SIZES:
        assert {words.size_of(noun) for noun in words.characters[size]} == {size}


def test_by_day_the_sky_is_told_more_often_than_not_and_by_night_never() -> None:
    season = Season(("un matin",), ("une nuit",), ("sous la neige",))
    rng = random.Random(5)
    assert {season.moment(rng, at_night=True) for _ in range(20)} == {"une nuit"}
    days = [season.moment(rng, at_night=False) for _ in range(500)]
    assert set(days) == {"un matin", "un matin, sous la neige"}
    assert days.count("un matin, sous la neige") / 500 == pytest.approx(SKY_SHARE, abs=0.1)


def test_the_two_of_a_fable_are_told_apart_by_their_pronouns() -> None:
    for schema in schemas():
        assert schema.pairs
        assert all(first.feminine != second.feminine for first, second in schema.pairs)


def test_templates_are_single_lines_and_every_part_of_a_fable_has_some() -> None:
    for schema in schemas():
        assert set(schema.parts) == set(PARTS)
        for options in (schema.titles, schema.morals, *schema.parts.values()):
            assert options
            assert all(option == " ".join(option.split()) for option in options)


def test_schemas_stand_in_the_order_of_their_files() -> None:
    folder = Path(stories.__file__).parent / "schemas_fr"
    written = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.toml"))]
    assert len(written) == len(schemas())
    for text, schema in zip(written, schemas(), strict=True):
        assert schema.titles[0] in text


def test_a_schema_may_limit_its_seasons_its_night_and_the_sizes_of_its_two() -> None:
    folder = Path(stories.__file__).parent / "schemas_fr"
    names = sorted(path.stem for path in folder.glob("*.toml"))
    found = dict(zip(names, schemas(), strict=True))
    assert found["bornes"].seasons == ("printemps", "automne")
    assert [name for name in names if found[name].at_night] == ["peur", "porte"]
    words = lexicon()
    sizes = {(words.size_of(one), words.size_of(two)) for one, two in found["union"].pairs}
    assert sizes == {("grand", "petit"), ("moyen", "petit")}
    nouns = [noun for group in words.characters.values() for noun in group]
    feminine = sum(noun.feminine for noun in nouns)
    assert len(found["bornes"].pairs) == 2 * feminine * (len(nouns) - feminine)
