"""Signs that a kept text is not quite in order."""

import pytest
from text_samples import FRENCH, KHMER, ROMANIAN, TATAR

from endonym.text.text_warnings import WARNINGS, text_warnings


@pytest.mark.parametrize("text", TATAR + KHMER + ROMANIAN + FRENCH)
def test_good_text_has_none(text: str):
    assert text_warnings(text) == []


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("ខុ្ញំទៅផ្សារ", "khmer_order"),
        ("ក្្រោម", "khmer_order"),
        ("គេា", "khmer_order"),
        ("Күк й\ufffdзе", "replacement"),
        ("К?чле җил", "lost_letters"),
    ],
)
def test_each_is_found_and_has_a_warning(text: str, warning: str):
    assert text_warnings(text) == [warning]
    assert warning in WARNINGS
