"""Codes of languages, from what people write instead."""

import pytest

from endonym.text.languages import NAMES, OTHER_NAMES, language_name, nearest_code


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
