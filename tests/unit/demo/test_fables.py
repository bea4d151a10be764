"""The demo fables: what a reader of them, and a tokenizer trained on them, may rely on."""

from __future__ import annotations

import importlib.resources
import unicodedata

import pytest
import regex

SCRIPTS = {"ro": "Latin", "tt": "Cyrillic", "km": "Khmer"}
LANGUAGES = sorted(SCRIPTS)


def raw_fables(language: str) -> dict[str, bytes]:
    folder = importlib.resources.files("endonym.demo") / "fables" / language
    return {
        entry.name: entry.read_bytes()
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".txt")
    }


def fables(language: str) -> dict[str, str]:
    return {name: raw.decode("utf-8") for name, raw in raw_fables(language).items()}


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_at_least_ten_fables(language: str) -> None:
    assert len(raw_fables(language)) >= 10


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_fable_is_in_composed_normal_form(language: str) -> None:
    bad = [n for n, text in fables(language).items() if not unicodedata.is_normalized("NFC", text)]
    assert bad == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_fable_ends_with_exactly_one_newline(language: str) -> None:
    bad = [
        name
        for name, raw in raw_fables(language).items()
        if not raw.endswith(b"\n") or raw.endswith(b"\n\n")
    ]
    assert bad == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_fable_has_carriage_returns_or_a_byte_order_mark(language: str) -> None:
    bad = [
        name
        for name, raw in raw_fables(language).items()
        if b"\r" in raw or raw.startswith(b"\xef\xbb\xbf")
    ]
    assert bad == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_fable_opens_with_a_title_and_single_blank_lines_part_its_paragraphs(
    language: str,
) -> None:
    bad = []
    for name, text in fables(language).items():
        title, blank, *_ = text.split("\n")
        if not title.strip() or blank or "\n\n\n" in text:
            bad.append(name)
    assert bad == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_fables_hold_only_letters_and_marks_of_the_script_of_their_language(language: str) -> None:
    foreign = regex.compile(rf"(?!\p{{Script={SCRIPTS[language]}}})[\p{{L}}\p{{M}}]")
    found = {name: foreign.findall(text) for name, text in fables(language).items()}
    assert {name: letters for name, letters in found.items() if letters} == {}


def test_no_two_fables_are_equal() -> None:
    texts = [text for language in LANGUAGES for text in fables(language).values()]
    assert len(set(texts)) == len(texts)


def test_romanian_fables_have_comma_below_and_never_a_cedilla() -> None:
    for name, text in fables("ro").items():
        assert not set(text) & set("\u015e\u015f\u0162\u0163"), name
        assert set(text) & set("\u0219\u021b"), name


def test_every_tatar_fable_has_letters_that_russian_lacks() -> None:
    for name, text in fables("tt").items():
        assert set(text.lower()) & set("әөүҗңһ"), name


def test_tatar_fables_together_have_all_six_letters_that_russian_lacks() -> None:
    assert set("әөүҗңһ") <= set("".join(fables("tt").values()).lower())


def test_khmer_fables_have_no_zero_width_characters() -> None:
    for name, text in fables("km").items():
        assert not set(text) & set("\u200b\u200c\u200d\u2060\ufeff"), name


def test_khmer_subscripts_stand_before_vowels_and_join_two_consonants() -> None:
    stray = regex.compile(r"(?<![\u1780-\u17b3\u17cc])\u17d2|\u17d2(?![\u1780-\u17a2])")
    for name, text in fables("km").items():
        without_subscripts = regex.sub(
            r"(?<=[\u1780-\u17b3\u17cc])(?:\u17d2[\u1780-\u17a2])+", "", text
        )
        assert not stray.search(without_subscripts), name


def test_khmer_fables_end_their_sentences_with_the_khmer_full_stop() -> None:
    for name, text in fables("km").items():
        assert text.rstrip().endswith("\u17d4"), name
        assert "." not in text, name
