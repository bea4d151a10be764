"""Where documents stand in their corpus, and the files of its written."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from made_chunks import chunk, in_files, rows_of
from text_samples import TATAR, numbered

from endonym.corpus import written
from endonym.corpus.written import Placed, Reason, Shard, write_dropped, write_shard
from endonym.formats.chunks import write_array
from endonym.formats.config import BLOCK_BYTES, Source
from endonym.formats.document import ARTICLE, Document, Reject
from endonym.formats.document_files import json_line
from endonym.formats.files import RawFile


def placed(folder: Path, *chunks: tuple[str, Path], files: int = 5) -> Placed:
    """The documents of chunks, given with their sources, each of so many raw files."""
    names = dict.fromkeys(name for name, _ in chunks)
    raw = [RawFile(path=folder / str(n), name=str(n)) for n in range(files)]
    sources = [(Source(name=name, path="."), raw) for name in names]
    return Placed(sources, chunks, BLOCK_BYTES, folder)


def numbers(made: Placed) -> list[np.ndarray]:
    return [np.load(part.numbers) for part in made.parts]


def test_positions_follow_one_another_and_leave_one_out_where_a_file_begins(tmp_path: Path) -> None:
    lines = numbered(9)
    texts = [lines[0], None, *lines[2:4], None, lines[4]]
    first = in_files(chunk(tmp_path, 0, texts), [0, 0, 0, 1, 1, 2])
    second = in_files(chunk(tmp_path, 1, lines[5:7]), [2, 4])
    other = in_files(chunk(tmp_path, 2, lines[7:]), [0, 0])
    made = placed(tmp_path, ("тел", first), ("тел", second), ("ил", other))
    found = numbers(made)
    assert [each["row"].tolist() for each in found] == [[0, 2, 3, 5], [0, 1], [0, 1]]
    assert [each["position"].tolist() for each in found] == [[1, 2, 4, 6], [7, 10], [12, 13]]
    blocks = [number for each in found for number in each["block"].tolist()]
    assert blocks == sorted(blocks)
    assert len({blocks[1], blocks[2], blocks[3], blocks[5], blocks[6]}) == 5
    assert [made.documents, made.id_of(2), made.id_of(6)] == [8, lines[3], lines[7]]
    assert made.source_sizes() == [
        sum(len(text.encode()) for text in each) for each in ([lines[0], *lines[2:7]], lines[7:])
    ]


def test_sentences_of_an_article_are_blocks_with_its_key(tmp_path: Path) -> None:
    lines, rows = numbered(6), rows_of(tmp_path, "0", "a")
    for number, text in enumerate(lines):
        meta = {ARTICLE: f"tat#{number % 2}"} if number in (1, 2, 3) else {}
        rows.add(Document(text, text, "a", meta), "{}", 0, len(text.encode()))
    rows.write()
    made = placed(tmp_path, ("a", tmp_path / "0.arrow"))
    assert made.of_articles == {"a": 3}
    ((found,), (keys,)) = numbers(made), made.keys
    assert keys[1] == keys[3] != keys[2]
    assert len(set(found["block"][:5].tolist())) == 5
    assert found["bytes"].tolist() == [len(text.encode()) for text in lines]


def test_a_block_goes_on_over_the_chunks_of_a_file_and_ends_with_it(tmp_path: Path) -> None:
    lines = numbered(8)
    parts = [(lines[:2], [0, 0]), (lines[2:4], [0, 0]), ([None], [0]), (lines[4:6], [0, 1])]
    chunks = [in_files(chunk(tmp_path, n, texts), of) for n, (texts, of) in enumerate(parts)]
    other = in_files(chunk(tmp_path, 9, lines[6:]), [0, 0])
    found = numbers(placed(tmp_path, *(("тел", each) for each in chunks), ("ил", other)))
    blocks = [each["block"].tolist() for each in found]
    first, last = blocks[0][0], blocks[3][1]
    assert blocks[:4] == [[first, first], [first, first], [], [first, last]]
    assert first < last < min(blocks[4])


@pytest.fixture
def three(tmp_path: Path) -> Placed:
    """Chunks of ten sentences each, and one reject; sides.npy divides them evenly."""
    write_array(tmp_path, "sides.npy", np.arange(30, dtype=np.int8) % 3)
    made = [chunk(tmp_path, number, [*numbered(10, number * 10), None]) for number in range(3)]
    return placed(tmp_path, ("тел", made[0]), ("тел", made[1]), ("ил", made[2]), files=0)


def test_a_shard_holds_the_documents_of_its_split_with_sorted_keys(
    tmp_path: Path, three: Placed
) -> None:
    sides = tmp_path / "sides.npy"
    shard = Shard(tmp_path, "dev-0", "dev", sides, tuple(three.parts))
    said = write_shard(shard, lambda size: None)
    data = gzip.decompress((tmp_path / "dev-0.jsonl.gz").read_bytes())
    every = [(text, n) for n, text in enumerate(numbered(30)) if n % 3 == 1]
    expected = [
        json_line(
            {"text": text, "id": text, "source": "тел" if n < 20 else "ил", "meta": {}}
            | {"block": each["block"], "position": n + 1}
        )
        for (text, n), each in zip(every, map(json.loads, data.splitlines()), strict=True)
    ]
    assert data == b"".join(expected)
    kept = {source: each["kept"]["documents"] for source, each in said["sources"].items()}
    assert (kept, said["side"]) == ({"тел": 7, "ил": 3}, "dev")


def test_a_split_takes_whole_chunks(tmp_path: Path, three: Placed, monkeypatch: pytest.MonkeyPatch):
    first, second, third = (np.load(part.numbers)["bytes"] for part in three.parts)
    monkeypatch.setattr(written, "SHARD_BYTES", int(first[::2].sum() + 1))
    side = np.zeros(30, dtype=np.int8)
    side[[1, 21]] = 1
    write_array(tmp_path, "sides.npy", side)
    shards = list(three.shards(tmp_path / "sides.npy", tmp_path))
    sizes = [first.sum() - first[1], second.sum(), third.sum() - third[1], first[1] + third[1], 0]
    names = ["train-00000", "train-00001", "train-00002", "dev-00000", "test-00000"]
    assert [(shard.name, size) for shard, size in shards] == list(zip(names, sizes, strict=True))
    assert [len(shard.parts) for shard, _ in shards] == [1, 1, 1, 2, 0]


def test_dropped_records_are_written_by_reason_with_what_stays(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "0")
    rows.add(Document(TATAR[0], "a#1", "тел"), "{}", 0, 70)
    near = Reject("near", "a#2", "тел", "similarity 0.91", "ә" * 3_000, stayed="тел/a#1")
    rows.add(near, None, 0, 9)
    rows.add(Reject("min_chars", "a#3", "тел", "2 characters, below 5", "ук"), None, 0, 4)
    rows.write()
    written: list[list[dict[str, object]]] = []
    for reason in ("near", "min_chars"):
        write_dropped(Reason(tmp_path, reason, (("тел", tmp_path / "0.arrow"),)), lambda size: None)
        data = gzip.decompress((tmp_path / f"{reason}.jsonl.gz").read_bytes())
        written.append([json.loads(line) for line in data.splitlines()])
    of_near, (short,) = written
    known = {"detail": "similarity 0.91", "id": "a#2", "raw_bytes": 9, "source": "тел"}
    assert of_near == [known | {"stayed": "тел/a#1", "text": "ә" * 2_000}]
    assert (short["text"], short["raw_bytes"], "stayed" in short) == ("ук", 4, False)
