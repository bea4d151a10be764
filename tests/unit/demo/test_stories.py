"""The lexicon and the conflict schemas of the French fables, as they are read from their files."""

from endonym.demo.stories import lexicon, schemas

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
