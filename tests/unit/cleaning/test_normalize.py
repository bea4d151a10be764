"""Changes made to every text."""

import time
import unicodedata

import pytest
from text_samples import FRENCH, KHMER, ROMANIAN, TATAR

from endonym.cleaning.rules import normalizer
from endonym.formats.config import Clean

ALL = ("nfc", "zero_width", "spaces")


def cleaned(text: str, *steps: str, script: str | None = None) -> str:
    return normalizer(Clean(normalize=steps, script=script))(text)


@pytest.mark.parametrize("text", TATAR + KHMER + ROMANIAN + FRENCH)
def test_a_clean_sentence_stays_as_it_is(text: str):
    assert cleaned(text, *ALL) == text


@pytest.mark.parametrize("text", ROMANIAN + FRENCH + TATAR)
def test_letters_in_pieces_become_letters(text: str):
    assert cleaned(unicodedata.normalize("NFD", text), "nfc") == text


@pytest.mark.parametrize("end", ["\r\n", "\r", "\v", "\f", "\x85", "\u2028", "\u2029"])
def test_every_line_end_becomes_a_line_feed(end: str):
    assert cleaned(f"{TATAR[0]}{end}{TATAR[1]}", "spaces") == f"{TATAR[0]}\n{TATAR[1]}"


def test_every_blank_becomes_a_space_and_runs_become_one():
    assert cleaned(" a\u00a0b \t c\u3000\u2009d\u202f: ", "spaces") == "a b c d :"


def test_blanks_at_line_ends_go_and_paragraphs_stay():
    assert cleaned("\n a \n \t\n\n\n b \nc\n\n", "spaces") == "a\n\nb\nc"


def test_control_characters_go_and_nul_is_a_gap():
    assert cleaned("бер\0ике\x02өч\x1b\x7f\x9a\0\0дүрт", "spaces") == "бер икеөч дүрт"


def test_removing_a_mark_leaves_no_double_space_in_any_order():
    text = "Бу \u200d\u200c\u2060 балыкны"
    for steps in (ALL, ("spaces", "zero_width"), ("zero_width", "spaces", "nfc")):
        assert cleaned(text, *steps) == "Бу балыкны"


def test_nothing_written_changes_nothing():
    text = " a\u0306 \r\n\u200b\0 "
    assert cleaned(text) == text


def test_long_runs_of_anything_are_linear():
    for run in (" ", "\n", " \n", "\0", "\u200b", "\u0336", "\u00a0\t", "\u200d\u200c"):
        cleaned("a" + run * 300_000 + "b", *ALL)


@pytest.mark.parametrize("marks", ["\u0301\u0323", "\u0344\u0327", "\u0323\u0345\u0301"])
def test_stacked_marks_are_put_in_order_in_linear_time(marks: str):
    small = "ә" + marks * 40 + "ө"
    assert cleaned(small, "nfc") == unicodedata.normalize("NFC", small)
    start = time.process_time()
    large = cleaned("ә" + marks * 30_000 + "ө", "nfc")
    assert time.process_time() - start < 1  # unsorted marks take several seconds
    assert unicodedata.is_normalized("NFC", large)
