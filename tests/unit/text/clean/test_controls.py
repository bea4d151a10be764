"""Control characters and overrides of direction."""

import pytest
from text_samples import FRENCH, KHMER, ROMANIAN, TATAR

from endonym.text.clean.controls import without_controls


@pytest.mark.parametrize("text", [*TATAR, *KHMER, *ROMANIAN, *FRENCH, "кояш\tчыкты\nяктырды"])
def test_good_text_stays(text: str):
    assert without_controls(text) is text


def test_controls_and_noncharacters_go_and_nul_is_a_gap():
    assert without_controls("ко\x02яш\x1b\x7f\x9aчык\ufffeты\ufdd0") == "кояшчыкты"
    assert without_controls("бер\0ике") == "бер ике"


@pytest.mark.parametrize("end", ["\v", "\f", "\x85", "\u2028", "\u2029"])
def test_controls_that_end_a_line_become_a_line_end(end: str):
    assert without_controls(f"{TATAR[0]}{end}{TATAR[1]}") == f"{TATAR[0]}\n{TATAR[1]}"


def test_an_override_goes_and_marks_that_arabic_needs_stay():
    assert without_controls("\u202eكتاب\u202c") == "كتاب\u202c"
    assert without_controls("می\u200cخواهم\u200f") == "می\u200cخواهم\u200f"
