"""A folder of files as an attacker would make them, beside one good file, in a strange place."""

import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from strange_files import FILES, limited, nested, odd, write_all
from text_samples import TATAR, numbered, write

from endonym.corpus.corpus import Corpus, dropped_records

RECIPE = """
name = "strange"
language = "tt"
[[source]]
name = "texts"
path = "texts"
document = "line"
[clean]
normalize = ["nfc", "spaces", "zero_width"]
max_unreadable = 1.0
[[phase]]
name = "pretrain"
steps = 1
"""
GOOD = numbered(300)
STRANGE_NAMES = {
    odd(b"tatar-\xff.txt"): "tatar-\\xff.txt",
    odd(b"folder-\xff/tatar.txt"): "folder-\\xff",
    "red\x1b[31m.txt": "red\\x1b[31m.txt",
    "two\nlines.txt": "two\\x0alines.txt",
    "right\u202etxt.exe.txt": "right\\u202etxt.exe.txt",
    "title\x9d0;owned\x07.pdf": "title\\x9d0;owned\\x07.pdf",
}
"""How the names of these files stand in the corpus."""
PACKED = ("lzma.zip", "lzma_cut.zip", "bzip2.zip")
HEADED = ("long_links.tar", "pax_headers.tar", "global_headers.tar")
WHOLE = {*PACKED, *HEADED, *(name for name in STRANGE_NAMES if not name.endswith(".pdf"))}
"""Strange files that are whole texts; of all others something is refused, but for `KEPT`."""
KEPT = {"marks.txt", "line_ends.txt", "members.txt.gz", "rows.parquet", "huge_number.jsonl"}


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], object]:
    """Puts every strange file into a folder; they are made once, and linked."""
    made = tmp_path_factory.mktemp("strange") / "made"
    made.mkdir()
    write_all(made)
    return partial(shutil.copytree, made, symlinks=True, copy_function=os.link, dirs_exist_ok=True)


def file_of(record: str) -> str:
    """The file or folder of the source in which a record stands, by the record's id."""
    return record.partition("#")[0].partition("/")[0]


@pytest.mark.timeout(240)
def test_the_good_documents_are_kept_and_each_strange_file_is_named(
    tmp_path: Path, strange: Callable[[Path], object]
):
    place = tmp_path / odd(b"work-\xff-\x1b[31m")
    write(place, "texts/tatar.txt", GOOD)
    write(place, odd(b"recipe-\xff.toml"), RECIPE)
    strange(place / "texts")
    with nested(place / "texts", 2_050):
        said = limited("run", odd(b"recipe-\xff.toml"), "--until", "corpus", cwd=place)
    assert said.returncode == 0, said.stderr.decode()
    screen = said.stdout + said.stderr + (place / "runs/strange/log.txt").read_bytes()
    assert not {b"\x1b", b"\xff", b"\x9d"} & {screen[at : at + 1] for at in range(len(screen))}
    (folder,) = (place / "store" / "corpus").iterdir()
    corpus = Corpus(folder)
    kept = [each for side in ("train", "dev", "test") for each in corpus.documents(side)]
    assert set(GOOD) <= {each.text for each in kept if each.id.startswith("tatar.txt#")}
    links = [f"{name}.txt" for name in ("pipe", "circle", "nowhere", "device", "memory")]
    files = [*FILES, *links, "rows.parquet", "repeated.parquet"]
    refused = {file_of(each.id) for each in dropped_records(corpus.folder)}
    for name in files:
        shown = STRANGE_NAMES.get(name, name)
        texts = [each.text for each in kept if file_of(each.id) == shown]
        if name in WHOLE:
            assert (sorted(texts), shown in refused) == (sorted(TATAR), False), shown
        else:
            assert shown in refused or (name in KEPT and texts), shown
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    assert any(
        "too long to be opened" in each.detail
        for each in dropped_records(corpus.folder, "not_a_file")
    )
    assert card["sources"]["texts"]["files"] >= len(files)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('path = "texts/a**b"', "there is no file here"),
        ('path = "~nobody/x"', "there is no such file"),
        ('encoding = "idna"', "no encoding of text files"),
        ('encoding = "undefined"', "no encoding of text files"),
        ('encoding = "a\\u0000b"', "no encoding of text files"),
    ],
)
def test_a_strange_recipe_gets_a_clear_error(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: Callable[..., Any],
    line: str,
    said: str,
):
    write(tmp_path, "texts/tatar.txt", GOOD)
    recipe = RECIPE.replace('path = "texts"', line if "path" in line else f'path = "texts"\n{line}')
    write(tmp_path, "recipe.toml", recipe)
    monkeypatch.chdir(tmp_path)
    answer = command("run", "recipe.toml", "--until", "corpus")
    assert answer.code in (1, 2)
    assert said in answer.err
    assert "internal error" not in answer.err
    assert os.listdir(tmp_path / "texts") == ["tatar.txt"]  # noqa: PTH208


@pytest.mark.timeout(120)
def test_checking_and_scoring_strange_files_ends_in_time_and_memory(
    tmp_path: Path, finished: Path, strange: Callable[[Path], object]
):
    write(tmp_path, "texts/tatar.txt", GOOD)
    write(tmp_path, "recipe.toml", RECIPE)
    strange(tmp_path / "texts")
    said = limited("check", "recipe.toml", cwd=tmp_path)
    assert said.returncode == 0, said.stderr.decode()
    store = ["--store", str(finished / "store"), "--json"]
    for path in (tmp_path / "texts").iterdir():  # Scoring the others takes minutes.
        if path.name.partition(".")[0] not in ("tatar", "circle", "bomb", "repeated"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    said = limited("evaluate", "kechkena", "--text", "texts", *store, cwd=tmp_path, gb=6)
    assert said.returncode == 0, said.stderr.decode()
    assert b"not read: " in said.stderr
