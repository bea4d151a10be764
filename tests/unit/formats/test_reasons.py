"""Reasons of the reader: which make a file a bad one, and which are told file by file."""

import pytest

from endonym.formats.reasons import in_words, is_reported, is_unread, is_unreadable


@pytest.mark.parametrize(
    ("reason", "unreadable", "unread", "reported"),
    [
        ("invalid_utf8", True, False, False),
        ("mojibake", True, False, False),
        ("truncated", True, False, True),
        ("unknown_encoding", True, False, True),
        ("empty_file", False, True, True),
        ("unsafe_member", False, True, True),
        ("unsupported_format", False, True, False),
        ("min_chars", False, False, False),
        ("exact", False, False, False),
    ],
)
def test_a_reason_says_what_becomes_of_its_bytes_and_who_hears_of_it(
    reason: str, unreadable: bool, unread: bool, reported: bool
) -> None:
    found = (is_unreadable(reason), is_unread(reason), is_reported(reason))
    assert found == (unreadable, unread, reported)


def test_a_reason_has_words() -> None:
    assert in_words("min_chars") == "too short"
    assert in_words("bad_json") == "bad json"
