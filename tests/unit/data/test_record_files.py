"""Files of records: each line is a record or a reject, however the file is packed."""

import gzip
import json
from pathlib import Path

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
import zstandard

from endonym.data.record_files import read_records
from endonym.errors import SourceError
from endonym.text.document import Reject

RECORDS = [
    {"prompt": "Ce este?", "completion": "O pâine."},
    {"prompt": "Нәрсә бу?", "completion": "Икмәк."},
]
LINES = "".join(json.dumps(each, ensure_ascii=False) + "\n\n" for each in RECORDS).encode()


def test_lines_are_read_however_they_are_packed(tmp_path: Path) -> None:
    packed = {
        "a.jsonl": LINES,
        "a.jsonl.gz": gzip.compress(LINES),
        "a.ndjson.zst": zstandard.compress(LINES),
    }
    for name, data in packed.items():
        (tmp_path / name).write_bytes(data)
        found = list(read_records(tmp_path / name, "a"))
        assert [each.value for each in found if not isinstance(each, Reject)] == RECORDS
        assert [each.id for each in found] == [f"{name}#1", f"{name}#3"]


def test_rows_of_parquet_are_records(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    parquet.write_table(arrow.Table.from_pylist(RECORDS), path)
    found = list(read_records(path, "a"))
    assert [each.value for each in found if not isinstance(each, Reject)] == RECORDS
    path.write_bytes(path.read_bytes()[:-20])
    (reject,) = read_records(path, "a")
    assert isinstance(reject, Reject)
    assert reject.reason == "damaged"


def test_bad_lines_are_rejects_and_the_others_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    deep = b"[" * 100_000 + b"]" * 100_000
    path.write_bytes(b"{bad\n" + LINES + b"\xff\xfe\n" + deep + b"\n")
    found = list(read_records(path, "a"))
    reasons = [each.reason for each in found if isinstance(each, Reject)]
    assert reasons == ["bad_json", "invalid_utf8", "too_deep"]
    assert len(found) == 5


def test_what_is_cut_off_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(LINES * 50)[:-9])
    assert [each.reason for each in read_records(path, "a") if isinstance(each, Reject)] == [
        "truncated"
    ]
    path = tmp_path / "b.jsonl"
    path.touch()
    assert [each.reason for each in read_records(path, "b") if isinstance(each, Reject)] == [
        "empty_file"
    ]


def test_another_format_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(SourceError, match="jsonl") as caught:
        list(read_records(path, "a"))
    assert "jq" in caught.value.do
