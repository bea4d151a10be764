"""What a reader is given: the bytes of a file, as a stream or on disk, and where they are from."""

import gzip
from pathlib import Path

import pytest
from text_samples import KHMER, TATAR, write

from endonym.formats.document import SHOWN_CHARS
from endonym.formats.io import content as module
from endonym.formats.io.content import Content, Origin, too_long
from endonym.formats.io.streams import Damage, Expansion

TEXT = "\n".join(TATAR).encode()
BOOK = Origin("китаплар", "a.zip", 900)


def content(data: bytes, compression: str = "", path: Path | None = None) -> Content:
    pieces = iter([data[n : n + 100] for n in range(0, len(data), 100)])
    return Content(pieces, compression, Expansion(len(data)), len(data), path)


def test_a_stream_is_decompressed():
    assert b"".join(content(gzip.compress(TEXT), "gzip").stream()) == TEXT  # type: ignore[arg-type]


def test_a_plain_file_is_used_as_it_is_and_others_are_on_disk_for_a_while(tmp_path: Path):
    path = write(tmp_path, "a.pdf", TEXT)
    with content(TEXT, path=path).on_disk() as found:
        assert found == path
    for elsewhere in (None, Path("/somewhere/a.pdf.gz")):
        with content(gzip.compress(TEXT), "gzip", elsewhere).on_disk() as found:
            assert isinstance(found, Path)
            assert found.read_bytes() == TEXT
        assert not found.exists()


def test_a_parser_that_unpacks_gets_the_packed_bytes(tmp_path: Path):
    packed = gzip.compress(TEXT)
    path = write(tmp_path, "a.xml.gz", packed)
    with content(packed, "gzip", path).on_disk(packed=True) as found:
        assert found == path
    with content(packed, "gzip").on_disk(packed=True) as found:
        assert isinstance(found, Path)
        assert found.read_bytes() == packed


def test_what_ends_early_or_is_too_much_is_unusable(monkeypatch: pytest.MonkeyPatch):
    for given, missing, reason in (
        (content(gzip.compress(TEXT)[:-9], "gzip"), 0, "truncated"),
        (content(TEXT), 1, "too_long"),
    ):
        monkeypatch.setattr(module, "MAX_TEMPORARY_BYTES", len(TEXT) - missing)
        with given.on_disk() as found:
            assert isinstance(found, Damage)
            assert found.reason == reason
            assert len(TEXT) - 20 < found.raw_bytes <= len(TEXT)


def test_a_document_of_a_member_is_named_after_archive_member_and_record():
    member = BOOK.member("ә/1.txt", 7)
    assert member == Origin("китаплар", "a.zip/ә/1.txt", 7)
    found = member.document(3, TATAR[0], raw_bytes=5, meta={"encoding": "cp1251"})
    assert (found.id, found.source, found.text) == ("a.zip/ә/1.txt#3", "китаплар", TATAR[0])
    assert (found.raw_bytes, found.meta) == (5, {"encoding": "cp1251"})


def test_a_reject_has_its_bytes_and_their_number():
    raw = TATAR[0].encode()
    found = BOOK.reject("bad_json", "line 3 is cut", record=3, raw=raw)
    assert (found.id, found.reason, found.detail) == ("a.zip#3", "bad_json", "line 3 is cut")
    assert (found.text, found.raw_bytes) == (TATAR[0], len(raw))
    assert BOOK.reject("too_long", "", record=3, raw=raw, raw_bytes=0).raw_bytes == 0
    found = BOOK.whole_file("binary", "binary data")
    assert (found.id, found.raw_bytes, found.text) == ("a.zip", 900, "")


def test_no_more_is_shown_than_people_read_and_bytes_that_are_no_letters_as_numbers():
    def shown(raw: bytes) -> str:
        return BOOK.reject("bad_json", "", record=1, raw=raw).text

    assert shown(b"\xff" + "ә".encode() + b"\xd3") == "\\xffә\\xd3"
    for letter in ("a", "ә", "ក", "🌾"):
        assert shown(letter.encode() * 3 * SHOWN_CHARS) == letter * SHOWN_CHARS
    assert shown(KHMER[0].encode()) == KHMER[0]
    said = too_long(70_000_000)
    assert "70,000,000 bytes" in said
    assert f"{module.MAX_DOCUMENT_BYTES // 2**20} MiB" in said
