"""No file of a store or of a run is trusted: with one bit flipped, cut off, or holding odd JSON,
each command either says what is wrong and what to do, or gives what it gave before.

The kinds of files are those that lie on disk after a run with phases of texts, conversations and
preference pairs; a new kind is tried the day it is written.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from every_kind import recipe_of_all_kinds

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
LISTED = ("source", "corpus", "tokenizer", "shards", "examples", "model", "evaluation", "export")
NOT_READ = ("locks", "cache")
"""A lock is its `flock`, not its text; sizes of the compressor are read by a new evaluation."""


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
    """A file of each kind: those whose paths differ by no more than digits and identifiers."""
    found: dict[str, Path] = {}
    for root in ("store", "runs"):
        for path in sorted((folder / root).rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.is_file() and path.stat().st_size:
                found.setdefault(re.sub(r"[0-9a-f]{12,}|\d{4,}\S*", "N", name), path)
    return found


def artefacts(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of every artefact."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((folder / "store").glob("*/*/**/*"))
        if path.is_file() and path.parts[len(folder.parts) + 1] not in ("journal", "locks")
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
    for kind in kinds(made):
        path = kinds(made)[kind]  # A run may have begun a new file of TensorBoard.
        _, folder, *_ = kind.split("/")
        if folder in LISTED or folder in NOT_READ:
            found += faults(made, path, DAMAGES, [run], command)
        else:
            found += faults(made, path, DAMAGES, [run, *others], command)
            found += faults(made, path, MORE, [run], command)
    assert not found, "\n".join(found)
