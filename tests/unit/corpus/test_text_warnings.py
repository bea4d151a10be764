"""Signs that a kept text is not quite in order."""

import pytest
from text_samples import FRENCH, KHMER, ROMANIAN, TATAR

from endonym.corpus.text_warnings import WARNINGS, example, text_warnings


@pytest.mark.parametrize("text", TATAR + KHMER + ROMANIAN + FRENCH)
def test_good_text_has_none(text: str):
    assert text_warnings(text) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [("ខុ្ញំ", "ខុ្ញំ for ខ្ញុំ"), ("ក្្រោម", "ក្្រោ for ក្រោ"), ("គេា", "គេា for គោ"), ("តេ្រ", "តេ្រ for ត្រេ")],
)
def test_an_example_of_khmer_out_of_order_stands_beside_what_is_meant(text: str, said: str):
    assert example(f"ខ្ញុំទៅ {text}ផ្សារ", "khmer_order") == said


@pytest.mark.parametrize(
    ("text", "warning", "named"),
    [
        ("ខុ្ញំទៅផ្សារ", "khmer_order", "ខុ្ញំ for ខ្ញុំ"),
        ("ក្្រោម", "khmer_order", "ក្្រោ for ក្រោ"),
        ("គេា", "khmer_order", "គេា for គោ"),
        ("Бер. Күк й\ufffdзе", "replacement", "й\ufffdзе"),
        ("Бер. К?чле җил", "lost_letters", "К?чле"),
    ],
)
def test_each_is_found_and_its_warning_shows_where(text: str, warning: str, named: str):
    assert text_warnings(text) == [warning]
    assert example(text, warning) == named
    assert f"as in {named}" in WARNINGS[warning].format(example=named)
