"""No file of a store or of a run is trusted: with one bit flipped, cut off, or holding odd JSON,
each command either says what is wrong and what to do, or gives what it gave before.

The kinds of files are those that lie on disk after a run with phases of texts, conversations and
preference pairs; a new kind is tried the day it is written. What a command reads is what it opens.
"""

import hashlib
import io
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import cycle, product
from pathlib import Path
from typing import Any

import pytest
from every_kind import recipe_of_all_kinds

from endonym.store import write_sealed

pytestmark = pytest.mark.slow

Say = Callable[..., Any]
Damage = Callable[[bytes], bytes]


def flipped(share: float, bit: int) -> Damage:
    """One bit of the byte at this share of a file."""

    def damage(data: bytes) -> bytes:
        place = int(share * (len(data) - 1))
        return data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]

    return damage


DAMAGES: dict[str, Damage] = {
    "a bit in the middle": flipped(0.5, 4),
    "cut": lambda data: data[: len(data) // 2],
    "null": lambda data: b"null\n",
}
MORE: dict[str, Damage] = {
    "a bit of the first byte": flipped(0.0, 0),
    "no UTF-8": flipped(0.9, 7),
    "an empty object": lambda data: b"{}\n",
    "a list": lambda data: b"[]\n",
    "deep": lambda data: b"[" * 100_000,
}
"""For files that no manifest lists."""
UNSEEN = {
    "recipe.toml": ("a bit in the middle", "a bit of the first byte", "cut"),
    ".jsonl": ("cut",),
    "": (),
}
"""What nobody can see, by the end of a file's name: a run's copy of its recipe is text for people,
without a hash, and a kill may end a journal anywhere."""
LISTED = ("source", "corpus", "tokenizer", "shards", "examples", "model", "evaluation", "export")
NOT_READ = ("locks", "cache")
"""By a run that makes nothing. A lock is its `flock`, not its text."""


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory, small_recipe: Callable[[Path], Path], command: Say
) -> Path:
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("damaged") / "project"
    recipe = recipe_of_all_kinds(folder, small_recipe)
    said = command("run", recipe, "--store", folder / "store")
    assert said.code == 0, said.err
    return folder


def kinds(folder: Path) -> dict[str, Path]:
    """A file of each kind."""
    roots = (folder / "store", folder / "runs")
    return one_of_each([path for root in roots for path in sorted(root.rglob("*"))], folder)


def one_of_each(paths: Iterable[Path], folder: Path) -> dict[str, Path]:
    """A file of each kind: those whose paths differ by no more than digits and identifiers."""
    found: dict[str, Path] = {}
    for path in paths:
        name = path.relative_to(folder).as_posix()
        if path.is_file() and path.stat().st_size:
            found.setdefault(re.sub(r"[0-9a-f]{12,}|\d{4,}\S*", "N", name), path)
    return found


@cache
def digest(path: Path, written: tuple[int, int]) -> str:
    """The SHA-256 of a file as it was written last."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def artefacts(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of every artefact."""
    return {
        path.relative_to(folder).as_posix(): digest(path, (now.st_mtime_ns, now.st_ino))
        for path in sorted((folder / "store").glob("*/*/**/*"))
        if path.is_file() and path.parts[len(folder.parts) + 1] not in ("journal", "locks")
        for now in [path.stat()]
    }


def commands(folder: Path) -> Iterator[tuple[Any, ...]]:
    """What reads a store: quick where all is there."""
    store = ("--store", folder / "store")
    yield "run", folder / "recipe.toml", *store
    yield "status", *store
    yield "look", "kechkena", *store
    yield "prune", *store


def test_the_kinds_of_files_are_many(made: Path) -> None:
    found = kinds(made)
    assert len(found) > 60
    for needed in ("references/N.json", "plan.json", "machine.json", "journal/model-N.jsonl"):
        assert any(each.endswith(needed) for each in found), needed


def faults(
    folder: Path, path: Path, damages: dict[str, Damage], asked: Iterable[Any], say: Say
) -> list[str]:
    """What was wrong with the answers of commands while a file is damaged."""
    whole, before, found = path.read_bytes(), artefacts(folder), list[str]()
    name = path.relative_to(folder).as_posix()
    for (kind, damage), words in product(damages.items(), asked):
        path.write_bytes(damage(whole))
        said = say(*words)
        where = f"{name}, {kind}, {words[0]}: {said.err[-300:]}"
        if said.code not in (0, 1, 2) or "internal error" in said.err:
            found.append(where)
        elif said.code and path.parent.name not in said.err:
            found.append(f"the error does not say where: {where}")
        elif said.code == 0 and words[0] == "run" and name in before:
            found.append(f"nothing is said of an artefact: {where}")
        path.write_bytes(whole)
        if artefacts(folder) != before:
            found.append(f"other bytes were made: {where}")
    return found


def test_a_damaged_file_is_told_or_changes_nothing(made: Path, command: Say) -> None:
    found: list[str] = []
    run, *others = commands(made)
    flip, *larger = DAMAGES
    turns = cycle(DAMAGES.items())
    for kind, other in zip(kinds(made), cycle(larger), strict=False):
        path = kinds(made)[kind]  # A run may have begun a new file of TensorBoard.
        _, folder, *_ = kind.split("/")
        if folder in LISTED or folder in NOT_READ:
            damages = {each: DAMAGES[each] for each in (flip, other)}
            found += faults(made, path, damages, [run], command)
        else:
            found += faults(made, path, DAMAGES | MORE, [run], command)
            next(turns)  # so that each command meets another damage in the next kind of file
            for words, damage in zip(others, turns, strict=False):
                found += faults(made, path, dict([damage]), [words], command)
    assert not found, "\n".join(found)


def readers(folder: Path) -> Iterator[tuple[Any, ...]]:
    """What uses a finished model, its scores or its export."""
    run, store = folder / "runs" / "kechkena", ("--store", folder / "store")
    few = ("--max-tokens", "4")
    (export,) = (path.parent for path in folder.glob("store/export/*/model.safetensors"))
    yield "generate", run, "Кич", *few, *store
    yield "evaluate", run, *store
    yield "export", run, "--out", folder / "out", *store
    yield "compare", run, second(folder) / "runs" / "kechkena", "--out", folder / "out", *store
    yield "publish", export, "--to", "tatar/kechkena", *store
    yield "chat", run, *few, *store
    yield "serve", run, "--port", 0, *store


def second(folder: Path) -> Path:
    """The place of a copy of a project."""
    return folder.with_name("second")


class Opened:
    """Notes the paths of files that are opened below a folder, by an audit hook, which stays."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.found = f"{folder}{os.sep}", set[Path]()
        sys.addaudithook(self)

    def __call__(self, event: str, values: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(values[0], str | Path):
            path = os.path.realpath(values[0])
            if path.startswith(self.folder):
                self.found.add(Path(path))


def changed_answers(folder: Path, words: tuple[Any, ...], opened: Opened, say: Say) -> list[str]:
    """What was wrong with the answers of a command while a file that it reads is damaged."""

    def said() -> Any:
        try:
            return say(*words)
        finally:
            shutil.rmtree(folder / "out", ignore_errors=True)

    if words[0] == "chat":
        said()  # What it keeps in the cache is read by the next call.
    opened.found.clear()
    expected, found = said(), list[str]()
    read = one_of_each(sorted(opened.found), folder)
    damages = DAMAGES | MORE
    every = {
        end: cycle([kind for kind in damages if kind not in unseen])
        for end, unseen in UNSEEN.items()
    }
    for path in read.values():
        if "locks" in path.parts or ("cache" in path.parts and words[0] == "serve"):
            continue  # `chat` has tried the files that `serve` makes.
        whole, name = path.read_bytes(), path.relative_to(folder).as_posix()
        is_listed = path.relative_to(folder).parts[1] in LISTED and path.name != "manifest.json"
        for _ in range(1 if is_listed or "cache" in path.parts else 3):
            kind = next(next(each for end, each in every.items() if path.name.endswith(end)))
            path.write_bytes(damages[kind](whole))
            answer = said()
            path.write_bytes(whole)
            where = f"{name}, {kind}, {words[0]}: {answer.err[-300:]}"
            if answer.code != expected.code and path.parent.name not in answer.err:
                found.append(f"the error does not say where: {where}")
            elif answer.code == expected.code and answer.out != expected.out:
                found.append(f"another answer: {where}")
    assert read, f"{words[0]} reads nothing"
    return found


def test_what_uses_a_model_tells_what_is_damaged_or_answers_the_same(
    made: Path, command: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(made, second(made))
    opened, before = Opened(made), artefacts(made)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    monkeypatch.setattr("endonym.serve.listen.listen", lambda *_, ready, **__: ready())
    found = [
        each for words in readers(made) for each in changed_answers(made, words, opened, command)
    ]
    assert not found, "\n".join(found)
    for path, digest in artefacts(made).items():
        assert before.get(path, digest) == digest, path


def test_a_stranger_s_artefact_under_a_right_seal_is_used_or_is_one_error(
    made: Path, command: Say, tmp_path: Path
) -> None:
    copy = tmp_path / "project"
    shutil.copytree(made, copy)
    asked = {
        "model": [("look",), ("generate", "Кич", *("--max-tokens", "4")), ("evaluate", "--text")],
        "corpus": [("look",), ("export", "--to", "dataset", "--out", copy / "out")],
        "tokenizer": [("look", "--text", "Кич")],
    }
    refused = 0
    for stage, commands in asked.items():
        folder = sorted((copy / "store" / stage).iterdir())[-1]
        whole = json.loads((folder / "manifest.json").read_text("utf-8"))
        del whole["seal"]
        for key, odd in product(("config", "numbers", "inputs"), ({}, [5])):
            said = dict.fromkeys(whole[key], odd) if odd and key != "inputs" else {}
            write_sealed(folder / "manifest.json", {**whole, key: said})
            for name, *flags in commands:
                given = [copy / "prompts.txt"] if name == "evaluate" else []
                answer = command(name, folder, *flags, *given, "--store", copy / "store")
                shutil.rmtree(copy / "out", ignore_errors=True)
                assert answer.code in (0, 1, 2)
                assert answer.code == 0 or str(folder) in answer.err.replace("\n", "")
                refused += answer.code == 1
        write_sealed(folder / "manifest.json", whole)
    assert refused > 10
