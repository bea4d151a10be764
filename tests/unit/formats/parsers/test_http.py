"""Answers of servers."""

import gzip
import zlib

import brotli
import pytest
import zstandard
from made_documents import http
from text_samples import TATAR

from endonym.formats.parsers import http as module
from endonym.formats.parsers.http import answer, media, unpacked, without_chunks
from endonym.formats.parsers.unit import Refused

BODY = "\n".join(TATAR).encode() * 20


def test_status_kind_and_body_are_read():
    found = answer(http(BODY, 'Content-Type: Text/HTML; Charset="windows-1251"', "404 Юк"))
    said = (found.status, found.media_type, found.charset, found.body)
    assert said == (404, "text/html", "windows-1251", BODY)


@pytest.mark.parametrize("data", [BODY, b"", b"HTTP/1.1", b"HTTP/1.1 abc\r\n\r\n"])
def test_an_answer_without_a_whole_head_has_no_status(data: bytes):
    assert answer(data).status == 0
    assert answer(b"HTTP/1.1 200 OK")[0::3] == (200, b"")
    assert answer(BODY, "Text/plain; charset=x") == (0, "text/plain", "x", BODY, False)


@pytest.mark.parametrize(("method", "packed"), [
    ("gzip", gzip.compress(BODY)), ("x-gzip", gzip.compress(BODY)),
    ("deflate", zlib.compress(BODY)), ("deflate", zlib.compress(BODY)[2:-4]),
    ("br", brotli.compress(BODY)), ("zstd", zstandard.compress(BODY)), ("identity", BODY),
])  # fmt: skip
def test_every_packing_is_undone_and_a_lie_about_it_is_none(method: str, packed: bytes):
    assert unpacked(packed, method) == (BODY, False)
    assert unpacked(BODY, method) == (BODY, False)


def test_a_body_packed_twice_is_unpacked_in_the_opposite_order():
    twice = brotli.compress(gzip.compress(BODY))
    found = answer(http(twice, "Content-Encoding: gzip, br"))
    assert (found.body, found.is_cut) == (BODY, False)
    long = "\n".join(f"{n} {TATAR[n % 6]}" for n in range(50_000)).encode()  # in several pieces
    assert unpacked(brotli.compress(long, quality=4), "br") == (long, False)


MEMBERS = [
    ("gzip", gzip.compress(BODY) + gzip.compress(BODY)),
    ("zstd", zstandard.compress(BODY) + zstandard.compress(BODY)),
]


@pytest.mark.parametrize(("method", "packed"), MEMBERS)
def test_all_members_of_a_body_are_read(method: str, packed: bytes):
    assert unpacked(packed, method) == (BODY * 2, False)
    text, is_cut = unpacked(packed[:-20], method)
    assert is_cut
    assert (BODY * 2).startswith(text)
    assert unpacked(brotli.compress(BODY)[:-9], "br")[1]
    head = f"CONTENT-encoding: {method.upper()}\r\nTransfer-Encoding: Chunked"
    chunk = b"%x\r\n%s" % (len(packed), packed)
    assert not answer(http(chunk + b"\r\n0\r\n\r\n", head)).is_cut
    assert answer(http(chunk, head)).is_cut


@pytest.mark.parametrize("method", ["gzip", "br", "zstd"])
def test_a_bomb_is_no_page(method: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "LEAST_BODY_BYTES", 1_000)
    big = b"a" * 1_000_000
    packed = {"gzip": gzip.compress, "br": brotli.compress, "zstd": zstandard.compress}[method](big)
    with pytest.raises(Refused, match="unpacks to more"):
        unpacked(packed, method)


def test_chunks_are_joined_and_cut_ones_give_what_came():
    chunks = b"5;x=y\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    assert without_chunks(chunks) == (b"hello world", False)
    assert without_chunks(chunks[:20]) == (b"hello wo", True)
    assert without_chunks(b"FFFFFFFF\r\nhello") == (b"hello", True)
    assert without_chunks(b"plain text") == (b"plain text", False)


def test_the_length_of_a_chunk_may_have_zeros_extensions_and_blanks():
    for size in (b"5", b"000000000000005", b"5;x=y", b'5 ; a="b c";d', b"5\t", b"0" * 900 + b"5"):
        chunks = size + b"\r\nhello\r\n" + size + b"\r\n wor!\r\n" + b"0000;z\r\n\r\n"
        assert without_chunks(chunks) == (b"hello wor!", False)


def test_a_body_without_chunks_that_begins_with_hexadecimal_letters_is_kept():
    for text in ("decade by decade\n", "Face à la mer\n", "1920 елда\r\n"):
        body = text.encode() + BODY
        assert without_chunks(body) == (body, False)


def test_parameters_of_a_kind_are_found():
    assert media("text/html") == ("text/html", "")
    assert media(" TEXT/html ;a=b; charset='utf-8'") == ("text/html", "utf-8")


def test_what_follows_the_members_of_a_body_is_left_out():
    packed = gzip.compress(BODY)
    for junk in (b"\n", b"\r\n" * 8, b"<!-- end -->"):
        assert unpacked(packed + junk, "gzip") == (BODY, False)
    assert unpacked(packed + packed[:-4] + b"1234", "gzip") == (BODY, False)
    assert unpacked(b"hello", "gzip") == unpacked(b"hello", "zstd") == (b"hello", False)
    wrong = packed[:-8] + bytes(4) + packed[-4:]
    assert unpacked(wrong, "gzip") == (wrong, False)
