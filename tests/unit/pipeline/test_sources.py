"""Raw files are hashed by content, once."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from text_samples import TATAR, write

from endonym.errors import MissingSource, SourceError
from endonym.log import Log
from endonym.pipeline import sources
from endonym.recipe.recipe import Recipe
from endonym.store import Store
from endonym.text.config import Source
from endonym.text.files import RawSet, source_files


@pytest.fixture
def recipe(small_recipe: Callable[[Path], Path], tmp_path: Path) -> Recipe:
    return Recipe.load(small_recipe(tmp_path / "project"))


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read."""
    seen: list[str] = []
    read = sources.file_hash

    def note(path: Path, advance: Callable[[int], None]) -> str:
        seen.append(path.name)
        return read(path, advance)

    monkeypatch.setattr(sources, "file_hash", note)
    return seen


def hash_all(recipe: Recipe) -> list[RawSet]:
    store = Store(recipe.folder / "store")
    return sources.hash_all(sources.find(recipe), store, Log(quiet=True))


def test_a_file_is_read_once_and_again_when_its_size_or_time_changes(
    recipe: Recipe, hashed: list[str]
) -> None:
    first = hash_all(recipe)
    assert sorted(hashed) == ["others.txt", "romanian.jsonl.gz", "tatar.txt"]
    hashed.clear()
    assert hash_all(recipe) == first
    assert hashed == []
    os.utime(recipe.folder / "texts" / "tatar.txt", (1, 1))
    assert hash_all(recipe) == first
    assert hashed == ["tatar.txt"]


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


def test_a_file_of_the_same_size_and_another_time_is_another_file(
    recipe: Recipe, hashed: list[str]
) -> None:
    before = hash_all(recipe)[0].hashes
    path = recipe.folder / "texts" / "tatar.txt"
    data = path.read_bytes()
    path.write_bytes(data[:-2] + b"!\n")
    os.utime(path, (5, 5))
    assert hash_all(recipe)[0].hashes != before


def test_a_broken_memory_of_hashes_is_made_anew(recipe: Recipe, hashed: list[str]) -> None:
    first = hash_all(recipe)
    memory = recipe.folder / "store" / "hashes.json"
    memory.write_text("{", encoding="utf-8")
    hashed.clear()
    assert hash_all(recipe) == first
    assert len(hashed) == 3
    assert len(json.loads(memory.read_text(encoding="utf-8"))) == 3 + len(("seal",))


@pytest.mark.parametrize("is_replaced", [True, False])
def test_a_text_changed_at_equal_size_and_time_is_another_file(
    recipe: Recipe, hashed: list[str], is_replaced: bool
) -> None:
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


def test_a_changed_hash_in_the_memory_is_no_other_text(recipe: Recipe, hashed: list[str]) -> None:
    first = hash_all(recipe)
    memory = recipe.folder / "store" / "hashes.json"
    digest = first[0].hashes[0]
    memory.write_text(memory.read_text("utf-8").replace(digest, "0" * 64), "utf-8")
    assert hash_all(recipe) == first


def test_a_source_is_known_by_names_and_contents_and_not_by_paths(recipe: Recipe) -> None:
    (tatar, *_) = hash_all(recipe)
    assert tatar.listing() == [{"name": "tatar.txt", "sha256": tatar.hashes[0]}]
    assert tatar.bytes() == (recipe.folder / "texts" / "tatar.txt").stat().st_size


def test_a_source_without_a_file_is_missing(recipe: Recipe) -> None:
    (recipe.folder / "texts" / "tatar.txt").unlink()
    with pytest.raises(MissingSource, match='source "tatar"'):
        sources.find(recipe)


def test_an_error_of_the_disk_names_the_file(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, advance: Callable[[int], None]) -> str:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(sources, "file_hash", fail)
    with pytest.raises(SourceError, match="Input/output error") as caught:
        hash_all(recipe)
    assert caught.value.where == str(recipe.folder / "texts" / "tatar.txt")


@pytest.mark.timeout(20)
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
        *("a-\\xff.txt", "circle.txt", "pipe.txt", "zero.txt"),
    ]
    assert sources.hash_all(found, store, Log(quiet=True)) == [first]
    assert len(set(first.hashes)) == 4
