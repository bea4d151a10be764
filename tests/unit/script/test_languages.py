"""Codes of languages, from what people write instead."""

import pytest

from endonym.script.languages import (
    NAMES,
    OTHER_NAMES,
    TAKEN_FOR,
    TWO_LETTERS,
    language_name,
    language_warning,
    nearest_code,
    usual_code,
    usual_script,
)


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("romanian", "ro"),
        ("Română", "ro"),
        ("Tatarr", "tt"),
        ("татар", "tt"),
        ("khmer", "km"),
        ("Français", "fr"),
        ("TT", "tt"),
        ("KHM", "km"),
        ("romanian-latin", "ro"),
        ("qqqq", None),
    ],
)
def test_a_name_leads_to_its_code(written: str, code: str | None) -> None:
    assert nearest_code(written) == code


def test_every_other_name_leads_to_a_language_with_a_name() -> None:
    assert set(OTHER_NAMES.values()) <= set(NAMES)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("tt", "Tatar"),
        ("km", "Khmer"),
        ("ro", "Romanian"),
        ("fr", "French"),
        ("crh", "Crimean Tatar"),
        ("zu", "Zulu"),
        ("zh-Hant", "Chinese (Hant)"),
        ("x-gasconha", "gasconha"),
        ("qqq", "qqq"),
    ],
)
def test_a_language_is_called_by_its_name(code: str, name: str) -> None:
    assert language_name(code) == name


def test_every_code_of_two_letters_has_one_of_three() -> None:
    assert set(TWO_LETTERS.values()) == {code for code in NAMES if len(code) == 2}
    assert not set(TAKEN_FOR) & {*NAMES, *TWO_LETTERS}
    assert set(TAKEN_FOR.values()) <= set(NAMES)


@pytest.mark.parametrize(
    ("written", "usual"),
    [
        ("tat", "tt"),
        ("khm", "km"),
        ("ron", "ro"),
        ("rum", "ro"),
        ("fre", "fr"),
        ("tat-Latn", "tt-Latn"),
        ("tt", "tt"),
        ("sah", "sah"),
        ("tar", "tar"),
        ("x-tat", "x-tat"),
    ],
)
def test_a_code_of_three_letters_becomes_the_one_of_two(written: str, usual: str) -> None:
    assert usual_code(written) == usual


@pytest.mark.parametrize(
    ("code", "script"),
    [("tt", "cyrillic"), ("tt-Latn", "latin"), ("sr", None), ("km", "khmer")],
)
def test_a_script_that_a_code_names_counts_more_than_the_usual_one(
    code: str, script: str | None
) -> None:
    assert usual_script(code) == script


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ("tat", "tt"),
        ("khm-Khmr", "km-Khmr"),
        ("kh", "km (Khmer)"),
        ("ua", "uk (Ukrainian)"),
        ("tar", "tt (Tatar)"),
        ("pes", "fa (Persian)"),
        ("qwh", "endonym's list"),
    ],
)
def test_a_code_that_is_not_the_usual_one_is_doubted(code: str, named: str) -> None:
    assert named in language_warning(code)


@pytest.mark.parametrize("code", ["tt", "km", "tt-Latn", "zh-Hant", "udm", "x-gasconha", "x"])
def test_a_usual_code_is_not_doubted(code: str) -> None:
    assert language_warning(code) == ""
