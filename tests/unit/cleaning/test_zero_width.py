"""Marks of no width: kept where a script needs them."""

import pytest

from endonym.cleaning.normalize import without_zero_width

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


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(
    ("hidden", "script"),
    [("خا{}نه", "arabic"), ("घ{}र", "devanagari"), ("ផ្ទះ{}ថ្មី", "khmer"), ("שלום{} לכם", "hebrew")],
)
def test_a_message_of_marks_by_turns_goes(hidden: str, script: str, named: bool):
    zero, one = ("\u200e", "\u200f") if script == "hebrew" else ("\u200c", "\u200d")
    message = "".join(one if each == "1" else zero for each in "0110100001101001")
    given = script if named else None
    assert without_zero_width(hidden.format(message), given) == hidden.format("")
    assert without_zero_width(hidden.format(f"{one}{zero}{one}"), given) == hidden.format(
        f"{one}{zero}{one}"
    )


@pytest.mark.parametrize("script", [None, "khmer"])
def test_the_end_of_a_word_among_marks_by_turns_stays(script: str | None):
    text = "ទៅ\u200c\u200d\u200b\u200c\u200dផ្សារ"
    assert without_zero_width(text, script) == "ទៅ\u200bផ្សារ"


def test_a_text_without_marks_is_the_same_object():
    text = "Țăranul a dus grâul la moară."
    assert without_zero_width(text, None) is text
