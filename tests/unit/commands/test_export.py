"""Exporting from the command line, and proving an export."""

import errno
import os
import shutil
import signal
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as parquet
import pytest
from artefacts import DECLARED, ID, nobody

from endonym.commands import export, load
from endonym.commands import export as command
from endonym.commands.export import (
    export_model,
)
from endonym.commands.filled import filled
from endonym.commands.load import load_model
from endonym.device import signals_to
from endonym.errors import Damaged, ExportError, RecipeError, StoreError
from endonym.export.adapters import Adapter, write_adapter
from endonym.export.card import Card
from endonym.export.config import Export
from endonym.export.record import RECORD, record_of
from endonym.log import Log
from endonym.model.adapt_config import Adapt
from endonym.model.lora import new_changes
from endonym.store import Artifact, Store, open_artifact

QUIET = Log(quiet=True)
DATASET = Export(format="dataset")
GGUF = Export(format="gguf", quantize=("F16", "Q8_0"))
ADAPT = Adapt(rank=2).resolved()


@pytest.fixture
def store(finished: Path) -> Store:
    return Store(finished / "store")


@pytest.fixture
def exported(store: Store, tmp_path: Path) -> Path:
    export.export_model("kechkena", GGUF, tmp_path / "out", store=store, log=QUIET)
    return tmp_path / "out"


def test_an_export_is_verified_against_its_own_model(exported: Path, store: Store) -> None:
    checks, documents = export.verify_model(exported, None, (), store=store, log=QUIET)
    (shards,) = (each for each in store.artifacts() if each.stage == "shards")
    held_out = [*shards.numbers["dev"].values(), *shards.numbers["test"].values()]
    assert documents == sum(each["documents"] for each in held_out)
    assert all(each.ok for each in checks)
    assert {each.check for each in checks} >= {"ids", "decoding", "logits", "bits_per_byte"}
    table = filled("checks.txt", checks=checks)
    assert "kechkena-F16.gguf in llama.cpp" in table
    assert "FAILED" not in table


def test_one_file_and_own_text_are_verified(exported: Path, store: Store, tmp_path: Path) -> None:
    text = tmp_path / "new.txt"
    text.write_text("Песи баласы капка төбендә утыра.\n", encoding="utf-8")
    file = exported / "kechkena-Q8_0.gguf"
    checks, documents = export.verify_model(file, "kechkena", (text,), store=store, log=QUIET)
    assert documents == 1
    assert {each.file for each in checks} == {"kechkena-Q8_0.gguf"}


def test_a_changed_byte_is_said_before_anything_is_run(exported: Path, store: Store) -> None:
    file = exported / "kechkena-Q8_0.gguf"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 255
    file.write_bytes(data)
    with pytest.raises(Damaged, match="SHA-256 differs"):
        export.verify_model(exported, None, (), store=store, log=QUIET)


def test_a_failure_leaves_nothing(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("endonym.export.verify.RISE", {"F16": -1.0, "Q8_0": -1.0})
    with pytest.raises(ExportError, match="bits_per_byte"):
        export.export_model("kechkena", GGUF, tmp_path / "out", store=store, log=QUIET)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("gguf.GGUFWriter.write_tensor_data", full)
    with pytest.raises(StoreError, match="the disk is full"):
        export.export_model("kechkena", GGUF, tmp_path / "out", store=store, log=QUIET)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_kept(store: Store, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("минеке", encoding="utf-8")
    with pytest.raises(ExportError, match=f"^{tmp_path}: the folder is not empty"):
        export.export_model("kechkena", GGUF, tmp_path, store=store, log=QUIET)


def test_an_export_without_a_record_needs_a_model(exported: Path, store: Store) -> None:
    (exported / RECORD).unlink()
    with pytest.raises(RecipeError, match="names the model") as caught:
        export.verify_model(exported, None, (), store=store, log=QUIET)
    assert "--against" in caught.value.do
    assert export.verify_model(exported, "kechkena", (), store=store, log=QUIET)[0]


@pytest.fixture
def adapted(store: Store, tmp_path: Path) -> tuple[Path, Artifact]:
    """A model in a store without its texts, and a phase that adapts it."""
    (model,) = (store.root / "model").iterdir()
    home = Store(tmp_path / "store")
    base = shutil.copytree(model, home.root / "model" / model.name)
    decoder = load_model(str(base), home).decoder
    changes = new_changes(decoder, ADAPT, 1)
    with home.workspace("model", ID, waiting=nobody) as ctx:
        assert ctx is not None
        write_adapter(ctx.out / "adapter", decoder, changes, base_name=model.name)
        inputs = {
            **open_artifact(base).manifest["inputs"],
            "start": open_artifact(base).manifest["id"],
        }
        said = {**DECLARED, "stage": "model", "id": ID, "inputs": inputs, "numbers": {}}
        return base, home.publish(ctx, said)


def test_an_adapter_is_exported_on_its_base_if_both_are_whole(
    adapted: tuple[Path, Artifact],
) -> None:
    base, made = adapted
    home = Store.of(base)
    found, card = export.adapter_of(str(made.folder), None, home, QUIET)
    assert (found.base_name, found.name) == (base.name, card.name)
    assert found.changes.keys() == new_changes(found.base.decoder, ADAPT, 1).keys()
    for file in (base / "config.json", made.folder / "adapter" / "adapter_config.json"):
        whole = file.read_bytes()
        file.write_bytes(whole + b"\n")
        with pytest.raises(Damaged, match=file.name):
            export.adapter_of(str(made.folder), None, home, QUIET)
        file.write_bytes(whole)
    shutil.rmtree(base)
    with pytest.raises(ExportError, match="not in the store, so that nothing could be proven"):
        export.adapter_of(str(made.folder), None, home, QUIET)


def test_what_is_known_of_an_adapter_is_read_once(
    adapted: tuple[Path, Artifact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, made = adapted
    read, given, card_of = list[Card](), list[Card](), load.card_of

    def make(_: Export, adapter: Adapter, out: Path, *, card: Card, **__: object) -> Any:
        out.mkdir()
        given.append(card)
        assert adapter.name == card.name == made.folder.name
        return SimpleNamespace(files=[], checks=[])

    monkeypatch.setattr(load, "card_of", lambda *name: read.append(card_of(*name)) or read[-1])
    monkeypatch.setattr(command, "make_adapter_export", make)
    for name, adapter in ((base, str(made.folder)), (made.folder, None)):
        out = tmp_path / f"of {name.name}"
        alone = Export(format="adapter")
        export_model(str(name), alone, out, store=Store.of(base), log=QUIET, adapter=adapter)
    assert len(given) == 2
    assert [*map(id, read)] == [*map(id, given)]


def test_without_a_corpus_only_strange_strings_are_compared(
    exported: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "shards_of", lambda *_: None)
    checks, documents = export.verify_model(exported, None, (), store=store, log=QUIET)
    assert documents == 0
    assert {each.check for each in checks} > {"ids", "bits_per_byte"}
    assert all(each.ok for each in checks)


def test_sigterm_leaves_nothing_half(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def half(_: object, __: object, out: Path, **___: object) -> None:
        out.mkdir()
        (out / "model.gguf").write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)

    monkeypatch.setattr(command, "make_export", half)
    with pytest.raises(KeyboardInterrupt), signals_to(signal.default_int_handler, signal.SIGTERM):
        export_model(
            "kechkena", Export(format="huggingface"), tmp_path / "out", store=store, log=QUIET
        )
    assert list(tmp_path.iterdir()) == []


def test_a_corpus_is_handed_over_with_its_card_and_without_a_model(store: Store, tmp_path: Path):
    files, _ = export.export_corpus("kechkena", DATASET, tmp_path / "out", store=store, log=QUIET)
    names = sorted(path.name for path in files if path.parent.name == "data")
    assert names == [f"{side}-00000.parquet" for side in ("dev", "test", "train")]
    record = record_of(tmp_path / "out")
    (corpus,) = [each for each in store.artifacts() if each.stage == "corpus"]
    assert record["corpus"] == corpus.id
    rows = parquet.read_table(tmp_path / "out" / "data")
    kept = corpus.numbers["total"]["kept"].values()
    assert len(rows) == sum(each["documents"] for each in kept)
    readme = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert 'pretty_name: "kechkena"' in readme
    assert f"{len(rows):,} documents" in readme
    assert "* `min_chars = 40`" in readme
    with pytest.raises(RecipeError, match="no model to be compared with"):
        export.verify_model(tmp_path / "out", None, (), store=store, log=QUIET)


def test_a_corpus_may_be_named_by_its_artefact(store: Store, tmp_path: Path) -> None:
    (corpus,) = [each for each in store.artifacts() if each.stage == "corpus"]
    export.export_corpus(str(corpus.folder), DATASET, tmp_path / "out", store=store, log=QUIET)
    assert (tmp_path / "out" / "data" / "train-00000.parquet").is_file()
    (model,) = [each for each in store.artifacts() if each.stage == "model"]
    with pytest.raises(RecipeError, match=r"^MODEL: .* is a model, not a corpus"):
        export.export_corpus(str(model.folder), DATASET, tmp_path / "other", store=store, log=QUIET)
    assert not (tmp_path / "other").exists()


def test_a_folder_that_cannot_be_written_is_named_with_its_option(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(StoreError, match="cannot write here") as caught, export.new_folder(out):
        raise PermissionError(errno.EACCES, "Permission denied")
    assert (caught.value.where, caught.value.do) == (
        str(out),
        "Choose another folder with --out DIR.",
    )
    assert list(tmp_path.iterdir()) == []
