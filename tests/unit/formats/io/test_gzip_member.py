"""One gzip member in pieces: all of its text first, then its check sum and what follows it."""

import gzip
import zlib

import pytest
from text_samples import KHMER, TATAR

from endonym.formats.io.gzip_member import HEADER_LIMIT_BYTES, GzipMember, header_length

TEXT = "\n".join(TATAR + KHMER).encode()
PACKED = gzip.compress(TEXT, mtime=0)
PLAIN = PACKED[:10]
FIELDS = b"\x03\x00abc" + b"name\0" + "ә\0".encode() + b"\x12\x34"
FULL = PLAIN[:3] + bytes([2 | 4 | 8 | 16]) + PLAIN[4:] + FIELDS
"""A header with extra bytes, a name, a comment and a check sum of its own."""


def read(member: GzipMember, data: bytes, most: int = 1 << 20) -> bytes:
    """Give it all bytes at once; what it holds, taken `most` bytes at a time."""
    pieces = [member.decompress(data, most)]
    while not member.eof and not member.needs_input:
        pieces.append(member.decompress(b"", most))
    assert max(map(len, pieces)) <= most
    return b"".join(pieces)


def test_a_member_given_byte_by_byte_is_the_same_text() -> None:
    member = GzipMember()
    pieces = [member.decompress(PACKED[at : at + 1], 1 << 20) for at in range(len(PACKED))]
    assert b"".join(pieces) == TEXT
    assert (member.eof, member.unused_data) == (True, b"")


@pytest.mark.parametrize("most", [1, 7, 100_000])
def test_pieces_are_as_small_as_is_asked(most: int) -> None:
    assert read(GzipMember(), PACKED, most) == TEXT


def test_of_a_length_above_four_gibibytes_the_rest_stands_beside_the_sum() -> None:
    member = GzipMember()
    member.size = 1 << 32  # as if so much had been read
    assert read(member, PACKED) == TEXT
    assert member.eof


def test_what_follows_a_member_is_handed_back_untouched() -> None:
    member = GzipMember()
    assert read(member, PACKED + PACKED[:40]) == TEXT
    assert (member.eof, member.unused_data) == (True, PACKED[:40])


def test_a_member_that_is_cut_asks_for_more_and_is_not_over() -> None:
    for end in (5, 15, len(PACKED) - 3):
        member = GzipMember()
        assert TEXT.startswith(read(member, PACKED[:end]))
        assert member.needs_input
        assert not member.eof


@pytest.mark.parametrize(("at", "message"), [(-8, "CRC-32"), (-4, "length")])
def test_all_text_comes_before_its_sum_is_found_wrong(at: int, message: str) -> None:
    data = bytearray(PACKED)
    data[at] ^= 1
    member = GzipMember()
    assert member.decompress(bytes(data), 1 << 20) == TEXT
    with pytest.raises(zlib.error, match=message):
        member.decompress(b"", 1 << 20)


def test_a_header_ends_after_the_fields_that_its_flags_name() -> None:
    assert header_length(PACKED) == 10
    assert len(FULL) == 10 + 5 + 5 + 3 + 2
    assert header_length(FULL + PACKED[10:]) == len(FULL)
    for end in range(len(FULL)):
        assert header_length(FULL[:end]) is None
    assert read(GzipMember(), FULL + PACKED[10:]) == TEXT


def test_another_method_and_a_header_without_end_are_refused() -> None:
    with pytest.raises(zlib.error, match="unknown method, 7"):
        header_length(b"\x1f\x8b\x07" + bytes(7))
    endless = b"\x1f\x8b\x08\x08" + bytes(6) + b"x" * HEADER_LIMIT_BYTES
    with pytest.raises(zlib.error, match="no end"):
        header_length(endless)
    assert header_length(endless[: HEADER_LIMIT_BYTES // 2]) is None
