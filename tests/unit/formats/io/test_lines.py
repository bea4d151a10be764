"""Lines of a stream, however it is cut into pieces."""

import pytest
from text_samples import TATAR

from endonym.formats.document import Reject
from endonym.formats.io import lines
from endonym.formats.io.content import Origin
from endonym.formats.io.lines import readable_lines, split_lines
from endonym.formats.io.streams import Damage

TEXT = "бер\r\nике\rөч\n\nдүрт\r\n\r\nбиш".encode()
LINES = ["бер", "ике", "өч", "", "дүрт", "", "биш"]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_line_ends_are_found_across_pieces(size: int):
    pieces = (TEXT[start : start + size] for start in range(0, len(TEXT), size))
    found = list(split_lines(pieces))
    assert [line.data.decode() for line in found] == LINES
    assert [line.number for line in found] == list(range(1, 8))


def test_damage_comes_with_the_line_that_it_cuts_off():
    damage = Damage("truncated", "ends early")
    *whole, (half, found) = split_lines(iter([b"one\ntw", damage]))
    assert [line.data for line in whole] == [b"one"]
    assert (half.data, half.number, found) == (b"tw", 2, damage)


def test_a_line_above_the_limit_is_let_go_and_counted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lines, "MAX_DOCUMENT_BYTES", 10)
    found = list(
        split_lines(iter([b"short\n", b"far too ", b"long, this", b" line\nten signs!\n"]))
    )
    known = [(line.number, line.data, line.size) for line in found]
    assert known == [(1, b"short", 5), (2, b"", 23), (3, b"ten signs!", 10)]


def test_what_is_left_of_a_line_that_is_cut_off_is_lost_as_well():
    damage = Damage("truncated", "the gzip file ends early", 7)
    whole, cut = TATAR[0], "Әбием миңа"
    stream = iter([f"{whole}\n{cut}".encode(), damage])
    *read, lost = readable_lines(stream, Origin("texts", "a.txt.gz"), "utf-8")
    assert read == [(1, whole)]
    assert isinstance(lost, Reject)
    assert (lost.reason, lost.raw_bytes) == ("truncated", len(cut.encode()) + 7)


def test_what_is_no_line_of_text_is_refused_by_its_number(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lines, "MAX_DOCUMENT_BYTES", 12)
    stream = iter([b"far too long, " + "сүз\n\ufeffбер\nә".encode() + b"\xff\n"])
    long, read, bad = readable_lines(stream, Origin("texts", "a.txt"), "cp1251")
    assert (long.reason, long.raw_bytes, long.id) == ("too_long", 20, "a.txt#1")
    assert read == (2, "\ufeffбер")
    said = "line 3, byte 3: this is no cp1251"
    assert (bad.reason, bad.detail, bad.raw_bytes) == ("invalid_bytes", said, 3)


@pytest.mark.timeout(120)
def test_a_gap_of_millions_of_empty_lines_is_counted_and_not_held():
    gap = b"\n" * 20_000_000
    found = list(split_lines(iter(["бер".encode() + gap + "ике".encode() + gap, b"\n"])))
    assert [line.data.decode() for line in found if line.data] == ["бер", "ике"]
    assert [line.number for line in found if line.data] == [1, 20_000_001]
    assert len(found) < 10_000
