"""Web archives."""

import bz2
import gzip
import lzma
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from made_documents import arc, http, warc, xhtml
from text_samples import FRENCH, TATAR, kept, reasons, records, refused, write

from endonym.formats.document import Document

A, B = "https://a.рф/1", "https://b.рф/2"
PAGE, OTHER = xhtml(TATAR, "Урман").encode(), xhtml(FRENCH).encode()
GOOD = [("warcinfo", "", b"software: made"), ("request", A, b"GET / HTTP/1.1\r\n\r\n")]
TEXT = "\n\n".join(TATAR)


def test_answers_are_documents_with_their_address_and_other_records_are_none(tmp_path: Path):
    records_ = [*GOOD, ("response", A, http(PAGE)), ("response", B, http(OTHER))]
    found = records(write(tmp_path, "a.warc", warc(records_)))
    assert kept(found) == [TEXT, "\n\n".join(FRENCH)]
    (first, _) = found
    assert isinstance(first, Document)
    assert (first.id, first.meta) == (
        "a.warc#1",
        {"title": "Урман", "url": A, "date": "2026-01-02T03:04:05Z", "method": "warc"},
    )


@pytest.mark.parametrize("per_record", [True, False])
def test_an_archive_may_be_packed_record_by_record_or_as_a_whole(tmp_path: Path, per_record: bool):
    parts = [warc([each]) for each in [*GOOD, ("response", A, http(PAGE))]]
    data = b"".join(map(gzip.compress, parts)) if per_record else gzip.compress(b"".join(parts))
    assert kept(records(write(tmp_path, "a.warc.gz", data))) == [TEXT]


@pytest.mark.parametrize(("ending", "pack"), [("bz2", bz2.compress), ("xz", lzma.compress)])
def test_an_archive_that_was_packed_by_hand_is_read_too(
    tmp_path: Path, ending: str, pack: Callable[[bytes], bytes]
):
    data = warc([*GOOD, ("response", A, http(PAGE)), ("response", B, http(OTHER))])
    path = write(tmp_path, f"a.warc.{ending}", pack(data))
    assert kept(records(path)) == [TEXT, "\n\n".join(FRENCH)]
    cut = records(write(tmp_path, f"b.warc.{ending}", pack(data)[:-40]))
    assert set(reasons(cut)) == {"truncated"}


def test_texts_of_wet_are_read_as_they_stand(tmp_path: Path):
    data = warc([("conversion", A, "\n".join(TATAR).encode())], media="text/plain")
    assert kept(records(write(tmp_path, "a.warc.wet.gz", gzip.compress(data)))) == [
        "\n".join(TATAR)
    ]


def test_the_older_form_is_read_too(tmp_path: Path):
    data = arc([(A, http(PAGE)), (B, http(b"x", "Content-Type: image/png"))])
    for name, content in (("a.arc", data), ("a.arc.gz", gzip.compress(data))):
        found = records(write(tmp_path, name, content))
        assert kept(found) == [TEXT]
        assert reasons(found) == {"not_a_page": 1}


CHUNKED = b"".join(
    b"%x\r\n%s\r\n" % (len(PAGE[n : n + 100]), PAGE[n : n + 100]) for n in range(0, len(PAGE), 100)
)
HEAD = "Content-Type: text/html; charset=utf-8\r\n"


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("Transfer-Encoding: chunked", CHUNKED + b"0\r\n\r\n"),
        ("Transfer-Encoding: chunked", PAGE),
        ("Content-Encoding: gzip", gzip.compress(PAGE)),
        ("Content-Encoding: gzip", PAGE),
        ("Content-Encoding: deflate", zlib.compress(PAGE)),
        ("Content-Encoding: deflate", zlib.compress(PAGE)[2:-4]),
    ],
    ids=["chunks", "no chunks", "gzip", "no gzip", "zlib", "deflate"],
)
def test_bodies_are_unpacked_or_taken_as_they_are(tmp_path: Path, head: str, body: bytes):
    data = warc([("response", A, http(body, HEAD + head))])
    assert kept(records(write(tmp_path, "a.warc", data))) == [TEXT]


def test_what_is_no_page_is_counted(tmp_path: Path):
    data = warc(
        [
            ("response", A, http(PAGE, status="404 Not Found")),
            ("response", A, http(b"\xff\xd8", "Content-Type: image/jpeg")),
            ("response", A, http(b"{}", "Content-Type: application/json")),
            ("response", A, http(b"", HEAD)),
            ("response", B, http(PAGE)),
        ]
    )
    found = records(write(tmp_path, "a.warc", data))
    assert kept(found) == [TEXT]
    assert reasons(found) == {"not_a_page": 3, "blank": 1}
    assert "404" in refused(found)[0].detail


def test_a_body_that_is_a_bomb_is_left_out_in_time(tmp_path: Path):
    bomb = gzip.compress(b"a" * 200_000_000)
    head = HEAD + "Content-Encoding: gzip"
    data = warc([("response", A, http(bomb, head)), ("response", B, http(PAGE))])
    began = time.monotonic()
    found = records(write(tmp_path, "a.warc", data))
    assert time.monotonic() - began < 10
    assert (kept(found), reasons(found)) == ([TEXT], {"bomb": 1})


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("cut", [5, 700, 1_200])
def test_an_archive_that_is_cut_never_gives_half_a_page(tmp_path: Path, packed: bool, cut: int):
    parts = [warc([("response", A, http(PAGE))]), warc([("response", B, http(OTHER))])]
    data = b"".join(map(gzip.compress, parts)) if packed else b"".join(parts)
    cut = cut if not packed else cut // 5
    found = records(write(tmp_path, f"a.warc{'.gz' if packed else ''}", data[:-cut]))
    assert set(kept(found)) <= {TEXT, "\n\n".join(FRENCH)}
    if len(kept(found)) < 2:
        assert set(reasons(found)) == {"truncated"}


@pytest.mark.parametrize("data", [b"not an archive\r\n" * 50, b"WARC/1.0\r\n", b"filedesc: x"])
def test_what_is_no_archive_is_refused(tmp_path: Path, data: bytes):
    found = records(write(tmp_path, "a.warc", data))
    assert not kept(found)
    assert set(reasons(found)) <= {"truncated", "damaged", "no_text", "other_kind"}
    assert found
