"""The French fables: word forms, lexicon and plots, and what is composed of them."""

import os
import re
import subprocess
import sys
import unicodedata
from functools import cache
from hashlib import sha256
from pathlib import Path

import pytest

from endonym.demo import grammar
from endonym.synthesis.grammar_file import read_plots
from endonym.synthesis.words import Word

FOLDER = Path(grammar.__file__).with_name("fables_fr")
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
    morals = {moral[1:] for plot in read_plots(FOLDER) for moral in plot.tables.blocks["moral"]}
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
    kept = "hérisson|honte"
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


ELISIONS = [
    ("le ours parle de la abeille", "l’ours parle de l’abeille"),
    ("le hérisson de la honte", "le hérisson de la honte"),
    ("La abeille dit que elle se ennuie", "L’abeille dit qu’elle s’ennuie"),
    ("la horloge, le œuf, le Écureuil", "l’horloge, l’œuf, l’Écureuil"),
    ("lorsque il pleut, puisque on attend", "lorsqu’il pleut, puisqu’on attend"),
    ("si il vient, Si ils partent, si elle", "s’il vient, S’ils partent, si elle"),
    ("dis-le à ta mère, ce monde a une aile", "dis-le à ta mère, ce monde a une aile"),
    ("le onze, que oui", "le onze, que oui"),
]


@pytest.mark.parametrize(("text", "elided"), ELISIONS)
def test_a_vowel_falls_before_a_vowel_and_nowhere_else(text: str, elided: str) -> None:
    for pattern, by in grammar.grammar().plots[0].replace:
        text = pattern.replaced(by, text)
    assert text == elided


FORMS = [
    ("renard", "le renard|un renard|du renard|d’un renard|il|lui"),
    ("ours", "l’ours|un ours|de l’ours|d’un ours|il|lui"),
    ("hérisson", "le hérisson|un hérisson|du hérisson|d’un hérisson|il|lui"),
    ("pie", "la pie|une pie|de la pie|d’une pie|elle|elle"),
    ("assiette", "l’assiette|une assiette|de l’assiette|d’une assiette|elle|elle"),
    ("sac de noix", "le sac de noix|un sac de noix|du sac de noix|d’un sac de noix|il|lui"),
]


def words(name: str) -> dict[str, Word]:
    """The words of the slots of this name in all plots."""
    every = (slot for plot in grammar.grammar().plots for slot in (*plot.slots, *plot.drawn))
    return {word.text: word for slot in every if slot.name == name for word in slot.words}


@pytest.mark.parametrize(("noun", "forms"), FORMS)
def test_a_slot_gets_the_form_that_it_asks_for(noun: str, forms: str) -> None:
    word = (words("A") | words("O"))[noun]
    assert "|".join(word.forms[key] for key in ("le", "un", "de", "d’un", "il", "lui")) == forms


def test_the_lexicon_is_small_and_its_casts_are_many() -> None:
    assert len({word for text in sample() for word in letters(text.lower())}) < 600
    assert sum(plot.casts for plot in grammar.grammar().plots) > 10_000


def test_a_fable_tells_of_its_two_animals_alone_in_their_genders() -> None:
    genders = {text: word.number for text, word in words("A").items()}
    assert sorted(genders.values()) == [0] * 11 + [1] * 11
    named = re.compile(rf"(\w+[ ’])({'|'.join(genders)})\b")
    for text in sample():
        found = named.findall(text)
        first, second = {animal for _, animal in found}
        assert genders[first] != genders[second]
        for before, animal in found:
            article = before.strip().lower()
            assert article not in ({"le", "un", "du", "au"} if genders[animal] else {"la", "une"})


def test_plots_are_those_of_their_files_in_order_and_each_is_told() -> None:
    names = sorted(path.stem for path in (FOLDER / "plots").glob("*.toml"))
    assert [plot.name for plot in grammar.grammar().plots] == names
    told = [grammar.grammar().slots(index, 1)["plot"] for index in range(2 * len(names))]
    assert sorted(told[: len(names)]) == sorted(told[len(names) :]) == names


def test_a_plot_may_limit_its_moments_and_its_animals() -> None:
    plots = {plot.name: plot for plot in grammar.grammar().plots}
    (moments,) = (slot for slot in plots["hiver"].drawn if slot.name == "time")
    summer = ["un matin d’été", "un jour de juillet", "un beau jour d’août"]
    assert [word.text for word in moments.words] == summer
    small = {word.text for word in plots["filet"].slots[1].words}
    assert "souris" in small
    assert "ours" not in small
    assert plots["partage"].casts == 2 * 11 * 11 * 8
