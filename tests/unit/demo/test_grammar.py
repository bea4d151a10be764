"""The demo texts: composed fables stay French and distinct, hand-written ones stay well formed."""

import os
import re
import subprocess
import sys
import unicodedata
from functools import cache
from importlib.resources import files
from pathlib import Path

import pytest

from endonym.demo.grammar import fable, fables, lexicon, schemas

SOURCES = Path(__file__).resolve().parents[3] / "src"
VOWELS = "aeiouyàâäéèêëîïôöùûüœæ"
NOT_AN_INFINITIVE = r"(?!\w+(?:er|ir|re|oir)\b)"
REPEATABLE = {"nous", "vous"}


@cache
def sample() -> tuple[str, ...]:
    """Compose the five thousand fables that most tests read."""
    return tuple(fables(5000, seed=1))


def written(language: str) -> list[Path]:
    """List the hand-written fables of a language."""
    folder = Path(str(files("endonym.demo"))) / "fables" / language
    return sorted(folder.glob("*.txt"))


def letters(text: str) -> list[str]:
    """List the words of a text, l’ours being two."""
    return re.findall(r"[^\W\d_]+", text)


def test_five_thousand_indices_give_five_thousand_fables() -> None:
    assert len(set(sample())) == 5000


def test_index_and_seed_give_the_same_fable_in_another_process() -> None:
    code = "import sys; from endonym.demo.grammar import fable; sys.stdout.write(fable(12, 7))"
    for hash_seed in ("1", "2"):
        environment = {
            **os.environ,
            "PYTHONPATH": str(SOURCES),
            "PYTHONHASHSEED": hash_seed,
            "PYTHONIOENCODING": "utf-8",
        }
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, check=True
        )
        assert done.stdout.decode("utf-8") == fable(12, 7)


def test_another_seed_gives_another_fable() -> None:
    assert all(fable(index, 1) != fable(index, 2) for index in range(50))


def test_a_negative_index_is_refused() -> None:
    with pytest.raises(ValueError, match="0 or more"):
        fable(-1)


def test_every_fable_is_one_composed_document_of_the_right_length() -> None:
    for text in sample():
        assert text == unicodedata.normalize("NFC", text)
        assert "\n\n" not in text
        assert 4 <= len(text.splitlines()) <= 6
        assert text == text.strip()
        assert 90 <= len(letters(text)) <= 220


def test_every_fable_ends_with_a_moral_of_its_schemas() -> None:
    morals = {moral[1:] for schema in schemas() for moral in schema.morals}
    for text in sample():
        last = text.splitlines()[-1].removesuffix(" »")
        assert any(last.endswith(moral) for moral in morals), last


def test_no_vowel_is_left_without_elision() -> None:
    pattern = re.compile(
        rf"(?<![-\w’])(?:de|que|le|la|je|ne|se|me|te|lorsque|puisque) ([{VOWELS}h][\w-]*)",
        re.IGNORECASE,
    )
    kept = lexicon().aspirated
    for text in sample():
        wrong = [match[0] for match in pattern.finditer(text) if match[1].lower() not in kept]
        assert not wrong


def test_aspirated_words_are_never_elided() -> None:
    aspirated = "|".join(sorted(lexicon().aspirated))
    pattern = re.compile(rf"\b[dlnsjmt]’(?:{aspirated})\b", re.IGNORECASE)
    assert not [text for text in sample() if pattern.search(text)]


@pytest.mark.parametrize(
    "pattern",
    [
        rf"\b[Dd]e les? {NOT_AN_INFINITIVE}",
        rf"(?<!-)\bà les? {NOT_AN_INFINITIVE}",
        r"\b(?:vieux|ce|beau) (?:âne|ours|écureuil|élan)\b",
        r"\b[Ss]i ils?\b",
        r" {2,}",
        r"[{}\[\]|]",
        r"'",
        r" [,.]",
        r"[.,;:!?]{2,}",
        r"\?/|\w/\w",
        r"\. [a-zàâéèêîôùûœ]",
        r"[^ ][!?;:»]",
        r"«[^ ]",
        r"^[a-zàâéèêîôùûœ]",
    ],
)
def test_no_forbidden_sequence_appears(pattern: str) -> None:
    found = re.compile(pattern, re.MULTILINE)
    wrong = [match[0] for text in sample() if (match := found.search(text))]
    assert not wrong


def test_no_word_is_doubled() -> None:
    doubled = re.compile(r"\b([^\W\d_]+) \1\b", re.IGNORECASE)
    for text in sample():
        assert not [m[0] for m in doubled.finditer(text) if m[1].lower() not in REPEATABLE]


def test_quotation_marks_are_paired() -> None:
    for text in sample():
        assert all(line.count("«") == line.count("»") for line in text.splitlines())


def test_each_written_fable_is_clean_text() -> None:
    paths = written("fr") + written("en")
    for path in paths:
        raw = path.read_bytes()
        text = raw.decode("utf-8")
        assert text == unicodedata.normalize("NFC", text), path.name
        assert re.search(r"\S\n\Z", text), path.name
        assert not re.search(r"[\r\t'\"]|  |\n\n\n", text), path.name
        assert 100 <= len(letters(text)) <= 280, path.name
        assert 3 <= len(text.split("\n\n")) <= 6, path.name


def test_written_fables_are_many_and_unique() -> None:
    french, english = written("fr"), written("en")
    assert len(french) >= 30
    assert len(english) >= 10
    texts = [path.read_text(encoding="utf-8") for path in french + english]
    titles = [text.splitlines()[0] for text in texts]
    assert len(set(texts)) == len(texts)
    assert len(set(titles)) == len(titles)


def test_written_french_fables_follow_french_typography() -> None:
    for path in written("fr"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"[^ \n][!?;:»]|«[^ ]", text), path.name
        assert text.count("«") == text.count("»"), path.name
