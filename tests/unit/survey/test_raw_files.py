"""Globs of `exclude`."""

import os
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from endonym.formats.files import Omitted
from endonym.survey.format_guess import guess_source
from endonym.survey.raw_files import (
    as_glob,
    excluding,
    files_below,
    is_writable,
    pattern,
    relative,
)


def test_a_name_stands_alone_unless_a_file_that_is_read_has_it_too():
    home = Path("/т")
    given = [home / "бер/1.txt", home / "ике/2 [a].txt"]
    bad = [home / "бер/2 [a].txt", home / "өч/3.txt", home / "1.txt", Path("/башка/1.txt")]
    found = excluding(bad, given, home)
    assert found == ["/бер/2 [[]a].txt", "3.txt", "/1.txt"]
    names = [each.relative_to(home).as_posix() for each in (*given, *bad[:3])]
    alike = [home / "бер/1.txt", home / "ике/1.txt"]
    assert excluding(alike, [home / "3.txt"], home) == ["1.txt"]
    omitted = Omitted(found)
    assert [omitted.has_file(name) for name in names] == [False, False, True, True, True]


def test_the_last_parts_of_a_path_are_a_glob():
    assert pattern(Path("/т/бер/1*.txt"), 2) == "бер/1[*].txt"


def test_a_path_is_written_from_the_recipes_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "текстлар/а.txt"
    assert relative(path, tmp_path / "project") == "../текстлар/а.txt"
    monkeypatch.chdir(tmp_path)
    assert relative(path, Path()) == "текстлар/а.txt"
    assert relative(Path("текстлар/а.txt"), Path(tmp_path.anchor)) == path.as_posix()
    assert is_writable("текстлар/а.txt")
    assert not is_writable("\udcff.txt")


def test_a_path_that_is_no_utf8_is_written_as_a_glob_that_leads_to_it():
    path = os.fsdecode(b"\xd3\x99 [1]/d\xe9p/\xf1.txt")
    assert not is_writable(path)
    assert is_writable("ә [1]/dep/n.txt")
    assert as_glob(path) == "ә [[]1]/d?p/?.txt"
    assert fnmatchcase(path, as_glob(path))


def test_texts_of_write_are_synthetic_and_its_rejects_are_no_texts(tmp_path: Path) -> None:
    lines = '{"id": "a-0", "text": "Кар яуды, һәм авыл ап-ак булды.", "index": 0}\n' * 3
    for name in ("a-00000.jsonl", "a-00001.jsonl.part", "rejects.jsonl", "written.json"):
        (tmp_path / name).write_text(lines, encoding="utf-8")
    assert [path.name for path in files_below(tmp_path)] == ["a-00000.jsonl"]
    source, *_ = guess_source(tmp_path / "a-00000.jsonl", "a")
    assert source.synthetic
    (tmp_path / "written.json").unlink()
    assert len(files_below(tmp_path)) == 3
    source, *_ = guess_source(tmp_path / "a-00000.jsonl", "a")
    assert not source.synthetic
