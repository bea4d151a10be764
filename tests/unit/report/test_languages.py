"""Languages by their names."""

import pytest

from endonym.report.languages import language_name


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
