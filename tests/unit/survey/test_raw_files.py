"""Files below a path: what `endonym write` keeps beside its texts; globs of `exclude`."""

import os
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from made_conversations import conversations, write_lines
from made_documents import zipped

from endonym.formats.files import Omitted
from endonym.survey.format_guess import guess_source
from endonym.survey.raw_files import (
    FEW_FILES,
    as_glob,
    excluding,
    files_below,
    is_writable,
    pattern,
    relative,
)
from endonym.survey.survey import survey_texts


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


LINE = '{"id": "a-0", "text": "Кар яуды, һәм авыл ап-ак булды.", "index": 0}\n'
KEPT = [
    "кар/a-00000.jsonl",
    "кар/a.part.txt",
    "кар/rejects.jsonl.txt",
    "кар/үз/b.jsonl.part",
    "кар/үз/rejects.jsonl",
    "кар/үз/spent.jsonl",
    "яз/b.jsonl.new",
    "яз/b.jsonl.part",
    "яз/rejects.jsonl",
    "яз/spent.jsonl",
    "яз/written.json/c.jsonl",
]
BESIDE = [
    "кар/a-00001.jsonl.new",
    "кар/a-00001.jsonl.part",
    "кар/rejects.jsonl",
    "кар/spent.jsonl",
    "кар/written.json",
]


def test_what_write_keeps_beside_its_texts_is_no_text(tmp_path: Path) -> None:
    """A person's own files with such names are, also in a folder below, or given by themselves."""
    for name in (*KEPT, *BESIDE):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(LINE * 3, encoding="utf-8")

    def found(path: Path) -> list[str]:
        return [each.relative_to(tmp_path).as_posix() for each in files_below(path)]

    assert sorted(found(tmp_path)) == sorted(KEPT)
    assert [found(tmp_path / name) for name in KEPT] == [[name] for name in KEPT]
    assert [found(tmp_path / name) for name in BESIDE] == [[]] * len(BESIDE)
    (tmp_path / "кар" / "written.json").unlink()
    assert sorted(found(tmp_path)) == sorted([*KEPT, *BESIDE[:-1]])


def test_texts_of_write_are_synthetic_whatever_they_hold(tmp_path: Path) -> None:
    """Records, lines and conversations, in archives too; those in other folders are a person's."""
    for name in ("кар", "кар/үз", "яз"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jsonl").write_text(LINE * 3, encoding="utf-8")
        (tmp_path / name / "b.txt").write_text("Кар яуды.\nКояш чыкты.\n" * 9, encoding="utf-8")
        (tmp_path / name / "c.tsv").write_text("text\nКар яуды.\n" * 9, encoding="utf-8")
        write_lines(tmp_path / name / "d.jsonl", conversations(9))
        (tmp_path / name / "e.zip").write_bytes(zipped({"a.txt": "Кар яуды.\n" * 9}))
    (tmp_path / "кар" / "written.json").write_text("{}", encoding="utf-8")
    marked = dict[str, bool]()
    for path in sorted(tmp_path.rglob("*.*")):
        if path.name != "written.json":
            source, reason, chat = guess_source(path, "а")
            marked[path.relative_to(tmp_path).as_posix()] = source.synthetic
            assert (source.name, source.path) == ("а", str(path))
            assert reason
            assert (chat is not None) == (path.name == "d.jsonl")
    assert [name for name, is_synthetic in marked.items() if is_synthetic] == [
        f"кар/{name}" for name in ("a.jsonl", "b.txt", "c.tsv", "d.jsonl", "e.zip")
    ]
    assert len(marked) == 15


def test_many_written_files_are_one_synthetic_source_without_the_rejects(tmp_path: Path) -> None:
    """The glob of the source leaves out what lies beside them."""
    for number in range(FEW_FILES + 1):
        (tmp_path / f"a-{number:05}.jsonl").write_text(LINE * 3, encoding="utf-8")
    for name in ("rejects.jsonl", "spent.jsonl", "written.json", "a-00099.jsonl.part"):
        (tmp_path / name).write_text(LINE, encoding="utf-8")
    ((source, _),) = survey_texts([tmp_path], tmp_path / "project").sources
    assert (source.path, source.exclude, source.synthetic) == (
        "../*.jsonl",
        ("rejects.jsonl", "spent.jsonl"),
        True,
    )
