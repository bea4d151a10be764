"""Records on disk."""

import gzip
from pathlib import Path

import pytest
from text_samples import KHMER

from endonym.formats.document import Reject
from endonym.formats.document_files import (
    GzipLines,
    is_whole,
    json_line,
    read_lines,
    reject_line,
    seen_files,
    write_file,
)


def test_a_record_is_one_line_with_sorted_keys_and_its_own_letters():
    line = json_line({"text": KHMER[0], "id": "a#1", "meta": {"id": "ក"}, "block": 3})
    expected = '{"block": 3, "id": "a#1", "meta": {"id": "ក"}, "text": "%s"}\n'
    assert line.decode() == expected % KHMER[0]


def test_lines_are_written_as_a_whole_file_without_time_or_name(tmp_path: Path):
    lines = [json_line({"id": f"a#{n}", "text": KHMER[0]}) for n in range(3)]
    with GzipLines(tmp_path, "train.jsonl.gz") as file:
        for line in lines:
            file.line(line)
        assert not (tmp_path / "train.jsonl.gz").exists()
    data = (tmp_path / "train.jsonl.gz").read_bytes()
    assert gzip.decompress(data) == b"".join(lines)
    assert (data[3], data[4:8]) == (0, bytes(4))
    assert [path.name for path in tmp_path.iterdir()] == ["train.jsonl.gz"]
    assert is_whole(tmp_path, file.written)


def test_what_fails_halfway_leaves_no_file(tmp_path: Path):
    def fail() -> None:
        with GzipLines(tmp_path, "train.jsonl.gz") as file:
            file.line(b"{}\n")
            raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        fail()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", ["cut", "zeros", "gone"])
def test_a_file_that_is_not_what_was_written_is_not_whole(tmp_path: Path, change: str):
    said = write_file(tmp_path, "00001.npy", KHMER[0].encode())
    assert is_whole(tmp_path, said)
    path = tmp_path / "00001.npy"
    if change == "gone":
        path.unlink()
    else:
        size = path.stat().st_size
        path.write_bytes(bytes(size) if change == "zeros" else path.read_bytes()[:-1])
    assert not is_whole(tmp_path, said)


def test_a_reject_is_one_line_without_its_reason(tmp_path: Path):
    with GzipLines(tmp_path, "min_chars.jsonl.gz") as lines:
        lines.line(reject_line(Reject("min_chars", "a#1", "km", "2 characters, below 5", "ក", 3)))
    (record,) = read_lines(tmp_path / "min_chars.jsonl.gz")
    assert record == {
        "detail": "2 characters, below 5",
        "id": "a#1",
        "raw_bytes": 3,
        "source": "km",
        "text": "ក",
    }


def test_parts_of_another_process_are_no_files_of_a_folder(tmp_path: Path) -> None:
    write_file(tmp_path, "lines.npy", b"abc")
    (tmp_path / "lines.npy.1f2e.part").write_bytes(b"ab")
    assert [each["name"] for each in seen_files(tmp_path, tmp_path.iterdir())] == ["lines.npy"]
