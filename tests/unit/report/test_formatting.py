"""Numbers and texts as the report writes them."""

import math

import pytest

from endonym.errors import isolated
from endonym.report import formatting


def test_thousands_stand_apart_and_stay_on_one_line() -> None:
    assert formatting.decimal(1234.567, 2) == "1\u202f234.57"
    assert formatting.decimal(0.5, 0) == "0"


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_a_dash(value: float | None) -> None:
    assert formatting.decimal(value, 3) == "–"


def test_control_characters_are_shown_as_their_pictures() -> None:
    assert formatting.shown("ә\0\x1b\x7f\tк\n") == "ә␀␛␡\tк\n"


def test_a_quotation_within_another_keeps_its_direction_to_itself() -> None:
    line = isolated('"أضاف قائلاً، "لدينا فئران"')
    made = formatting.quotations(f"its letters are Arabic. A line of it: {line}")
    assert made.unescape().endswith('line of it: <bdi>"أضاف قائلاً، "لدينا فئران"</bdi>')


def test_a_long_text_is_cut_at_its_end_and_a_short_one_is_not() -> None:
    assert formatting.cut("  Таң атты.\n") == "Таң атты."
    assert formatting.cut("ә" * formatting.SHOWN_CHARS) == "ә" * formatting.SHOWN_CHARS
    assert formatting.cut("Таң\n\n \n\n\nатты.\n\nКөн") == "Таң\n\nатты.\n\nКөн"
    assert formatting.cut("Таң атты да", 4) == "Таң …"
    assert formatting.cut("Таң атты да", 7) == "Таң …", "no part of a word stays"
    assert formatting.cut("ក" * (formatting.SHOWN_CHARS + 1)) == "ក" * formatting.SHOWN_CHARS + " …"
    assert formatting.cut("ចង់អនុវត្ត", 9) == "ចង់អនុវ …", "no sign is cut from its letter"
    assert formatting.cut("a\0b") == "a␀b"
