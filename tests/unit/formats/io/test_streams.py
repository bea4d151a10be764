"""Packed files as streams: what is whole, what is cut, what does not belong."""

import bz2
import gzip
import io
import lzma
import time
import zlib
from pathlib import Path

import pytest
import zstandard
from strange_files import FILES
from text_samples import KHMER, ROMANIAN, TATAR, kept, reasons, records, write

from endonym.formats.io import streams
from endonym.formats.io.streams import (
    HEADER_LIMIT_BYTES,
    PIECE_BYTES,
    Damage,
    Expansion,
    Feed,
    GzipMember,
    header_length,
    member_pieces,
    uncompressed,
    unpacked,
)

TEXT = "\n".join(TATAR + ROMANIAN).encode() * 200
PACKERS = {
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}
EVERY = pytest.mark.parametrize("compression", sorted(PACKERS))


def opened(data: bytes, compression: str) -> tuple[bytes, list[Damage]]:
    """What a stream holds, and what ended it early."""
    items = list(unpacked(uncompressed(io.BytesIO(data)), compression))
    pieces = [item for item in items if isinstance(item, bytes)]
    return b"".join(pieces), [item for item in items if isinstance(item, Damage)]


@EVERY
def test_whole_members_are_one_text_whatever_the_name_says_and_zeros_are_padding(compression: str):
    pack = PACKERS[compression]
    for named in sorted(PACKERS):
        assert opened(pack(TEXT), named) == (TEXT, [])
    assert opened(pack(TEXT) + pack(TEXT[:50]), compression) == (TEXT + TEXT[:50], [])
    assert opened(pack(TEXT) + bytes(1024), compression) == (TEXT, [])


@EVERY
def test_what_is_cut_changed_or_not_packed_is_said_behind_the_text(compression: str):
    packed = PACKERS[compression](TEXT)
    text, (damage,) = opened(packed[: len(packed) * 2 // 3], compression)
    assert TEXT.startswith(text)
    assert (damage.reason, "ends early" in damage.detail) == ("truncated", True)
    text, (damage,) = opened(packed + b"not packed at all", compression)
    assert (text, damage.reason, damage.raw_bytes) == (TEXT, "trailing_garbage", 17)
    changed = bytearray(packed)
    changed[len(packed) // 2] ^= 0x55
    _, (damage,) = opened(bytes(changed), compression)
    assert damage.reason in ("damaged", "bad_checksum", "truncated")
    for raw, what in ((TATAR[0].encode(), ": it is plain text"), (b"\1\2\3", "")):
        text, (damage,) = opened(raw, compression)
        assert (text, damage.reason, damage.raw_bytes) == (b"", "not_compressed", len(raw))
        assert f"this is no {compression} file{what}; rename it" in damage.detail
    lost = Damage("truncated", "the archive ends early", 7)
    items = list(unpacked(iter([packed, lost]), compression))
    assert b"".join(each for each in items if isinstance(each, bytes)) == TEXT
    assert items[-1] == lost


@pytest.mark.parametrize("most", [1, 7, 257, 300])
def test_what_does_not_fit_comes_with_the_next_piece(monkeypatch: pytest.MonkeyPatch, most: int):
    """zlib holds back text though it has taken all its bytes."""
    monkeypatch.setattr(streams, "UNPACKED_BYTES", most)
    for count in range(1, 30):
        text = TATAR[0].encode() * count
        packed = zlib.compress(text)[2:-4]
        pieces = list(member_pieces(Feed(iter([packed])), "deflate"))
        assert not [each for each in pieces if isinstance(each, Damage)]
        assert b"".join(pieces) == text


@pytest.mark.parametrize("raw_bytes", [1_000, 10 << 20])
def test_a_file_may_unpack_to_64_mib_or_to_a_hundred_times_its_size(raw_bytes: int):
    room = Expansion(raw_bytes)
    assert room.has_room(max(64 << 20, 100 * raw_bytes))
    assert not room.has_room(1)


def test_pieces_stay_small_however_much_a_file_unpacks_to():
    packed = gzip.compress(bytes(20_000_000), mtime=0)
    sizes = [len(piece) for piece in unpacked(uncompressed(io.BytesIO(packed)), "gzip")]
    assert sum(sizes) == 20_000_000
    assert max(sizes) <= 1 << 20


def test_a_zstd_bomb_comes_in_bounded_pieces():
    packed = zstandard.ZstdCompressor(level=19).compress(bytes(200_000_000))
    sizes = [len(piece) for piece in unpacked(uncompressed(io.BytesIO(packed)), "zstd")]
    assert sum(sizes) == 200_000_000
    assert max(sizes) <= 64 << 20


def test_a_raw_deflate_stream_named_gz_is_no_gzip():
    _, (damage,) = opened(zlib.compress(TEXT), "gzip")
    assert damage.reason == "not_compressed"


@pytest.mark.parametrize("name", ["zeros.txt.gz", "zeros.txt.bz2", "zeros.txt.xz", "zeros.txt.zst"])
@pytest.mark.timeout(180)
def test_a_file_that_unpacks_far_beyond_its_size_is_a_bomb(tmp_path: Path, name: str):
    found = records(write(tmp_path, name, FILES[name]()))
    assert not kept(found)
    assert reasons(found) == {"bomb": 1}


def test_a_stream_that_asks_for_gigabytes_is_refused(tmp_path: Path):
    name = "dictionary.txt.xz"
    (refusal,) = records(write(tmp_path, name, FILES[name]()))
    assert "Memory usage limit" in refusal.detail


@pytest.mark.timeout(180)
def test_members_of_one_byte_are_looked_at_in_linear_time(tmp_path: Path):
    (document,) = records(write(tmp_path, "a.txt.gz", gzip.compress(b"a", mtime=0) * 50_000))
    assert document.text == "a" * 50_000


def test_a_feed_gives_what_is_asked_for_however_it_comes():
    feed = Feed(iter([b"ab", b"", b"cdef", b"", b"gh"]))
    assert (feed.take(1), feed.peek(4), feed.read(2)) == (b"a", b"bcde", b"bc")
    assert feed.take(9) == b"def"
    feed.put_back(b"f")
    assert (feed.skip(2), feed.read(3), feed.skip(5)) == (0, b"h", 5)


def test_zeros_behind_an_archive_are_counted_fast():
    zeros = bytes(PIECE_BYTES)
    started = time.process_time()
    assert Feed(iter([zeros] * 8_000)).drain() == (8_000 * PIECE_BYTES, False)
    assert time.process_time() - started < 1
    assert Feed(iter([zeros, b"\0\1", zeros])).drain() == (2 * PIECE_BYTES + 2, True)


SHORT = "\n".join(TATAR + KHMER).encode()
ONE = gzip.compress(SHORT, mtime=0)
HEADER = ONE[:10]
FIELDS = b"\x03\x00abc" + b"name\0" + "ә\0".encode() + b"\x12\x34"
FULL = HEADER[:3] + bytes([2 | 4 | 8 | 16]) + HEADER[4:] + FIELDS
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
    pieces = [member.decompress(ONE[at : at + 1], 1 << 20) for at in range(len(ONE))]
    assert b"".join(pieces) == SHORT
    assert (member.eof, member.unused_data) == (True, b"")


@pytest.mark.parametrize("most", [1, 7, 100_000])
def test_pieces_are_as_small_as_is_asked(most: int) -> None:
    assert read(GzipMember(), ONE, most) == SHORT


def test_of_a_length_above_four_gibibytes_the_rest_stands_beside_the_sum() -> None:
    member = GzipMember()
    member.size = 1 << 32  # as if so much had been read
    assert read(member, ONE) == SHORT
    assert member.eof


def test_what_follows_a_member_is_handed_back_untouched() -> None:
    member = GzipMember()
    assert read(member, ONE + ONE[:40]) == SHORT
    assert (member.eof, member.unused_data) == (True, ONE[:40])


def test_a_member_that_is_cut_asks_for_more_and_is_not_over() -> None:
    for end in (5, 15, len(ONE) - 3):
        member = GzipMember()
        assert SHORT.startswith(read(member, ONE[:end]))
        assert member.needs_input
        assert not member.eof


@pytest.mark.parametrize(("at", "message"), [(-8, "CRC-32"), (-4, "length")])
def test_all_text_comes_before_its_sum_is_found_wrong(at: int, message: str) -> None:
    data = bytearray(ONE)
    data[at] ^= 1
    member = GzipMember()
    assert member.decompress(bytes(data), 1 << 20) == SHORT
    with pytest.raises(zlib.error, match=message):
        member.decompress(b"", 1 << 20)


def test_a_header_ends_after_the_fields_that_its_flags_name() -> None:
    assert header_length(ONE) == 10
    assert len(FULL) == 10 + 5 + 5 + 3 + 2
    assert header_length(FULL + ONE[10:]) == len(FULL)
    for end in range(len(FULL)):
        assert header_length(FULL[:end]) is None
    assert read(GzipMember(), FULL + ONE[10:]) == SHORT


def test_another_method_and_a_header_without_end_are_refused() -> None:
    with pytest.raises(zlib.error, match="unknown method, 7"):
        header_length(b"\x1f\x8b\x07" + bytes(7))
    endless = b"\x1f\x8b\x08\x08" + bytes(6) + b"x" * HEADER_LIMIT_BYTES
    with pytest.raises(zlib.error, match="no end"):
        header_length(endless)
    assert header_length(endless[: HEADER_LIMIT_BYTES // 2]) is None
