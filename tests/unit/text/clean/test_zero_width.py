"""Marks of no width: kept where a script needs them."""

import pytest

from endonym.text.clean.zero_width import without_zero_width

KEPT = [
    ("می\u200cخواهم به خانه بروم", "arabic"),
    ("क्\u200dष और क्\u200cष", "devanagari"),
    ("ខ្ញុំ\u200bទៅ\u200bផ្សារ", "khmer"),
    ("שלום\u200f, 123", "hebrew"),
]
REMOVED = [
    ("Б\u200bе\u200bз урман\u200cга", "Без урманга", "cyrillic"),
    ("\u202eБез урманга барабыз.\u202c", "Без урманга барабыз.", "cyrillic"),
    ("\ufeffL’au\u00adbe\u2060", "L’aube", "latin"),
    ("У\u0336л", "Ул", "cyrillic"),
]


@pytest.mark.parametrize(("text", "script"), KEPT)
def test_what_a_script_needs_stays_when_it_is_named(text: str, script: str):
    assert without_zero_width(text, script) == text


@pytest.mark.parametrize(("text", "script"), KEPT)
def test_what_a_script_needs_stays_beside_its_letters(text: str, script: str):
    assert without_zero_width(text, None) == text


@pytest.mark.parametrize(("text", "clean", "script"), REMOVED)
def test_what_a_script_does_not_need_goes(text: str, clean: str, script: str):
    assert without_zero_width(text, script) == clean
    assert without_zero_width(text, None) == clean


@pytest.mark.parametrize("script", [None, "khmer"])
def test_a_word_mark_typed_twice_is_one(script: str | None):
    assert without_zero_width("ទៅ\u200b\u200bផ្សារ", script) == "ទៅ\u200bផ្សារ"


@pytest.mark.parametrize("script", [None, "latin", "khmer"])
def test_a_family_of_emoji_stays_together(script: str | None):
    assert (
        without_zero_width("Familia 👩\u200d👩\u200d👧 mea", script)
        == "Familia 👩\u200d👩\u200d👧 mea"
    )


def test_a_joiner_between_latin_letters_goes_though_the_text_has_emoji():
    assert without_zero_width("ma\u200dmă 👧", "latin") == "mamă 👧"


def test_a_text_without_marks_is_the_same_object():
    text = "Țăranul a dus grâul la moară."
    assert without_zero_width(text, None) is text
