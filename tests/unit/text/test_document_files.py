"""Records on disk."""

import gzip
from pathlib import Path

import pytest
from text_samples import KHMER

from endonym.text import document_files
from endonym.text.document import Document, Reject
from endonym.text.document_files import Dropped, Shards, document_line, read_lines


def test_a_record_is_one_line_with_sorted_keys_and_its_own_letters():
    line = document_line(Document(KHMER[0], "a#1", "km", {"id": "ក"}, block=3, position=7))
    expected = (
        '{"block": 3, "id": "a#1", "meta": {"id": "ក"}, "position": 7, "source": "km", '
        '"text": "%s"}\n'
    )
    assert line.decode() == expected % KHMER[0]


def test_a_full_file_is_followed_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(document_files, "SHARD_BYTES", 100)
    train = Shards(tmp_path, "train")
    lines = [document_line(Document(KHMER[0], f"a#{n}", "km")) for n in range(3)]
    for line in lines:
        train.write(line)
    train.close()
    names = [path.name for path in sorted(tmp_path.iterdir())]
    assert names == [f"train-0000{n}.jsonl.gz" for n in range(3)]
    assert b"".join(gzip.decompress((tmp_path / name).read_bytes()) for name in names) == b"".join(
        lines
    )


def test_a_file_holds_neither_a_time_nor_a_name(tmp_path: Path):
    train = Shards(tmp_path, "train")
    train.close()
    header = (tmp_path / "train-00000.jsonl.gz").read_bytes()[:10]
    assert header[3] == 0
    assert header[4:8] == bytes(4)


def test_refusals_are_written_by_reason(tmp_path: Path):
    dropped = Dropped(tmp_path / "dropped")
    dropped.write(Reject("min_chars", "a#1", "km", "2 characters, below 5", "ក", 3))
    dropped.write(Reject("exact", "a#2", "km"))
    dropped.close()
    assert sorted(path.name for path in (tmp_path / "dropped").iterdir()) == [
        "exact.jsonl.gz",
        "min_chars.jsonl.gz",
    ]
    (record,) = read_lines(tmp_path / "dropped" / "min_chars.jsonl.gz")
    assert record == {
        "detail": "2 characters, below 5",
        "id": "a#1",
        "raw_bytes": 3,
        "source": "km",
        "text": "ក",
    }
