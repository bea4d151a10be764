"""Raw files to chunks, chunks to what is kept and dropped, by one text or by the whole corpus."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from made_chunks import chunk, rows_of
from strange_files import FILES
from text_samples import KHMER, ROMANIAN, RUSSIAN, TATAR, files, gzipped, write

from endonym.copies.held_out.split import digest
from endonym.corpus import chunk_steps
from endonym.corpus.chunk_steps import (
    ChunkTask,
    Group,
    clean_chunk,
    combine_counts,
    contrast_texts,
    count_chunk,
    groups_of,
    judge_chunk,
    notes_of,
    read_group,
)
from endonym.corpus.corpus_stats import MAX_DAMAGES, SourceStats
from endonym.errors import SourceError
from endonym.formats import chunks as chunk_files
from endonym.formats.chunks import read_chunk
from endonym.formats.config import Clean, Source
from endonym.formats.document import ARTICLE, Document, Reject

Rows = list[dict[str, Any]]
HEAD = "Татарстан китап нәшрияты, Казан шәһәре, барлык хокуклар да якланган"


def silent(size: int) -> None:
    """Progress that nobody sees."""


def lines_source(path: Path, **keys: Any) -> Source:
    return Source(name=path.name.split(".")[0], path=str(path), document="line", **keys)


def groups(folder: Path, source: Source) -> list[Group]:
    every = files(source)
    return [
        Group(source, tuple(every[first:end]), first, folder, f"{number:05d}")
        for number, (first, end, _) in enumerate(groups_of(every))
    ]


def read(folder: Path, source: Source) -> tuple[Rows, list[Rows]]:
    """What the records of reading say, and the rows of each chunk."""
    said = [read_group(each, silent) for each in groups(folder, source)]
    names = [file["name"] for each in said for file in each["files"]]
    return said, [read_chunk(folder / name).to_pylist() for name in names]


def kept_and_dropped(folder: Path, source: Source, clean: Clean) -> tuple[Rows, SourceStats]:
    """The rows of a source after cleaning, and its counts."""
    stats, rows = SourceStats(source.name), Rows()
    for group in groups(folder, source):
        names = tuple(file.name for file in group.files)
        for file in read_group(group, silent)["files"]:
            given = (folder / file["name"], source.name, folder, f"clean-{file['name']}", clean, 7)
            task = ChunkTask(*given, first=group.first, files=names)
            said = clean_chunk(task, silent)
            stats.add(json.loads(json.dumps(said["counts"])))
            rows += read_chunk(folder / said["files"][0]["name"]).to_pylist()
    return rows, stats


def test_a_chunk_holds_documents_and_rejects_in_their_order(tmp_path: Path) -> None:
    write(tmp_path, "raw/b.txt", f"{TATAR[0]}\n".encode() + b"\xff\n" + f"{TATAR[1]}\n".encode())
    write(tmp_path, "raw/a.txt", TATAR[2:4])
    (said,), (rows,) = read(tmp_path, lines_source(tmp_path / "raw"))
    texts, sizes = [*TATAR[2:4], TATAR[0], "\\xff", TATAR[1]], [row["size"] for row in rows]
    assert [row["text"] for row in rows] == texts
    assert [row["file"] for row in rows] == [0, 0, 1, 1, 1]
    assert [row["id"] for row in rows][2:] == ["b.txt#1", "b.txt#2", "b.txt#3"]
    assert [row["reason"] for row in rows] == [None, None, None, "invalid_utf8", None]
    assert sizes == [1 if text == "\\xff" else len(text.encode()) for text in texts]
    assert said["files"][0]["size"] == sum(sizes)


def test_chunks_end_by_their_characters_and_files_stay_in_their_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunk_files, "CHUNK_CHARS", 300)
    monkeypatch.setattr(chunk_steps, "GROUP_BYTES", 400)
    for number in range(4):
        write(tmp_path, f"raw/{number}.txt", TATAR)
    source = lines_source(tmp_path / "raw")
    said, chunks = read(tmp_path, source)
    sizes = [file.path.stat().st_size for file in files(source)]
    assert list(groups_of(files(source))) == [(n, n + 1, size) for n, size in enumerate(sizes)]
    assert len(said) == 4 < len(chunks)
    assert [row["text"] for rows in chunks for row in rows] == TATAR * 4
    assert all({row["file"] for row in rows} in ({0}, {1}, {2}, {3}) for rows in chunks)


def test_many_small_files_are_one_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk_steps, "GROUP_FILES", 3)
    for number in range(7):
        write(tmp_path, f"raw/{number}.txt", TATAR[:1])
    ends = [(first, end) for first, end, _ in groups_of(files(lines_source(tmp_path / "raw")))]
    assert ends == [(0, 3), (3, 6), (6, 7)]
    assert list(groups_of([])) == []


def test_a_reject_names_its_file_in_any_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(chunk_steps, "GROUP_FILES", 1)
    for number in range(3):
        write(tmp_path, f"raw/{number}.txt.gz", gzipped("\n".join(TATAR))[:-9])
    _, stats = kept_and_dropped(tmp_path, lines_source(tmp_path / "raw"), Clean())
    assert [each.split("#")[0] for each in stats.damages] == [f"{n}.txt.gz" for n in range(3)]
    assert [key.split()[-1] for key in stats.unreadable] == [f"{n}.txt.gz" for n in range(3)]


def test_notes_travel_with_each_document_and_each_files_encoding_is_counted(tmp_path: Path) -> None:
    lines = [json.dumps({"text": text, "id": number}) for number, text in enumerate(KHMER)]
    write(tmp_path, "raw/a.jsonl", lines)
    write(tmp_path, "raw/b.txt", KHMER[:1])
    write(tmp_path, "raw/c.txt", "\n".join(RUSSIAN).encode("cp1251"))
    write(tmp_path, "raw/d.txt.gz", gzip.compress("\n".join(KHMER).encode()))
    (said,), (rows,) = read(tmp_path, lines_source(tmp_path / "raw"))
    notes = [json.loads(row["meta"]) for row in rows]
    assert notes[0] == {"id": "0", "method": "jsonl"}
    assert notes[len(KHMER)] == {"method": "txt"}
    assert said["encodings"] == {"cp1251": 1, "utf-8": 3}


def test_what_cleaning_changes_refuses_or_finds_broken_is_counted(tmp_path: Path) -> None:
    mojibake = " ".join(TATAR).encode().decode("cp1251", "replace")
    lines = [f"{TATAR[0]}\u00a0 ", TATAR[1], "Кояш.", mojibake]
    source = lines_source(write(tmp_path, "one.txt", lines))
    rows, stats = kept_and_dropped(tmp_path, source, Clean(normalize=("spaces",), min_chars=20))
    assert [each["text"] for each in rows if each["reason"] is None] == TATAR[:2]
    assert (stats.read["records"], stats.changed_documents) == (4, 1)
    dropped = {reason: each["records"] for reason, each in stats.dropped.items()}
    assert dropped == {"min_chars": 1, "mojibake": 1}
    (short,) = [row for row in rows if row["reason"] == "min_chars"]
    assert (short["text"], short["size"]) == ("Кояш.", len("Кояш.".encode()))
    assert short["detail"] == "5 characters, below 20"


def test_each_kept_document_has_its_digest_its_sizes_and_its_warnings(tmp_path: Path) -> None:
    odd = "ខុ្ញំដើរទៅផ្សារពីព្រឹក"
    source = lines_source(write(tmp_path, "one.txt", [ROMANIAN[0], odd, ""]))
    rows, _ = kept_and_dropped(tmp_path, source, Clean())
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
    _, stats = kept_and_dropped(tmp_path, lines_source(tmp_path / "raw"), Clean())
    assert stats.dropped["truncated"]["records"] == len(stats.unreadable) == MAX_DAMAGES + 5
    assert len(stats.damages) == MAX_DAMAGES
    assert stats.damages[0].startswith("00.txt.gz")
    assert stats.dropped["unsupported_format"]["records"] == 1
    assert all(key.startswith("truncated  ") for key in stats.unreadable)


@pytest.mark.parametrize("name", ["long_name.zip", "long_name.tar.gz"])
def test_a_member_with_a_long_name_takes_the_room_of_its_text(tmp_path: Path, name: str):
    source = lines_source(write(tmp_path, name, FILES[name]()))
    rows, stats = kept_and_dropped(tmp_path, source, Clean())
    assert sum(path.stat().st_size for path in tmp_path.glob("*.arrow")) < 100_000
    (damage,) = stats.damages
    assert len(damage) < 500
    (reject,) = [row for row in rows if row["reason"] == "unsafe_member"]
    assert len(reject["detail"]) < 2_000


def test_of_a_file_that_is_too_large_so_many_bytes_are_read_and_of_others_all(tmp_path: Path):
    lines = [f"{number} {TATAR[number % len(TATAR)]}" for number in range(400)]
    source = lines_source(write(tmp_path, "one.txt", lines))
    (file,) = files(source)
    size = file.path.stat().st_size
    for most in (size // 2, size, size + 1, None):
        told: list[int] = []
        group = Group(source, (file,), 0, tmp_path, "00000", most_bytes=most)
        said = read_group(group, told.append)
        rows = read_chunk(tmp_path / said["files"][0]["name"]).to_pylist()
        taken = [len(row["text"].encode()) + 1 for row in rows]
        if most is not None and most < size:
            assert most <= sum(taken) < most + taken[-1] + len(rows)
        else:
            assert [row["text"] for row in rows] == lines
        assert sum(told) == size


def test_no_more_than_a_file_holds_is_told_of_it(tmp_path: Path) -> None:
    """A packed file has more bytes than it takes on the disk."""
    source = lines_source(write(tmp_path, "a.txt.gz", gzipped("\n".join(TATAR * 500))))
    told: list[int] = []
    read_group(groups(tmp_path, source)[0], told.append)
    assert sum(told) == (tmp_path / "a.txt.gz").stat().st_size
    assert min(told) >= 0


def test_documents_and_rejects_are_written_in_their_order(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "0", "ил")
    meta = json.dumps({ARTICLE: "tat#3", "title": "Таң"})
    assert notes_of(meta) is notes_of(meta), "neighbours share their notes"
    rows.add(Document(TATAR[0], "a#1", "ил", notes_of(meta)), meta, 4, 99)
    gone = Reject("near", "a#2", "ил", "similarity 0.9", ROMANIAN[0], stayed="ил/a#1")
    rows.add(gone, meta, 4, 50)
    rows.write()
    first, second = read_chunk(tmp_path / "0.arrow").to_pylist()
    assert rows.documents == 1
    assert (first["text"], first["meta"], first["size"], first["file"]) == (TATAR[0], meta, 99, 4)
    assert first["digest"] == digest(TATAR[0].encode(), 7)
    assert first["article"] == digest(b"tat#3", 7)
    assert (second["reason"], second["stayed"], second["meta"]) == ("near", "ил/a#1", None)
    assert (second["digest"], second["article"]) == (None, None)
    assert notes_of('{"method": "csv"}') == {"method": "csv"}


@pytest.mark.parametrize("size", [1, 3, 9])
def test_a_line_of_many_documents_goes_however_they_are_divided(tmp_path: Path, size: int) -> None:
    texts: list[str | None] = [f"{HEAD}\n{TATAR[n % 6]} {n}." for n in range(8)]
    texts.append(None)
    chunks = [chunk(tmp_path, n, texts[n : n + size]) for n in range(0, 9, size)]
    clean, facts = Clean(max_line_documents=3), tmp_path / "facts"
    tasks = [ChunkTask(each, "тел", tmp_path / "o", each.stem, clean, 7) for each in chunks]
    counts = [tmp_path / "o" / count_chunk(task, silent)["counts"] for task in tasks]
    combine_counts(clean, counts, None, {}, out=facts)
    stats, rows, documents = SourceStats("тел"), Rows(), 0
    for path in chunks:
        task = ChunkTask(path, "тел", tmp_path, f"judged-{path.stem}", clean, 7, knowledge=facts)
        said = judge_chunk(task, silent)
        rows += read_chunk(tmp_path / said["files"][0]["name"]).to_pylist()
        stats.add(said["counts"])
        documents += said["documents"]
    assert [row["text"] for row in rows[:-1]] == [f"{TATAR[n % 6]} {n}." for n in range(8)]
    assert rows[-1]["reason"] == "min_chars"
    assert stats.tally.rules["max_line_documents"].documents == documents == 8
    assert stats.dropped == {}


def test_a_contrast_file_is_read_as_far_as_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    texts = [
        write(tmp_path, "ru.txt", RUSSIAN),
        write(tmp_path, "ba.jsonl", [f'{{"text": "{TATAR[0]}"}}']),
        write(tmp_path, "ru.more.txt.gz", gzipped("\n".join(RUSSIAN[:2]))),
    ]
    assert contrast_texts(texts) == {"ba": [TATAR[0]], "ru": [*RUSSIAN[:2], *RUSSIAN]}
    monkeypatch.setattr(chunk_steps, "CONTRAST_CHARS", 100)
    assert sum(map(len, contrast_texts(texts[:1])["ru"])) <= 100
    with pytest.raises(SourceError, match="no text") as caught:
        contrast_texts([write(tmp_path, "kk.txt", b"\0\1\2\3" * 100)])
    assert caught.value.where == f"clean.contrast: {tmp_path / 'kk.txt'}"


def test_patterns_of_contrast_start_at_the_recipe(tmp_path: Path) -> None:
    for name in ("near/ru.txt", "near/kk.txt", "near/deep/ky.txt"):
        write(tmp_path, name, RUSSIAN)
    clean = Clean(contrast=("near/*.txt", "near/../near/ru.txt", str(tmp_path / "near/deep/*")))
    paths = [path.relative_to(tmp_path).as_posix() for path in clean.contrast_files(tmp_path)]
    assert paths == ["near/deep/ky.txt", "near/kk.txt", "near/ru.txt"]
