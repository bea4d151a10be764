"""Which raw files a source names."""

import os
from pathlib import Path

import pytest
from text_samples import TATAR, write

from endonym.errors import MissingSource
from endonym.text.config import Source
from endonym.text.files import source_files


def names(folder: Path, path: str) -> list[str]:
    return [file.name for file in source_files(Source(name="probe", path=path), folder)]


def test_a_single_file_is_called_by_its_own_name(tmp_path: Path):
    write(tmp_path, "texts/әкият.txt", TATAR)
    assert names(tmp_path, "texts/әкият.txt") == ["әкият.txt"]


def test_a_folder_gives_all_its_files_sorted_by_their_path_below_it(tmp_path: Path):
    for name in ("b.txt", "a/z.txt", "a/ә.txt", "c.jsonl.gz"):
        write(tmp_path, f"texts/{name}", TATAR)
    assert names(tmp_path, "texts") == ["a/z.txt", "a/ә.txt", "b.txt", "c.jsonl.gz"]


def test_hidden_files_and_folders_are_no_texts(tmp_path: Path):
    for name in (".DS_Store", ".git/config.txt", "a.txt"):
        write(tmp_path, name, TATAR)
    assert names(tmp_path, ".") == ["a.txt"]


def test_a_glob_is_named_below_the_part_before_its_first_wildcard(tmp_path: Path):
    for name in ("data/ro/a.txt", "data/tt/b.txt", "data/tt/c.csv"):
        write(tmp_path, name, TATAR)
    assert names(tmp_path, "data/*/*.txt") == ["ro/a.txt", "tt/b.txt"]
    assert names(tmp_path, "data/**/*.csv") == ["tt/c.csv"]


def test_a_circle_of_links_is_walked_once(tmp_path: Path):
    write(tmp_path, "texts/a.txt", TATAR)
    (tmp_path / "texts" / "again").symlink_to(tmp_path / "texts")
    (tmp_path / "texts" / "nowhere").symlink_to(tmp_path / "missing")
    assert names(tmp_path, "texts") == ["a.txt", "nowhere"]


def test_a_missing_path_is_named_with_the_source_and_what_to_do(tmp_path: Path):
    with pytest.raises(MissingSource) as caught:
        names(tmp_path, "texts/tatar.txt")
    assert caught.value.exit_code == 2
    assert 'source "probe"' in caught.value.message
    assert caught.value.where == str(tmp_path / "texts" / "tatar.txt")
    assert "`path`" in caught.value.do


@pytest.mark.parametrize("path", ["texts", "texts/*.txt"])
def test_a_folder_or_a_glob_without_a_file_is_missing(tmp_path: Path, path: str):
    (tmp_path / "texts").mkdir()
    with pytest.raises(MissingSource, match="no file"):
        names(tmp_path, path)


def test_bytes_in_a_name_that_are_no_utf8_are_written_out(tmp_path: Path):
    path = os.fsencode(tmp_path) + b"/\xe9t\xe9.txt"
    Path(os.fsdecode(path)).write_text(TATAR[0], encoding="utf-8")
    assert names(tmp_path, ".") == ["\\xe9t\\xe9.txt"]
