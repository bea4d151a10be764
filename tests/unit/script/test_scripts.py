"""Writing systems."""

import pytest

from endonym.script import scripts
from endonym.script.scripts import is_script, letters_share, script_counts, script_share


def test_every_listed_script_is_one_of_unicodes():
    listed = scripts.JOINER_SCRIPTS | scripts.BREAK_SCRIPTS
    listed |= scripts.RIGHT_TO_LEFT | scripts.COMMON_SCRIPTS
    assert [name for name in sorted(listed | {"elvish"}) if not is_script(name)] == ["elvish"]


def test_shares_are_of_letters_not_of_characters():
    assert script_share("аб cd 12 !?", "cyrillic") == 0.5
    assert letters_share("әба, 123 Ә", "әә") == 0.5
    assert script_share("123", "latin") == letters_share("", "ә") == 0.0


def test_vowel_signs_count_for_their_script_and_accents_for_none():
    assert script_share("ក្រុងBangkok", "khmer") == 5 / 12
    assert script_share("Ра\u0301но", "cyrillic") == 1.0


def test_shares_do_not_depend_on_how_a_text_is_portioned(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(scripts, "PORTION_CHARS", 3)
    assert script_share("абвг defg абвг", "cyrillic") == 8 / 12


def test_scripts_of_a_sample_are_counted():
    counts = script_counts("Бу китап ខ្មែរ and 漢字 𐎀𐎀")
    assert counts["cyrillic"] == 7
    assert counts["khmer"] == 5
    assert counts["latin"] == 3
    assert script_counts("Ра\u0301но") == {"cyrillic": 4}
    assert counts["han"] == 2
    assert counts["other"] == 2
