"""Raw files are hashed by content, once."""

import errno
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from progress_bars import bars_of
from text_samples import TATAR, write

from endonym.errors import MissingSource, SourceError
from endonym.formats.config import Source
from endonym.formats.files import RawFile, RawSet, source_files
from endonym.log import Log
from endonym.pipeline import sources
from endonym.recipe.recipe import Recipe
from endonym.script.languages import usual_script
from endonym.store import Artifact, Store

Patch = pytest.MonkeyPatch


@pytest.fixture
def recipe(small_recipe: Callable[[Path], Path], tmp_path: Path) -> Recipe:
    return Recipe.load(small_recipe(tmp_path / "project"))


@pytest.fixture
def hashed(monkeypatch: Patch) -> list[str]:
    """The names of the files that are read."""
    seen: list[str] = []
    read = sources.file_hash

    def note(path: Path, *advance: Callable[[int], None]) -> str:
        seen.append(path.name)
        return read(path, *advance)

    monkeypatch.setattr(sources, "file_hash", note)
    return seen


def hash_all(recipe: Recipe) -> list[RawSet]:
    store = Store(recipe.folder / "store")
    return sources.hash_all(sources.find(recipe), store, Log(quiet=True))


def test_a_file_is_read_once_until_it_changes(recipe: Recipe, hashed: list[str]):
    first = hash_all(recipe)
    assert sorted(hashed) == ["others.txt", "romanian.jsonl.gz", "tatar.txt"]
    hashed.clear()
    assert hash_all(recipe) == first
    assert hashed == []
    os.utime(recipe.folder / "texts" / "tatar.txt", (1, 1))
    assert hash_all(recipe) == first
    assert hashed == ["tatar.txt"]


def test_what_is_new_changed_or_gone_since_a_run_is_named(recipe: Recipe, hashed: list[str]):
    """A text that was not touched, or that has another size, is not hashed again."""
    chats, page = (write(recipe.folder, name, "{}\n") for name in ("chats.jsonl", "dev.txt"))
    folder = recipe.folder / "texts"
    made = [
        {
            "source": {"name": each.source.name},
            "files": [{"name": file.name} for file in each.files],
            "hashes": [*each.hashes],
        }
        for each in hash_all(recipe)
    ]
    made.append({"files": [sources.file_identity(path) for path in (chats, page)]})
    read = [cast(Artifact, SimpleNamespace(manifest={"config": each})) for each in made]

    def told() -> list[str]:
        hashed.clear()
        store = Store(recipe.folder / "store")
        return sources.changed(recipe, store, read, [chats, page, page.with_name("gone.txt")])

    assert (told(), hashed) == ([], [])
    tatar = (folder / "tatar.txt").read_text(encoding="utf-8")
    (folder / "tatar.txt").write_text(f"{tatar}Яңгыр яуды.\n", encoding="utf-8")
    os.utime(folder / "others.txt", (1, 1))
    page.write_text("[]\n", encoding="utf-8")
    assert (told(), hashed) == (["texts/tatar.txt", "dev.txt"], ["others.txt", "dev.txt"])
    (folder / "others.txt").unlink()
    (folder / "tatar.txt").write_text(tatar, encoding="utf-8")
    assert told() == ["dev.txt", "others.txt (gone)"]
    files = [each.model_copy(update={"path": "texts/*"}) for each in recipe.source[:1]]
    recipe = recipe.model_copy(update={"source": files})
    write(folder, "яңа.txt", "Кояш чыкты.\n")
    assert sorted(told()) == ["dev.txt", "texts/яңа.txt"], "the others were read by other names"


def test_conversations_that_a_phase_reads_by_a_glob_are_no_texts_beside_the_others(recipe: Recipe):
    for name in ("беренче.jsonl", "икенче.jsonl", "башка.jsonl"):
        write(recipe.folder / "texts", name, '{"question": "Ничек?", "answer": "Әйбәт."}')
    phases = [{"name": "chat", "objective": "chat", "data": "texts/*енче.jsonl"}]
    found = sources.beside(recipe.with_values({"phase": phases}), Store(recipe.folder / "store"))
    assert [path.name for path in found.unused] == ["башка.jsonl"]


def test_texts_that_no_source_reads_and_renamed_ones_are_named_with_the_command(recipe: Recipe):
    texts, store = recipe.folder / "texts", Store(recipe.folder / "store")
    unread = sources.beside(recipe, store)
    assert (sources.words_of(unread, recipe), unread.added) == ([], {}), "no run has read any"
    hash_all(recipe)
    (texts / "tatar.txt").rename(texts / "әкиятләр.txt")
    write(texts, "2027/яңа.docx", b"PK")
    write(texts, "2027/иске.doc", b"\xd0\xcf\x11\xe0")  # A person can save it as docx.
    write(recipe.folder, "drafts/a.txt", "а")
    write(texts, "report.html", b'<html><meta name="generator" content="endonym">')
    for name in ("empty.txt", ".hidden.txt", "photo.jpg", "Thumbs.db"):
        write(texts, name, b"" if name == "empty.txt" else b"a")
    found = sources.beside(recipe, store)
    (number,) = found.renamed
    assert recipe.source[number].name == "tatar"
    assert found.renamed[number] == texts / "әкиятләр.txt"
    assert found.unused == [texts / "2027" / "иске.doc", texts / "2027" / "яңа.docx"]
    renamed, unused = sources.words_of(found, recipe)
    assert "texts/tatar.txt of source tatar is called әкиятләр.txt now" in renamed
    assert "2 texts beside the others: иске.doc, яңа.docx" in unused
    assert f"new {recipe.path} --update" in unused
    # What the recipe names, in a comment too, is known.
    recipe.path.write_text(f"# not яңа.docx иске.doc\n{recipe.text}", encoding="utf-8")
    assert sources.beside(Recipe.load(recipe.path), store).unused == []
    # Part of another file's name, or another folder's file, is no name of it.
    for name in ("atar.txt", "2027/tatar.txt"):
        write(texts, name, TATAR)
    beside = sources.beside(Recipe.load(recipe.path), store)
    assert beside.unused == [texts / "2027" / "tatar.txt", texts / "atar.txt"]
    for exclude in ("*.docx", "/2027/*", "2027"):
        source = Source(name="all", path="texts/*.txt", exclude=(exclude,))
        assert sources.excludes(source, texts / "2027" / "яңа.docx", recipe.folder)


def test_files_that_a_recipe_leaves_out_are_told_with_why_and_how_to_take_them_in(recipe: Recipe):
    texts, path = recipe.folder / "texts", recipe.path
    for name in ("китап.txt", "7a.txt", "c1.txt", "c2.txt", "a.csv", "b.csv"):
        write(texts, name, TATAR)
    comments = """# left out: t/x.doc, y.doc: old: save it
# conversations: texts/a.csv, texts/b.csv: no text to learn first
# not read yet: п.png: install Tesseract
# left out: files for 3 more reasons

# left out, as it reads like another language: French
# To use it all the same:
# [[source]]
# name = "книга"
# path = "../книга.txt"

# left out, too, as lists of persons: 7a.txt, 7b.txt
"""
    source = (
        '[[source]]\nname = "all"\npath = "texts/*.txt"\nexclude = ["c1.txt", "/c2.txt", "7a.*"]\n'
    )
    source += '[[source]]\nname = "net"\npath = "https://example.org/a.txt"\n'
    phase = '[[phase]]\nname = "chat"\nobjective = "chat"\ndata = "texts/b.csv"\n'
    text = recipe.text.replace("[clean]", f"{source}[clean]").replace(
        "[[evaluate]]", f"{phase}[[evaluate]]", 1
    )
    path.write_text(f"{comments}{text}", encoding="utf-8")
    excluded = f"`exclude` of source all names it: take its name out there to read it ({path})"
    lists = "left out, too, as lists of persons. To take it in, write a [[source]] with its path"
    assert sources.left_out(Recipe.load(path)) == {
        **dict.fromkeys(["t/x.doc", "y.doc"], "left out: old: save it"),
        "texts/a.csv": "conversations: no text to learn first",
        "п.png": "not read yet: install Tesseract",
        "../книга.txt": f"French. To take it in, take out the # before its [[source]] in {path}",
        **dict.fromkeys(["7a.txt", "7b.txt"], f"{lists} into {path}"),
        **dict.fromkeys([str(texts / "c1.txt"), str(texts / "c2.txt")], excluded),
    }


def test_texts_are_new_since_a_run_though_a_source_before_them_has_lost_its_file(recipe: Recipe):
    first, *others = [file.path for _, files in sources.find(recipe) for file in files]
    first.unlink()
    told = sources.changed(recipe, Store(recipe.folder / "store"), [], [])
    assert told == [str(path.relative_to(recipe.folder)) for path in others] != []


def test_hashes_are_remembered_without_reading_a_file(recipe: Recipe, hashed: list[str]) -> None:
    """All of them or none: a new or changed file has no corpus yet."""
    store = Store(recipe.folder / "store")
    assert sources.remembered(sources.find(recipe), store) is None
    first = hash_all(recipe)
    hashed.clear()
    assert sources.remembered(sources.find(recipe), store) == first
    os.utime(recipe.folder / "texts" / "tatar.txt", (1, 1))
    assert sources.remembered(sources.find(recipe), store) is None
    assert hashed == []


def test_one_changed_file_of_many_leaves_nothing_remembered(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        write(tmp_path, f"texts/{name}", TATAR)
    source, store = Source(name="texts", path="texts"), Store(tmp_path / "store")
    found = [(source, source_files(source, tmp_path))]
    first = sources.hash_all(found, store, Log(quiet=True))
    assert sources.remembered(found, store) == first
    os.utime(tmp_path / "texts" / "b.txt", (1, 1))
    assert sources.remembered(found, store) is None


def test_a_dry_run_hashes_and_writes_nothing_down(recipe: Recipe) -> None:
    store = Store(recipe.folder / "store")
    made = sources.hash_all(sources.find(recipe), store, Log(quiet=True), is_kept=False)
    assert not store.root.exists()
    assert hash_all(recipe) == made


def test_the_bar_of_hashing_comes_to_its_end(recipe: Recipe, monkeypatch: Patch):
    bars = bars_of(monkeypatch)
    for _ in range(2):
        hash_all(recipe)
        assert bars["looking for changes"][0] == bars["looking for changes"][1] > 0


def test_a_file_that_changed_after_it_was_hashed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "сораулар.txt"
    path.write_text("Кояшлы көндә", encoding="utf-8")
    named = Artifact(tmp_path, {"config": {"files": [sources.file_identity(path)]}})
    sources.require_unchanged(path, named)
    path.write_text("Яңгырлы көндә", encoding="utf-8")
    with pytest.raises(SourceError, match="changed since this run began") as caught:
        sources.require_unchanged(path, named)
    assert caught.value.where == str(path)
    path.unlink()
    with pytest.raises(SourceError, match="changed since this run began"):
        sources.require_unchanged(path, named)


def test_a_source_is_in_the_script_that_cleaning_names_or_its_language_has(recipe: Recipe) -> None:
    def scripts(*sets: str) -> set[str | None]:
        given = Recipe.load(recipe.path, sets=[f"language={recipe.language}", *sets])
        return {source.script for source, _ in sources.find(given)}

    assert scripts() == {usual_script(recipe.language)}
    assert scripts("clean.script=khmer") == {"khmer"}


def test_a_pack_for_ocr_is_chosen_once(tmp_path: Path, recipe: Recipe, monkeypatch: Patch):
    for n in range(5):
        write(tmp_path, f"scans/{n}.txt", TATAR)
    tried: list[int] = []

    def pack_of(_: Source, files: Sequence[RawFile], language: str, letters: str) -> str:
        tried.append(len(files))
        return "tat"

    monkeypatch.setattr(sources, "tesseract", lambda: "tesseract")
    monkeypatch.setattr(sources, "pack_of", pack_of)
    source, store = Source(name="scans", path="scans", ocr="auto"), Store(tmp_path / "store")

    def ocr() -> object:
        files = source_files(source, tmp_path)
        return sources.with_pack(source, files, recipe, store).ocr

    assert [ocr(), ocr(), tried] == [("tat",), ("tat",), [4]]
    os.utime(tmp_path / "scans" / "4.txt", (1, 1))
    assert (ocr(), tried) == (("tat",), [4]), "a fifth file is not looked at"
    os.utime(tmp_path / "scans" / "3.txt", (1, 1))
    assert (ocr(), tried) == (("tat",), [4, 4])
    monkeypatch.setattr(sources, "tesseract", lambda: None)
    assert ocr() == "auto"


@pytest.mark.parametrize("is_replaced", [True, False])
def test_a_text_of_equal_size_is_another(recipe: Recipe, hashed: list[str], is_replaced: bool):
    before = hash_all(recipe)[0].hashes
    path = recipe.folder / "texts" / "tatar.txt"
    stat, data = path.stat(), path.read_bytes()
    new = path.with_name(".tatar.new") if is_replaced else path
    new.write_bytes(data[:-2] + b"!\n")  # rsync renames a file, tar may write into the old one
    os.utime(new, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    new.replace(path)
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    assert hash_all(recipe)[0].hashes != before


def test_a_model_file_changed_at_equal_size_and_time_is_another_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"alma")
    once, stat = sources.hash_once(path), path.stat()
    path.write_bytes(b"ayva")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert sources.hash_once(path) != once


@pytest.mark.parametrize("is_cut", [True, False])
def test_a_bad_memory_of_hashes_is_made_anew(recipe: Recipe, hashed: list[str], is_cut: bool):
    first = hash_all(recipe)
    memory = recipe.folder / "store" / "hashes.json"
    changed = memory.read_text("utf-8").replace(first[0].hashes[0], "0" * 64)
    memory.write_text("{" if is_cut else changed, "utf-8")
    hashed.clear()
    assert hash_all(recipe) == first
    assert len(hashed) == 3
    assert len(json.loads(memory.read_text(encoding="utf-8"))) == 3 + len(("seal",))


def test_a_source_is_known_by_names_and_contents_and_not_by_paths(recipe: Recipe) -> None:
    (tatar, *_) = hash_all(recipe)
    assert tatar.listing() == [{"name": "tatar.txt", "sha256": tatar.hashes[0]}]
    assert tatar.bytes() == (recipe.folder / "texts" / "tatar.txt").stat().st_size


def test_a_source_of_the_recipe_is_warned_of(recipe: Recipe, capsys: pytest.CaptureFixture[str]):
    """Whatever is written there, a log for example, would become a text of the next run."""
    sources.find(recipe, log=Log())
    assert "own folder" not in capsys.readouterr().err
    whole = recipe.folder / "whole.toml"
    for name in ("tatar", "others"):
        text = recipe.path.read_text("utf-8").replace(f'"texts/{name}.txt"', '"."')
        whole.write_text(text, encoding="utf-8")
        for place in (whole, Path(os.path.relpath(whole))):
            sources.find(Recipe.load(place), log=Log())
            said = capsys.readouterr().err
            assert f'source "{name}": it reads the recipe\'s own folder' in said
            assert said.count("it reads") == 1


def test_a_source_without_a_file_is_missing(recipe: Recipe) -> None:
    (recipe.folder / "texts" / "tatar.txt").unlink()
    with pytest.raises(MissingSource, match='source "tatar"'):
        sources.find(recipe)


def test_an_error_of_the_disk_names_the_file(recipe: Recipe, monkeypatch: Patch) -> None:
    def fail(path: Path, advance: Callable[[int], None]) -> str:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(sources, "file_hash", fail)
    with pytest.raises(SourceError, match="Input/output error") as caught:
        hash_all(recipe)
    assert caught.value.where == str(recipe.folder / "texts" / "tatar.txt")


@pytest.mark.timeout(120)
def test_what_is_no_file_is_hashed_unread_and_odd_names_are_remembered(tmp_path: Path):
    write(tmp_path, os.fsdecode(b"texts/a-\xff.txt"), TATAR)
    os.mkfifo(tmp_path / "texts" / "pipe.txt")
    (tmp_path / "texts" / "circle.txt").symlink_to("circle.txt")
    (tmp_path / "texts" / "zero.txt").symlink_to("/dev/zero")
    source = Source(name="texts", path="texts")
    store = Store(tmp_path / os.fsdecode(b"store-\xff"))
    store.root.mkdir()
    found = [(source, source_files(source, tmp_path))]
    (first,) = sources.hash_all(found, store, Log(quiet=True))
    assert [file.name for file in first.files] == [
        *("a-\\xff.txt", "circle.txt", "pipe.txt", "zero.txt")
    ]
    assert sources.hash_all(found, store, Log(quiet=True)) == [first]
    assert len(set(first.hashes)) == 4
