"""Files of a finished corpus."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from text_samples import TATAR, numbered
from unit.text.test_exact import chunk

from endonym.text import write
from endonym.text.chunks import write_array
from endonym.text.comparing import Part
from endonym.text.document import Document
from endonym.text.document_files import document_line
from endonym.text.exact import DETAIL, PLACE
from endonym.text.placing import Placing
from endonym.text.write import Reason, Shard, rows_of, shards, write_dropped, write_shard


def placed(folder: Path, count: int = 3) -> list[Part]:
    """Chunks of ten sentences each, and one reject."""
    placing, found = Placing(), []
    placing.begin_source(0)
    for number in range(count):
        made = chunk(folder, number, [*numbered(10, number * 10), None])
        first = placing.documents
        placing.add(made, np.empty(0, dtype=np.int32), folder / f"{number}.npy")
        found.append(Part("тел" if number < 2 else "ил", made, folder / f"{number}.npy", first))
    return found


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def test_a_shard_holds_the_documents_of_its_split_as_document_line_writes_them(
    tmp_path: Path,
) -> None:
    sides = np.arange(30, dtype=np.int8) % 3
    write_array(tmp_path, "sides.npy", sides)
    parts = placed(tmp_path)
    shard = Shard(tmp_path, "dev-00000", "dev", tmp_path / "sides.npy", tuple(parts))
    said = write_shard(shard, lambda size: None)
    data = gzip.decompress((tmp_path / "dev-00000.jsonl.gz").read_bytes())
    every = [(text, n) for n, text in enumerate(numbered(30)) if sides[n] == 1]
    found = [json.loads(line) for line in data.splitlines()]
    expected = [
        document_line(
            Document(
                text,
                text,
                "тел" if n < 20 else "ил",
                block=int(each["block"]),
                position=n + 1,
            )
        )
        for (text, n), each in zip(every, found, strict=True)
    ]
    assert data == b"".join(expected)
    kept = {source: each["kept"]["documents"] for source, each in said["sources"].items()}
    assert kept == {"тел": 7, "ил": 3}
    assert said["side"] == "dev"


def test_files_of_a_split_take_whole_chunks_until_they_are_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "SHARD_BYTES", 100)
    parts = placed(tmp_path)
    found = list(shards(parts, [(60, 5, 0), (60, 0, 0), (40, 5, 0)], tmp_path / "s", tmp_path))
    named = [(shard.name, len(shard.parts), size) for shard, size in found]
    assert named == [
        ("train-00000", 2, 120),
        ("train-00001", 1, 40),
        ("dev-00000", 2, 10),
        ("test-00000", 0, 0),
    ]


def test_dropped_records_are_written_by_reason(tmp_path: Path) -> None:
    made = chunk(tmp_path, 0, [TATAR[0], None, TATAR[1], None])
    reason = Reason(tmp_path, "min_chars", (("тел", made, 0),))
    said = write_dropped(reason, lambda size: None)
    assert said["sources"] == {"тел": {"records": 2, "bytes": 0}}
    lines = lines_of(tmp_path / "min_chars.jsonl.gz")
    assert [set(each) for each in lines] == [{"detail", "id", "raw_bytes", "source", "text"}] * 2


def test_copies_are_written_from_their_places(tmp_path: Path) -> None:
    chunks = [chunk(tmp_path, n, [*TATAR[:3], "ә" * 3_000]) for n in range(2)]
    places = [np.array([(0, 2), (1, 0)], dtype=PLACE), np.array([(1, 3)], dtype=PLACE)]
    for number, each in enumerate(places):
        write_array(tmp_path, f"copies{number}.npy", each)
    copies = tuple(tmp_path / f"copies{number}.npy" for number in range(2))
    having = tuple(("тел", path, number) for number, path in enumerate(chunks))
    said = write_dropped(Reason(tmp_path, "exact", having, copies), lambda size: None)
    assert said["sources"]["тел"]["records"] == 3
    lines = lines_of(tmp_path / "exact.jsonl.gz")
    assert [each["text"] for each in lines] == [TATAR[2], TATAR[0], "ә" * 2_000]
    assert {each["detail"] for each in lines} == {DETAIL}


def test_rows_of_a_chunk_are_found_among_all_places() -> None:
    places = [
        np.array([(0, 2), (1, 7)], dtype=PLACE),
        np.array([(1, 3), (4, 0)], dtype=PLACE),
    ]
    assert rows_of(places, 1).tolist() == [3, 7]
    assert rows_of(places, 2).tolist() == []
