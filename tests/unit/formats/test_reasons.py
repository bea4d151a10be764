"""Reasons of the reader: which make a file a bad one, and which are told file by file."""

import pytest

from endonym.formats.reasons import in_words, is_reported, is_unread, is_unreadable

UNREADABLE, UNREAD, REPORTED = {"unreadable"}, {"unread"}, {"reported"}


REASONS = [
    ("invalid_utf8 mojibake", UNREADABLE),
    ("truncated unknown_encoding reader_failed", UNREADABLE | REPORTED),
    ("empty_file unsafe_member", UNREAD | REPORTED),
    ("unsupported_format", UNREAD),
    ("min_chars exact", set()),
]


@pytest.mark.parametrize(("reasons", "expected"), REASONS)
def test_a_reason_says_what_becomes_of_its_bytes(reasons: str, expected: set[str]):
    for reason in reasons.split():
        found = UNREADABLE if is_unreadable(reason) else set[str]()
        found = found | (UNREAD if is_unread(reason) else set())
        assert found | (REPORTED if is_reported(reason) else set()) == expected


def test_a_reason_has_words() -> None:
    assert in_words("min_chars") == "too short"
    assert in_words("bad_json") == "bad json"
