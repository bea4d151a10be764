"""The articles of sentences in the form of the Leipzig corpora."""

import gzip
import io
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from text_samples import FRENCH, TATAR, records, write

from endonym.formats import articles
from endonym.formats.articles import numbered, table_rows
from endonym.formats.document import ARTICLE, Document
from endonym.formats.io import streams

NAME = "tat_mixed_2015_6"
SENTENCES = "".join(f"{number}\t{text}\n" for number, text in enumerate(TATAR, 1))
TABLE = "7\t1\n8\t2\n7\t3\n9\t3\n7\t5\n"
EXPECTED = [f"{NAME}#7", f"{NAME}#8", f"{NAME}#7", None, f"{NAME}#7", None]


def found(path: Path) -> list[str | None]:
    """The article of each document."""
    member = None if path.suffix == ".txt" or path.name.endswith(".txt.gz") else "*-sentences.txt"
    every = records(path, document="line", column=2, member=member)
    documents = [each for each in every if isinstance(each, Document)]
    assert [each.text for each in documents] == TATAR
    return [each.meta.get(ARTICLE) for each in documents]


def archive(path: Path, table: str | None, *, first: bool) -> Path:
    """A tar.gz or a zip of sentences and a table, the table before or after them."""
    members = [(f"{NAME}/{NAME}-sentences.txt", SENTENCES)]
    if table is not None:
        members.insert(0 if first else 1, (f"{NAME}/{NAME}-inv_so.txt", table))
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as file:
            for name, content in members:
                file.writestr(name, content)
        return path
    with tarfile.open(path, "w:gz") as file:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content.encode())
            file.addfile(info, io.BytesIO(content.encode()))
    return path


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip"])
@pytest.mark.parametrize("first", [True, False])
def test_sentences_of_an_archive_know_their_article(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, *, first: bool
):
    monkeypatch.setattr(streams, "MIN_UNPACKED_BYTES", 0)  # as of one of a million sentences
    assert found(archive(tmp_path / name, TABLE, first=first)) == EXPECTED


def test_a_file_beside_its_table_too_packed_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MIN_UNPACKED_BYTES", 0)
    loose = tmp_path / f"{NAME}-sentences.txt"
    loose.write_text(SENTENCES, encoding="utf-8")
    assert found(loose) == [None] * 6
    (tmp_path / f"{NAME}-inv_so.txt").write_text(TABLE, encoding="utf-8")
    assert found(loose) == EXPECTED
    packed = tmp_path / "packed" / f"{NAME}-sentences.txt.gz"
    packed.parent.mkdir()
    packed.write_bytes(gzip.compress(SENTENCES.encode()))
    packed.with_name(f"{NAME}-inv_so.txt.gz").write_bytes(gzip.compress(TABLE.encode()))
    assert found(packed) == EXPECTED


@pytest.mark.parametrize("table", [None, "", "no table\n", "1\t2\t3\n", "x\t1\n0\t0\n"])
def test_without_a_table_or_with_a_broken_one_nothing_is_said(tmp_path: Path, table: str | None):
    assert found(archive(tmp_path / "a.tar.gz", table, first=True)) == [None] * 6


def test_a_damaged_archive_gives_no_table(tmp_path: Path) -> None:
    table = "".join(f"{number * number % 9_973}\t{number}\n" for number in range(5_000))
    whole = archive(tmp_path / "a.tar.gz", table, first=False).read_bytes()
    (tmp_path / "b.tar.gz").write_bytes(whole[:-200])
    assert found(tmp_path / "b.tar.gz") == [None] * 6


def test_numbers_beyond_all_reason_take_no_memory() -> None:
    assert len(numbered(table_rows(iter([b"5\t999999999\n7\t3\n"])))) == 4
    assert numbered(table_rows(iter([])))[0] == 0
    sparse = "".join(f"7\t{number}\n" for number in (1, 2, 3, 40, 41, 99_999_999)).encode()
    assert np.flatnonzero(numbered(table_rows(iter([sparse])))).tolist() == [1, 2, 3, 40, 41]


@pytest.mark.parametrize("size", [1, 7, 1_000, 10**6])
def test_a_table_is_the_same_in_any_pieces(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(articles, "PORTION_BYTES", 300)
    table = "".join(f"{number % 97}\t{number * 7 % 400}\n" for number in range(500)).encode()
    table += b"no row\n98\t399"
    pieces = [table[first : first + size] for first in range(0, len(table), size)]
    monkeypatch.setattr(articles, "MOST_BYTES", len(table) - 1)
    assert table_rows(iter(pieces)) == []
    monkeypatch.setattr(articles, "MOST_BYTES", len(table))
    found = numbered(table_rows(iter(pieces)))
    expected = [0] * 400
    for number in reversed(range(500)):
        expected[number * 7 % 400] = number % 97
    expected[0], expected[399] = 0, expected[399] or 98
    assert found.tolist() == expected


def test_a_large_table_takes_little_memory() -> None:
    """1 MB of the shortest rows, which took 30 MB."""
    size = 1 << 20
    tracemalloc.start()
    try:
        rows = table_rows(iter([b"1\t1\n" * (size // 4)]))
        assert len(numbered(rows)) == 2
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(map(len, rows)) == size // 4
    assert peak < 6 * size


def test_a_file_without_line_ends_is_no_table() -> None:
    assert table_rows(iter([b"1" * (1 << 17)] * 3)) == []


def test_a_sentence_is_known_by_its_own_number(tmp_path: Path) -> None:
    write(tmp_path, f"{NAME}-inv_so.txt", TABLE)
    lines = [f"{number}\t{TATAR[number - 1]}" for number in (5, 2, 4)]
    found = records(write(tmp_path, f"{NAME}-sentences.txt", lines))
    said = [each.meta.get(ARTICLE) for each in found if isinstance(each, Document)]
    assert said == [f"{NAME}#7", f"{NAME}#8", None]


def test_other_files_have_no_articles(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_text("\n".join(FRENCH), encoding="utf-8")
    found = [each for each in records(path, document="line") if isinstance(each, Document)]
    assert len(found) == len(FRENCH)
    assert all(ARTICLE not in each.meta for each in found)
