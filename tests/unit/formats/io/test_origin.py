"""Where a record comes from: names of files, members and records, and what is shown of a reject."""

from text_samples import KHMER, TATAR

from endonym.formats.io.origin import (
    MAX_DOCUMENT_BYTES,
    SHOWN_CHARS,
    Origin,
    escaped_beginning,
    too_long,
)

BOOK = Origin("китаплар", "a.zip", 900)


def test_a_member_stands_below_its_archive_with_a_size_of_its_own() -> None:
    assert BOOK.member("ә/1.txt", 7) == Origin("китаплар", "a.zip/ә/1.txt", 7)


def test_a_document_is_named_after_its_file_and_its_record() -> None:
    found = BOOK.member("1.txt", 7).document(3, TATAR[0], raw_bytes=5, meta={"encoding": "cp1251"})
    assert (found.id, found.source, found.text) == ("a.zip/1.txt#3", "китаплар", TATAR[0])
    assert (found.raw_bytes, found.meta) == (5, {"encoding": "cp1251"})


def test_a_reject_of_a_record_has_its_bytes_and_their_number() -> None:
    raw = TATAR[0].encode()
    found = BOOK.reject("bad_json", "line 3 is cut", record=3, raw=raw)
    assert (found.id, found.reason, found.detail) == ("a.zip#3", "bad_json", "line 3 is cut")
    assert (found.text, found.raw_bytes) == (TATAR[0], len(raw))
    assert BOOK.reject("too_long", "", record=3, raw=raw, raw_bytes=0).raw_bytes == 0


def test_a_reject_of_a_whole_file_has_the_size_of_the_file() -> None:
    found = BOOK.whole_file("binary", "binary data")
    assert (found.id, found.raw_bytes, found.text) == ("a.zip", 900, "")


def test_bytes_that_are_no_letters_are_shown_as_their_numbers() -> None:
    assert escaped_beginning(b"\xff" + "ә".encode() + b"\xd3") == "\\xffә\\xd3"


def test_no_more_is_shown_than_people_read_and_no_letter_is_cut_in_two() -> None:
    for letter in ("a", "ә", "ក", "🌾"):
        assert escaped_beginning(letter.encode() * 3 * SHOWN_CHARS) == letter * SHOWN_CHARS
    assert escaped_beginning(KHMER[0].encode()) == KHMER[0]


def test_a_text_that_is_too_long_is_told_its_size_and_the_limit() -> None:
    said = too_long(70_000_000)
    assert "70,000,000 bytes" in said
    assert f"{MAX_DOCUMENT_BYTES // 2**20} MiB" in said
