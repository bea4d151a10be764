"""Files of a finished corpus."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from made_chunks import chunk
from text_samples import TATAR, numbered

from endonym.corpus import write
from endonym.corpus.cleaned import Cleaned
from endonym.corpus.comparing import Part
from endonym.corpus.placing import Placing
from endonym.corpus.write import Reason, Shard, shards, write_dropped, write_shard
from endonym.formats.chunks import write_array
from endonym.formats.document import Document, Reject
from endonym.formats.document_files import document_line


def placed(folder: Path, count: int = 3) -> list[Part]:
    """Chunks of ten sentences each, and one reject."""
    placing, found = Placing(), []
    placing.begin_source(0)
    for number in range(count):
        made = chunk(folder, number, [*numbered(10, number * 10), None])
        first = placing.documents
        placing.add(made, folder / f"{number}.npy")
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


def test_dropped_records_are_written_by_reason_with_what_stays(tmp_path: Path) -> None:
    rows = Cleaned("тел", 7)
    rows.add(Document(TATAR[0], "a#1", "тел"), "{}", 0, 70)
    rows.add(
        Reject("near", "a#2", "тел", "similarity 0.91", "ә" * 3_000, stayed="тел/a#1"), None, 0, 9
    )
    rows.add(Reject("min_chars", "a#3", "тел", "2 characters, below 5", "ук"), None, 0, 4)
    rows.write(tmp_path, "0")
    for reason in ("near", "min_chars"):
        given = Reason(tmp_path, reason, (("тел", tmp_path / "0.arrow"),))
        write_dropped(given, lambda size: None)
    near, short = (lines_of(tmp_path / f"{n}.jsonl.gz") for n in ("near", "min_chars"))
    assert near == [
        {
            "detail": "similarity 0.91",
            "id": "a#2",
            "raw_bytes": 9,
            "source": "тел",
            "stayed": "тел/a#1",
            "text": "ә" * 2_000,
        }
    ]
    assert [(each["text"], each["raw_bytes"], "stayed" in each) for each in short] == [
        ("ук", 4, False)
    ]
