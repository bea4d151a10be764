"""The first two steps: raw files to chunks, chunks to what is kept and dropped."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from strange_files import FILES
from text_samples import KHMER, ROMANIAN, TATAR, files, gzipped, write

from endonym.copies.held_out.split import digest
from endonym.corpus import gather
from endonym.corpus.corpus_stats import MAX_DAMAGES, SourceStats
from endonym.corpus.gather import (
    Group,
    Progress,
    RawChunk,
    clean_chunk,
    groups_of,
    read_group,
)
from endonym.formats.chunks import read_chunk
from endonym.formats.config import Clean, Source


def lines_source(path: Path, **keys: Any) -> Source:
    return Source(name=path.name.split(".")[0], path=str(path), document="line", **keys)


def read(folder: Path, source: Source) -> tuple[list[dict[str, Any]], list[list[dict[str, Any]]]]:
    """What the records of reading say, and the rows of each chunk."""
    found, chunks, every = [], [], files(source)
    for number, (first, end, _) in enumerate(groups_of(every)):
        group = Group(source, tuple(every[first:end]), first, folder, f"{number:05d}")
        found.append(read_group(group, lambda size: None))
        chunks += [read_chunk(folder / each["name"]).to_pylist() for each in found[-1]["files"]]
    return found, chunks


def cleaned(folder: Path, source: Source, clean: Clean) -> tuple[list[dict[str, Any]], SourceStats]:
    """The rows of a source after cleaning, and its counts."""
    read(folder, source)
    stats, rows = SourceStats(source.name), list[dict[str, Any]]()
    names = tuple(file.name for file in files(source))
    groups = [(first, names[first:end]) for first, end, _ in groups_of(files(source))]
    for raw in sorted(folder.glob("*.arrow")):
        first, own = groups[int(raw.name[:5])]
        made = RawChunk(raw, folder, f"clean-{raw.name}", source.name, clean, 7, own, first)
        said = clean_chunk(made, lambda size: None)
        stats.add(json.loads(json.dumps(said["counts"])))
        rows += read_chunk(folder / said["files"][0]["name"]).to_pylist()
    return rows, stats


def texts(rows: list[dict[str, Any]]) -> list[str]:
    return [each["text"] for each in rows if each["reason"] is None]


def test_a_chunk_holds_documents_and_rejects_in_their_order(tmp_path: Path) -> None:
    bad = f"{TATAR[0]}\n".encode() + b"\xff\n" + f"{TATAR[1]}\n".encode()
    write(tmp_path, "raw/b.txt", bad)
    write(tmp_path, "raw/a.txt", TATAR[2:4])
    (said,), (rows,) = read(tmp_path, lines_source(tmp_path / "raw"))
    assert [row["text"] for row in rows] == [*TATAR[2:4], TATAR[0], "\\xff", TATAR[1]]
    assert [row["file"] for row in rows] == [0, 0, 1, 1, 1]
    assert [row["id"] for row in rows][2:] == ["b.txt#1", "b.txt#2", "b.txt#3"]
    assert [row["reason"] for row in rows] == [None, None, None, "invalid_utf8", None]
    assert [row["size"] for row in rows] == [
        *(len(t.encode()) for t in (*TATAR[2:4], TATAR[0])),
        1,
        len(TATAR[1].encode()),
    ]
    assert said["files"][0]["size"] == sum(row["size"] for row in rows)


def test_chunks_end_by_their_characters_and_files_stay_in_their_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather, "CHUNK_CHARS", 300)
    monkeypatch.setattr(gather, "GROUP_BYTES", 400)
    for number in range(4):
        write(tmp_path, f"raw/{number}.txt", TATAR)
    source = lines_source(tmp_path / "raw")
    said, chunks = read(tmp_path, source)
    sizes = [file.path.stat().st_size for file in files(source)]
    assert list(groups_of(files(source))) == [(n, n + 1, size) for n, size in enumerate(sizes)]
    assert len(said) == 4
    assert len(chunks) > 4
    assert [row["text"] for rows in chunks for row in rows] == TATAR * 4
    assert all({row["file"] for row in rows} in ({0}, {1}, {2}, {3}) for rows in chunks)


def test_many_small_files_are_one_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "GROUP_FILES", 3)
    for number in range(7):
        write(tmp_path, f"raw/{number}.txt", TATAR[:1])
    found = list(groups_of(files(lines_source(tmp_path / "raw"))))
    assert [(first, end) for first, end, _ in found] == [(0, 3), (3, 6), (6, 7)]
    assert list(groups_of([])) == []


def test_a_reject_names_its_file_in_any_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather, "GROUP_FILES", 1)
    for number in range(3):
        write(tmp_path, f"raw/{number}.txt.gz", gzipped("\n".join(TATAR))[:-9])
    _, stats = cleaned(tmp_path, lines_source(tmp_path / "raw"), Clean())
    assert [each.split("#")[0] for each in stats.damages] == [f"{n}.txt.gz" for n in range(3)]
    assert [key.split()[-1] for key in stats.unreadable] == [f"{n}.txt.gz" for n in range(3)]


def test_notes_of_the_reader_travel_with_each_document(tmp_path: Path) -> None:
    lines = [json.dumps({"text": text, "id": number}) for number, text in enumerate(KHMER)]
    write(tmp_path, "raw/a.jsonl", lines)
    write(tmp_path, "raw/b.txt", KHMER[:1])
    _, (rows,) = read(tmp_path, lines_source(tmp_path / "raw"))
    notes = [json.loads(row["meta"]) for row in rows]
    assert notes[0] == {"id": "0", "method": "jsonl"}
    assert notes[-1] == {"method": "txt"}


def test_the_encoding_of_every_file_is_counted_once(tmp_path: Path) -> None:
    russian = ["Солнце взошло над рекой, и рыбаки вышли на берег.", "Дети спали долго."]
    russian += ["Вечером пошёл снег, и стало тихо.", "Утром снова залаяли собаки."]
    write(tmp_path, "raw/a.txt", "\n".join(russian).encode("cp1251"))
    write(tmp_path, "raw/b.txt", TATAR)
    write(tmp_path, "raw/c.txt.gz", gzip.compress("\n".join(KHMER).encode()))
    (said,), _ = read(tmp_path, lines_source(tmp_path / "raw"))
    assert said["encodings"] == {"cp1251": 1, "utf-8": 2}


def test_what_cleaning_changes_refuses_or_finds_broken_is_counted(tmp_path: Path) -> None:
    mojibake = " ".join(TATAR).encode().decode("cp1251", "replace")
    lines = [f"{TATAR[0]}\u00a0 ", TATAR[1], "Кояш.", mojibake]
    source = lines_source(write(tmp_path, "one.txt", lines))
    rows, stats = cleaned(tmp_path, source, Clean(normalize=("spaces",), min_chars=20))
    assert texts(rows) == TATAR[:2]
    assert (stats.read.records, stats.changed_documents) == (4, 1)
    assert {reason: each.records for reason, each in stats.dropped.items()} == {
        "min_chars": 1,
        "mojibake": 1,
    }
    (short,) = [row for row in rows if row["reason"] == "min_chars"]
    assert (short["text"], short["size"]) == ("Кояш.", len("Кояш.".encode()))
    assert short["detail"] == "5 characters, below 20"


def test_each_kept_document_has_its_digest_its_sizes_and_its_warnings(tmp_path: Path) -> None:
    odd = "ខុ្ញំដើរទៅផ្សារពីព្រឹក"
    source = lines_source(write(tmp_path, "one.txt", [ROMANIAN[0], odd, ""]))
    rows, _ = cleaned(tmp_path, source, Clean())
    assert [row["digest"] for row in rows] == [digest(row["text"].encode(), 7) for row in rows]
    assert [row["chars"] for row in rows] == [len(ROMANIAN[0]), len(odd)]
    assert [row["bytes"] for row in rows] == [len(each.encode()) for each in (ROMANIAN[0], odd)]
    assert rows[0]["warnings"] is None
    assert json.loads(rows[1]["warnings"])["khmer_order"].startswith("ខុ្ញំ for")


def test_damaged_files_are_told_one_by_one_but_not_without_end(tmp_path: Path) -> None:
    whole = gzipped("\n".join(TATAR))
    for number in range(MAX_DAMAGES + 5):
        write(tmp_path, f"raw/{number:02}.txt.gz", whole[:-9])
    write(tmp_path, "raw/photo.xls", b"\xd0\xcf\x11\xe0 ")
    _, stats = cleaned(tmp_path, lines_source(tmp_path / "raw"), Clean())
    assert stats.dropped["truncated"].records == MAX_DAMAGES + 5
    assert len(stats.damages) == MAX_DAMAGES
    assert stats.damages[0].startswith("00.txt.gz")
    assert stats.dropped["unsupported_format"].records == 1
    assert all(key.startswith("truncated  ") for key in stats.unreadable)
    assert len(stats.unreadable) == MAX_DAMAGES + 5


@pytest.mark.parametrize(("pieces", "told"), [([4, 4], [4, 4]), ([4, 9, 1], [4, 6, 0])])
def test_no_more_than_a_file_holds_is_told_of_it(pieces: list[int], told: list[int]) -> None:
    heard: list[int] = []
    progress = Progress(heard.append, 10)
    for piece in pieces:
        progress.read(piece)
    assert heard == told


@pytest.mark.parametrize("name", ["long_name.zip", "long_name.tar.gz"])
def test_a_member_with_a_long_name_takes_no_more_of_the_disk_than_its_text(
    tmp_path: Path, name: str
) -> None:
    source = lines_source(write(tmp_path, name, FILES[name]()))
    rows, stats = cleaned(tmp_path, source, Clean())
    assert sum(path.stat().st_size for path in tmp_path.glob("*.arrow")) < 100_000
    (damage,) = stats.damages
    assert len(damage) < 500
    (reject,) = [row for row in rows if row["reason"] == "unsafe_member"]
    assert len(reject["detail"]) < 2_000


def test_of_a_file_that_is_too_large_so_many_bytes_are_read_and_of_others_all(
    tmp_path: Path,
) -> None:
    lines = [f"{number} {TATAR[number % len(TATAR)]}" for number in range(400)]
    source = lines_source(write(tmp_path, "one.txt", lines))
    (file,) = files(source)
    size = file.path.stat().st_size
    for most in (size // 2, size, size + 1, None):
        group = Group(source, (file,), 0, tmp_path, "00000", most_bytes=most)
        told: list[int] = []
        said = read_group(group, told.append)
        rows = read_chunk(tmp_path / said["files"][0]["name"]).to_pylist()
        taken = [len(row["text"].encode()) + 1 for row in rows]
        if most is not None and most < size:
            assert most <= sum(taken) < most + taken[-1] + len(rows)
        else:
            assert [row["text"] for row in rows] == lines
        assert sum(told) == size
