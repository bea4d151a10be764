"""An artefact that a stranger made, with right hashes: one plain error, and nothing outside it."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from artefacts import make

from endonym.disk import file_hash
from endonym.errors import Busy, Damaged
from endonym.store import Store, open_artifact, write_sealed


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def resealed(folder: Path, **changed: object) -> None:
    """A manifest with other contents under a right seal, as a stranger can write it."""
    path = folder / "manifest.json"
    said = json.loads(path.read_text(encoding="utf-8"))
    write_sealed(path, {key: each for key, each in (said | changed).items() if each is not None})


STRANGE = [
    *({key: None} for key in ("id", "stage", "config", "inputs", "numbers", "files", "version")),
    {"id": 5}, {"id": "../../../кич"}, {"id": "A" * 64}, {"stage": ["corpus"]}, {"stage": "../m"},
    {"config": []}, {"inputs": [1]}, {"inputs": {"start": 1}}, {"inputs": {"start": "../../../x"}},
    {"numbers": 3}, {"files": [1]}, {"files": {"train.txt": 1}}, {"files": {"train.txt": {}}},
    {"files": {"train.txt": {"bytes": "4", "sha256": "00"}}},
    {"files": {"train.txt": {"bytes": 4, "sha256": None}}},
]  # fmt: skip


@pytest.mark.parametrize("changed", STRANGE, ids=str)
def test_a_stranger_s_manifest_with_a_right_seal_is_one_error(
    store: Store, changed: dict[str, object]
) -> None:
    folder = make(store).folder.rename(store.root.parent / "taken along")
    resealed(folder, **changed)
    with pytest.raises(Damaged, match="does not say what made which files") as caught:
        open_artifact(folder)
    assert caught.value.where == str(folder / "manifest.json")
    write_sealed(folder / "manifest.json", {})
    with pytest.raises(Damaged, match="does not say what made which files"):
        open_artifact(folder)


def test_what_a_stranger_counted_otherwise_is_told_while_it_is_read(store: Store) -> None:
    made = make(store)
    for numbers in ({}, {"kept": []}, {"kept": None}):
        resealed(made.folder, numbers=numbers)
        odd = open_artifact(made.folder)
        with (
            pytest.raises(Damaged, match="this corpus does not hold what endonym writes"),
            odd.read_with_care(),
        ):
            _ = odd.numbers["kept"] + 1
    with pytest.raises(Damaged, match="IndexError"), made.read_with_care():
        _ = list[int]()[0]
    with pytest.raises(Busy), made.read_with_care():
        raise Busy("process 5")


def test_no_file_outside_an_artefact_is_opened(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, secret = make(store).folder, tmp_path / "secret.txt"
    secret.write_text("Сер", encoding="utf-8")
    (folder / "linked.txt").symlink_to(secret)
    (folder / "below").symlink_to(tmp_path)
    entry = {"bytes": 6, "sha256": file_hash(secret)}
    opened = list[Path]()
    plain = Path.open

    def note(path: Path, *given: Any, **named: Any) -> Any:
        opened.append(path.resolve())
        return plain(path, *given, **named)

    for name in ("../../../secret.txt", str(secret), "linked.txt", "below/secret.txt", "a/../x"):
        resealed(folder, files={name: entry})
        with monkeypatch.context() as patch:
            patch.setattr(Path, "open", note)
            made = open_artifact(folder)
            for read in (made.verify, partial(made.rows, name)):
                with pytest.raises(Damaged, match=r"no plain name|is a link"):
                    read()
        assert secret not in opened
    assert opened, "the manifest was read"
