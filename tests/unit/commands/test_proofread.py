"""`endonym proofread`: places in files, copies, other files and models; in bounded portions."""

import io
import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from endonym.cli.proofread_command import in_all
from endonym.commands import proofread
from endonym.commands.proofread import (
    Portion,
    Summary,
    corrected,
    opened,
    portions,
    require_files,
    told,
    written,
)
from endonym.errors import RecipeError
from endonym.generate.proofread import Correction, Finding


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    """A finished run with its store, which may be changed."""
    return Path(shutil.copytree(finished, tmp_path / "project"))


RIGHT = "Күрше әби базарга барды, җиләк алды һәм өенә кайтты."


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_portions_are_the_whole_text_with_lines_and_columns(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proofread, "PORTION", size)
    text = "Бер ике өч\r\n\nдүрт биш\nалты"
    found = [*portions(io.StringIO(text, newline=""))]
    assert "".join(each.text for each in found) == text
    lines = text.split("\n")
    for each in found:
        assert lines[each.line - 1][each.column - 1 :].startswith(each.text.split("\n")[0])


def test_a_line_is_not_cut_if_it_is_short_and_has_no_end() -> None:
    assert [each.text for each in portions(io.StringIO(RIGHT))] == [RIGHT]


def test_a_finding_is_told_by_its_line_and_column_and_corrected() -> None:
    text = "Бер жил\nике жилэк"
    found = Finding(12, 17, "жилэк", (Correction("җиләк", 9.0),))
    assert told(found, Portion(text, 4, 11), "a.txt")[:4] == ("a.txt", 5, 5, "жилэк")
    first = Finding(4, 7, "жил", (Correction("җил", 9.0),))
    assert told(first, Portion(text, 4, 11), "a.txt")[1:3] == (4, 15)
    assert corrected(text, [first, found]) == "Бер җил\nике җиләк"


def test_what_was_found_and_what_was_not_checked_is_said_in_words() -> None:
    assert in_all(0, 2) == "no wrong words in 2 lines"
    assert in_all(1, 1) == "1 word is probably wrong, in 1 line"
    assert in_all(3, 2) == "3 words are probably wrong, in 2 lines"
    assert Summary("a.txt", lines=2).caution("tt") == ""
    said = Summary("a.txt", lines=1, unchecked_lines=1).caution("tt")
    assert said.startswith("a.txt: not checked: 1 of 1 line. ")
    assert said.endswith("another language than Tatar.")
    unknown = Summary("a.txt", lines=2, unchecked_lines=2).caution("")
    assert "2 of 2 lines" in unknown
    assert unknown.endswith("another language.")


def test_a_copy_is_only_moved_to_its_place_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("before", encoding="utf-8")
    with suppress(RuntimeError), written(path) as out:
        assert out is not None
        out.write("half")
        raise RuntimeError
    assert [each.name for each in tmp_path.iterdir()] == ["out.txt"]
    assert path.read_text(encoding="utf-8") == "before"


def test_the_command_counts_words_once_and_keeps_them_with_the_threshold(
    project: Path, tmp_path: Path, command: Callable[..., Any]
) -> None:
    text, out = tmp_path / "a.txt", tmp_path / "b.txt"
    text.write_text(f"{RIGHT}\r\n", encoding="utf-8", newline="")
    given = ("proofread", project / "runs" / "kechkena", text, "--store", project / "store")
    first = command(*given, "--write", out, "--json")
    assert first.code == 0, first.err
    assert "counting words" in first.err
    assert set(json.loads(first.out.splitlines()[-1])) == {
        *("files", "findings", "lines", "unchecked_lines")
    }
    assert out.read_text(encoding="utf-8").count("\n") == 1
    again = command(*given, "--json")
    assert "counting words" not in again.err
    assert again.out == first.out
    assert text.read_bytes().endswith(b".\r\n"), "no file is changed but OUT"


def test_what_cannot_be_checked_gets_a_clear_error(
    project: Path, tmp_path: Path, command: Callable[..., Any]
) -> None:
    run, store = project / "runs" / "kechkena", ("--store", project / "store")
    (export,) = (project / "store" / "export").iterdir()
    text, broken = tmp_path / "a.txt", tmp_path / "old.txt"
    text.write_text(RIGHT, encoding="utf-8")
    broken.write_bytes(RIGHT.encode("cp1251", "replace"))
    for arguments, words in (
        ((run, tmp_path / "none.txt", *store), "no such file"),
        ((run, text, tmp_path, *store), "this is a folder"),
        ((run, text, "--write", tmp_path / "юк" / "o.txt", *store), f"no folder {tmp_path / 'юк'}"),
        ((run, broken, *store), "not UTF-8"),
        ((run, text, text, "--write", tmp_path / "o.txt", *store), "cannot be one"),
        ((export, text, *store), "--words FILE"),
    ):
        said = command("proofread", *arguments)
        assert words in said.err, said.err
        assert said.code in (1, 2)
        assert "Traceback" not in said.err


def test_a_wrong_name_is_told_before_a_model_is_loaded(tmp_path: Path) -> None:
    text = tmp_path / "a.txt"
    text.write_text(RIGHT, encoding="utf-8")
    require_files([str(text), "-"])
    require_files(["-"], tmp_path / "o.txt")
    with pytest.raises(RecipeError, match="there is no folder") as refused:
        require_files([str(text)], tmp_path / "юк" / "o.txt")
    assert ".part" not in str(refused.value)
    assert refused.value.do
    assert [*tmp_path.iterdir()] == [text]


def test_a_pipe_is_read_as_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    require_files([str(pipe)])
    writer = Thread(target=pipe.write_text, args=(RIGHT, "utf-8"))
    writer.start()
    with opened(str(pipe)) as stream:
        assert [each.text for each in portions(stream)] == [RIGHT]
    writer.join()


def test_a_folder_without_texts_is_given_a_word_list(
    project: Path, tmp_path: Path, command: Callable[..., Any]
) -> None:
    (export,) = (project / "store" / "export").iterdir()
    text, words = tmp_path / "a.txt", tmp_path / "words.tsv"
    text.write_text(RIGHT, encoding="utf-8")
    words.write_text("# Tatar\nәби\t3\nҗиләк\n", encoding="utf-8")
    given = ("proofread", export, text, "--words", words, "--store", project / "store")
    assert command(*given).code == 0
    words.write_text("әби\tthree\n", encoding="utf-8")
    said = command(*given)
    assert "line 1" in said.err, said.err
    words.write_text("", encoding="utf-8")
    assert "no word" in command(*given).err
