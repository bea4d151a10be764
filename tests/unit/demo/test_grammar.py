"""The French fables: word forms, lexicon and schemas, and what is composed of them."""

import os
import re
import subprocess
import sys
import unicodedata
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import pytest

from endonym.demo import grammar

SOURCES = Path(__file__).resolve().parents[3] / "src"
VOWELS = "aeiouyàâäéèêëîïôöùûüœæ"
NOT_AN_INFINITIVE = r"(?!\w+(?:er|ir|re|oir)\b)"


COUNT = 2_000


@cache
def sample() -> tuple[str, ...]:
    """The fables that most tests read."""
    return tuple(grammar.fables(COUNT, seed=1))


def letters(text: str) -> list[str]:
    """List the words of a text, l’ours being two."""
    return re.findall(r"[^\W\d_]+", text)


def test_every_fable_is_another_composed_document_of_the_right_length() -> None:
    assert len(set(sample())) == COUNT
    morals = {moral[1:] for schema in grammar.schemas() for moral in schema.morals}
    for text in sample():
        assert text == unicodedata.normalize("NFC", text)
        assert "\n\n" not in text
        assert len(text.splitlines()) == 5
        assert text == text.strip()
        assert 85 <= len(letters(text)) <= 150
        assert all(line.count("«") == line.count("»") for line in text.splitlines())
        last = text.splitlines()[-1].removesuffix(" »")
        assert any(last.endswith(moral) for moral in morals), last
    # An index keeps its fable in every version.
    digest = sha256("\n\n".join(sample()).encode()).hexdigest()
    assert digest.startswith("14479031c14a2235")


def test_vowels_are_elided_and_no_word_is_doubled() -> None:
    kept = "|".join(sorted(grammar.lexicon().aspirated))
    wrong = [
        rf"(?<![-\w’])(?:de|que|le|la|je|ne|se|me|te|lorsque|puisque) (?!(?:{kept})\b)[{VOWELS}h]",
        rf"\b[dlnsjmt]’(?:{kept})\b",
        r"\b(?!nous|vous)([^\W\d_]+) \1\b",
    ]
    for pattern in wrong:
        found = re.compile(pattern, re.IGNORECASE)
        assert not [match[0] for text in sample() if (match := found.search(text))]


def test_index_and_seed_decide_the_fable_in_another_process_too() -> None:
    code = "import sys; from endonym.demo.grammar import fable; sys.stdout.write(fable(12, 7))"
    more = {"PYTHONPATH": str(SOURCES), "PYTHONHASHSEED": "1", "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env={**os.environ, **more}, capture_output=True, check=True)
    assert done.stdout.decode("utf-8") == grammar.fable(12, 7)
    assert all(grammar.fable(index, 1) != grammar.fable(index, 2) for index in range(50))
    with pytest.raises(ValueError, match="0 or more"):
        grammar.fable(-1)


FORBIDDEN = [
    rf"\b[Dd]e les? {NOT_AN_INFINITIVE}",
    rf"(?<!-)\bà les? {NOT_AN_INFINITIVE}",
    r"\b(?:vieux|ce|beau) (?:âne|ours|écureuil|élan)\b",
    r"\b[Ss]i ils?\b",
    r" {2,}|[{}\[\]|]|'| [,.]|[.,;:!?]{2,}|\?/|\w/\w",
    r"\. [a-zàâéèêîôùûœ]|^[a-zàâéèêîôùûœ]",
    r"[^ ][!?;:»]|«[^ ]",
]


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_no_forbidden_sequence_appears(pattern: str) -> None:
    found = re.compile(pattern, re.MULTILINE)
    assert not [match[0] for text in sample() if (match := found.search(text))]


ASPIRATED = frozenset({"hibou", "haie"})
RENARD, OURS = grammar.Noun("renard", False, False), grammar.Noun("ours", False, True)
PIE, HIRONDELLE = grammar.Noun("pie", True, False), grammar.Noun("hirondelle", True, True)
GROGNON = grammar.Adjective("grognon", "grognonne")


def test_a_word_asks_for_elision_by_its_first_sound() -> None:
    for word in ("ours", "Écureuil", "œuf", "hirondelle", "ours grognon"):
        assert grammar.is_elidable(word, ASPIRATED), word
    for word in ("hibou", "Hibou", "oui", "onze", "renard", "grand ours"):
        assert not grammar.is_elidable(word, ASPIRATED), word


ELISIONS = [
    ("le ours parle de la hirondelle", "l’ours parle de l’hirondelle"),
    ("le hibou de la haie", "le hibou de la haie"),
    ("La abeille dit que elle se ennuie", "L’abeille dit qu’elle s’ennuie"),
    ("lorsque il pleut, puisque on attend", "lorsqu’il pleut, puisqu’on attend"),
    ("si il vient, Si ils partent, si elle", "s’il vient, S’ils partent, si elle"),
    ("dis-le à ta mère, ce monde a une aile", "dis-le à ta mère, ce monde a une aile"),
    ("le onze, que oui", "le onze, que oui"),
]


@pytest.mark.parametrize(("text", "elided"), ELISIONS)
def test_a_vowel_falls_before_a_vowel_and_nowhere_else(text: str, elided: str) -> None:
    assert grammar.elide(text, ASPIRATED) == elided


KEYS = ("", "un", "un+", "de", "à", "il", "lui", "le")


SLOTS = [
    (grammar.Figure(RENARD), "le renard|un renard|un renard|du renard|au renard|il|lui|le"),
    (
        grammar.Figure(OURS, GROGNON),
        "l’ours|un ours|un ours grognon|de l’ours|à l’ours|il|lui|le",
    ),
    (
        grammar.Figure(PIE, GROGNON),
        "la pie|une pie|une pie grognonne|de la pie|à la pie|elle|elle|la",
    ),
    (
        grammar.Figure(HIRONDELLE),
        "l’hirondelle|une hirondelle|une hirondelle|de l’hirondelle|à l’hirondelle|elle|elle|la",
    ),
]


@pytest.mark.parametrize(("figure", "forms"), SLOTS)
def test_a_slot_gets_the_form_that_it_asks_for(figure: grammar.Figure, forms: str) -> None:
    assert "|".join(figure.form(key) for key in KEYS) == forms
    with pytest.raises(KeyError):
        figure.form("avec")


def test_the_lexicon_is_small_and_its_casts_are_many() -> None:
    words = grammar.lexicon()
    assert len({word for text in sample() for word in letters(text.lower())}) < 600
    assert sum(len(schema.pairs) for schema in grammar.schemas()) * len(words.places) > 10_000
    for noun in [*words.animals, *(noun for group in words.objects.values() for noun in group)]:
        first = noun.text.split()[0]
        assert noun.elided == (first[0] in VOWELS), first


def test_a_fable_tells_of_its_two_animals_alone_in_their_genders() -> None:
    genders = {noun.text: noun.feminine for noun in grammar.lexicon().animals}
    named = re.compile(rf"(\w+[ ’])({'|'.join(genders)})\b")
    for text in sample():
        found = named.findall(text)
        first, second = {animal for _, animal in found}
        assert genders[first] != genders[second]
        for before, animal in found:
            article = before.strip().lower()
            assert article not in ({"le", "un", "du", "au"} if genders[animal] else {"la", "une"})


def test_schemas_are_those_of_their_files_in_order_with_two_of_opposite_gender() -> None:
    folder = Path(str(files("endonym.demo"))) / "schemas_fr"
    for path, schema in zip(sorted(folder.glob("*.toml")), grammar.schemas(), strict=True):
        assert schema.titles[0] in path.read_text(encoding="utf-8")
        assert schema.pairs
        assert all(first.feminine != second.feminine for first, second in schema.pairs)
        assert set(schema.parts) == set(grammar.PARTS)
        for options in (schema.titles, schema.morals, *schema.parts.values()):
            assert options
            assert all(option == " ".join(option.split()) for option in options)


def test_a_schema_may_limit_its_moments_and_its_animals() -> None:
    folder = Path(str(files("endonym.demo"))) / "schemas_fr"
    names = sorted(path.stem for path in folder.glob("*.toml"))
    found = dict(zip(names, grammar.schemas(), strict=True))
    assert found["hiver"].moments == grammar.lexicon().moments["été"]
    small = {noun.text for _, noun in found["filet"].pairs}
    assert "souris" in small
    assert "ours" not in small
    feminine = sum(noun.feminine for noun in grammar.lexicon().animals)
    masculine = len(grammar.lexicon().animals) - feminine
    assert len(found["partage"].pairs) == 2 * feminine * masculine
